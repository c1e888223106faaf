"""The runtime lock, and the golden outputs on another day."""

import dataclasses
import logging

import msgspec
import numpy as np
import pytest

from burnish.bundle import Difference, compare, current_lock, pack, verify_bundle
from burnish.bundle.golden import check_golden
from burnish.bundle.runtime_lock import enforce
from burnish.errors import ArtifactError, ConfigError, ParityError
from burnish.testing import graphs


def test_a_lock_agrees_with_the_machine_that_made_it(packed):
    verified = verify_bundle(packed.path, lock_policy="strict")
    assert verified.differences == ()
    assert verified.golden_error == 0.0
    assert verified.digest == packed.digest
    assert verified.files == 2


def test_a_lock_names_the_engine_in_use_and_no_other(packed):
    packages = packed.manifest.runtime_lock.packages
    assert {"burnish", "numpy", "onnxruntime"} <= set(packages)
    assert not {"torch", "openvino"} & set(packages)


def moved(lock):
    flags = [*lock.flags, "amx_int8"]
    return msgspec.structs.replace(lock, flags=flags, packages={**lock.packages, "onnxruntime": "1.0"})


def test_differences_read_well():
    lock = current_lock(("onnxruntime",))
    here = lock.packages["onnxruntime"]
    found = compare(moved(lock), lock)
    assert Difference("onnxruntime", "1.0", here) in found
    assert f"onnxruntime 1.0 -> {here}" in map(str, found)


def test_a_package_that_was_not_locked_changes_nothing():
    lock = current_lock(("numpy",))
    more = msgspec.structs.replace(lock, packages={**lock.packages, "torch": "9"})
    assert compare(lock, more) == []
    assert [str(d) for d in compare(more, lock)] == ["torch 9 -> absent"]


def test_the_policy_decides(caplog):
    logging.getLogger("burnish").propagate = True
    other = moved(current_lock(("onnxruntime",)))
    with pytest.raises(ArtifactError, match=r"onnxruntime 1\.0 -> "):
        enforce(other, "strict", subject="m@1")
    assert not caplog.records
    assert enforce(other, "ignore", subject="m@1")
    assert not caplog.records
    assert enforce(other, "warn", subject="m@1")
    assert "runtime differs" in caplog.text
    with pytest.raises(ConfigError, match="strct"):
        enforce(other, "strct", subject="m@1")


def test_golden_outputs_of_another_model_are_found(tmp_path, request_):
    bundle = pack(tmp_path / "b", graphs.double(), request_)
    _, outputs = bundle.golden()
    with pytest.raises(ParityError, match="off by"):
        check_golden(outputs, {"y": outputs["y"] + 1})
    with pytest.raises(ParityError, match="shape"):
        check_golden(outputs, {"y": outputs["y"][:1]})
    with pytest.raises(ParityError, match="absent"):
        check_golden(outputs, {})
    assert check_golden(outputs, {"y": outputs["y"] * 1.0001}) > 0


def test_golden_outputs_may_hold_nan_where_they_always_did():
    golden = {"y": np.array([1.0, np.nan, np.inf], np.float32)}
    assert check_golden(golden, golden) == 0.0
    with pytest.raises(ParityError):
        check_golden(golden, {"y": np.array([1.0, 0.0, np.inf], np.float32)})
    with pytest.raises(ParityError):
        check_golden({"y": np.ones(1, np.float32)}, {"y": np.full(1, np.nan, np.float32)})


def test_integers_and_strings_must_be_equal():
    with pytest.raises(ParityError, match="differs"):
        check_golden({"y": np.array([1, 2])}, {"y": np.array([1, 3])})


def test_replaying_can_be_left_out(packed):
    assert verify_bundle(packed.path, replay=False).golden_error is None


def test_another_engine_replays_the_same(tmp_path, request_):
    pytest.importorskip("openvino")
    engine = dataclasses.replace(request_).engine
    openvino = dataclasses.replace(request_, engine=msgspec.structs.replace(engine, backend="openvino"))
    bundle = pack(tmp_path / "b", graphs.double(), openvino)
    assert "openvino" in bundle.manifest.runtime_lock.packages
    assert verify_bundle(bundle.path).golden_error == 0.0
