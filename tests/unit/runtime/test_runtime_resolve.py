"""Which engine runs where, and what one reads when none can."""

import numpy as np
import pytest

from burnish import plugins
from burnish.errors import MissingExtraError, NotFoundError, UnsupportedDeviceError
from burnish.runtime import backend_names, device_table, resolve
from burnish.testing import graphs


def test_cpu_prefers_onnxruntime():
    assert resolve("cpu").spec.name == "onnxruntime"
    assert resolve("cpu", "torch").spec.name == "torch"
    assert backend_names()[:3] == ["onnxruntime", "openvino", "torch"]


def test_unknown_device_lists_what_works_and_why_the_rest_does_not():
    with pytest.raises(UnsupportedDeviceError) as caught:
        graphs.double().infer(np.ones((1, 3), np.float32), device="cpuu")
    assert isinstance(caught.value, ValueError)
    text = caught.value.message
    assert "'cpuu'" in text
    assert "cpu (onnxruntime, openvino, torch" in text
    for backend, status in device_table():
        if not status.available:
            assert f"{status.device} ({backend.spec.name}): {status.reason}" in text
    assert caught.value.hint == "did you mean 'cpu'?"


def test_known_device_is_explained_by_what_was_meant():
    with pytest.raises(UnsupportedDeviceError) as caught:
        resolve("npu")
    assert "npu (openvino): OpenVINO finds no NPU" in caught.value.message
    assert "cuda" not in caught.value.message
    assert "doctor" in caught.value.hint


@pytest.mark.parametrize("device", ["cpu:1", "cuda:x", "cuda:-1"])
def test_number_that_makes_no_sense_is_refused(device):
    with pytest.raises(UnsupportedDeviceError, match=device):
        resolve(device)


def test_device_of_another_engine_is_refused():
    with pytest.raises(UnsupportedDeviceError, match="device 'npu' of back end 'torch'"):
        resolve("npu", "torch")


def test_unknown_engine_is_not_found():
    with pytest.raises(NotFoundError) as caught:
        resolve("cpu", "onnxruntme")
    assert "onnxruntime" in caught.value.hint


def test_absent_engine_names_the_extra(monkeypatch):
    present = plugins.is_installed
    monkeypatch.setattr(plugins, "is_installed", lambda package: package != "openvino" and present(package))
    with pytest.raises(MissingExtraError) as caught:
        resolve("cpu", "openvino")
    assert caught.value.hint == "pip install 'burnish[openvino]'"
    reasons = {status.reason for backend, status in device_table() if backend.spec.name == "openvino"}
    assert reasons == {"openvino is not installed"}
    assert resolve("cpu").spec.name == "onnxruntime"
