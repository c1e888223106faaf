"""ONNX Runtime's providers: present in the wheel is not the same as starting here. No GPU is needed."""

import types

import numpy as np
import pytest

from burnish.errors import DeviceError, UnsupportedDeviceError
from burnish.runtime import Placed, SessionOptions
from burnish.runtime.backends.onnxruntime import BACKEND, _load_error
from burnish.runtime.ort_support import providers
from burnish.testing import graphs


@pytest.fixture
def wheel(monkeypatch):
    """Pretend that the installed wheel holds more providers, with a driver or without."""
    real = providers.runtime()

    class Session(real.InferenceSession):
        def __init__(self, model, settings=None, providers=None, **options):
            super().__init__(model, settings, providers=["CPUExecutionProvider"])
            self.asked, self.options = providers, options

        def get_providers(self):
            return [*([self.asked[0][0]] if fake.driver else []), "CPUExecutionProvider"]

        def get_provider_graph_assignment_info(self):
            nodes = [types.SimpleNamespace(op_type="Conv", name="c", domain="")]
            return [types.SimpleNamespace(ep_name=self.asked[0][0], get_nodes=lambda: nodes)]

    fake = types.SimpleNamespace(
        driver=True,
        InferenceSession=Session,
        SessionOptions=real.SessionOptions,
        GraphOptimizationLevel=real.GraphOptimizationLevel,
        get_available_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
    )
    monkeypatch.setattr(providers, "runtime", lambda: fake)
    monkeypatch.setattr("burnish.runtime.backends.onnxruntime.runtime", lambda: fake)
    providers._cannot_start.cache_clear()
    yield fake
    providers._cannot_start.cache_clear()


def status(device):
    return next(status for status in BACKEND.devices() if status.device == device)


def test_absent_provider_names_the_wheel_that_has_it():
    for name, provider in providers.PROVIDERS.items():
        if not status(name).available:
            assert provider.name in status(name).reason
    assert status("cpu").available
    assert providers.PROVIDERS["cuda"].wheel == "onnxruntime-gpu"


def test_provider_without_a_driver_is_not_available(wheel):
    wheel.driver = False
    assert not status("cuda").available
    assert "does not start here" in status("cuda").reason


def test_provider_that_starts_is_available(wheel):
    assert status("cuda").available
    assert not status("tensorrt").available


def test_onnxruntime_never_falls_back_in_silence(wheel):
    """Given a provider without its driver, ONNX Runtime itself would run on the processor."""
    wheel.driver = False
    with pytest.raises(UnsupportedDeviceError, match="fell back from CUDAExecutionProvider"):
        BACKEND.open(graphs.double(), device="cuda", options=SessionOptions())


def test_number_of_a_device_reaches_its_provider(wheel):
    session = BACKEND.open(graphs.network(), device="cuda:2", options=SessionOptions())
    assert session._session.asked == [("CUDAExecutionProvider", {"device_id": "2"})]
    assert session._session.options == {"enable_fallback": 0}
    assert session.placement() == (Placed("Conv", "c", "CUDAExecutionProvider"),)
    both = ["TensorrtExecutionProvider", "CUDAExecutionProvider"]
    assert providers.chosen("tensorrt:1") == [(name, {"device_id": "1"}) for name in both]
    for device in ("cuda:x", "coreml:1", "cpu:1"):
        with pytest.raises(UnsupportedDeviceError):
            providers.chosen(device)


def test_host_memory_is_bound_anew_before_every_run_on_a_device(wheel):
    """Binding copies it to the device: without it a run would see what was there when it was bound."""
    session = BACKEND.open(graphs.double(), device="cuda", options=SessionOptions())
    x, y = np.ones((1, 3), np.float32), np.zeros((1, 3), np.float32)
    bound = session.bind({"x": x}, {"y": y})
    for value in (1, 2):
        x[...] = value
        bound()
        np.testing.assert_array_equal(y, 2 * x)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("CUDA failure 101: invalid device ordinal ; GPU=7", UnsupportedDeviceError),
        ("CUDA failure 2: out of memory ; GPU=0", DeviceError),
    ],
)
def test_words_of_cuda_are_understood(text, kind):
    error = _load_error(RuntimeError(text), "cuda:7")
    assert isinstance(error, kind)
    assert text in str(error)
