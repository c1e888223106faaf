"""A session checks what it is given and mends what an engine could not read."""

import time
import types

import numpy as np
import pytest

from burnish.errors import (
    BackendError,
    CompileError,
    ConfigError,
    InputError,
    ShapeError,
    UnsupportedDeviceError,
    UnsupportedOpError,
)
from burnish.runtime import (
    BackendSpec,
    CheckedSession,
    DeviceStatus,
    Placed,
    SessionOptions,
    device_table,
    dlpack,
    open_session,
)
from burnish.runtime.tensors import fit
from burnish.testing import graphs


def test_fitting_arrays_are_handed_on_without_a_copy():
    x = np.ones((2, 3), np.float32)
    assert fit(x) is x
    assert fit(np.float32(1).reshape(())).shape == ()


@pytest.mark.parametrize(
    "odd",
    [np.arange(12, dtype=np.float32).reshape(3, 4).T, np.arange(24, dtype=np.float32).reshape(4, 6)[:, ::2]],
    ids=["transposed", "strided"],
)
def test_other_layouts_are_copied(odd):
    fitted = fit(odd)
    assert fitted.flags.c_contiguous
    np.testing.assert_array_equal(fitted, odd)


def test_foreign_bytes_are_swapped():
    foreign = np.array([[1, 2, 3]], ">f4")
    with open_session(graphs.double()) as session:
        y = session.run({"x": foreign})["y"]
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, [[2, 4, 6]])


def test_errors_of_the_caller_are_shape_errors():
    with open_session(graphs.double()) as session, pytest.raises(ShapeError, match="float64"):
        session.run({"x": np.ones((1, 3))})


def test_closed_session_says_so():
    session = open_session(graphs.double())
    session.close()
    with pytest.raises(BackendError, match="closed"):
        session.run({"x": np.ones((1, 3), np.float32)})


def test_dtype_that_the_engine_lacks_is_named():
    with pytest.raises(UnsupportedOpError, match="openvino cannot take or give 'x', which is string"):
        open_session(graphs.same("string"), backend="openvino")


@pytest.mark.parametrize("optimization", ["none", "basic", "extended", "all"])
def test_onnxruntime_takes_every_optimization_level(optimization):
    x = np.ones((2, 1, 8, 8), np.float32)
    with open_session(graphs.network(), options=SessionOptions(optimization=optimization)) as session:
        assert session.run({"x": x})["scores"].shape == (2, 4)


def test_options_that_an_engine_cannot_honour_are_refused():
    with pytest.raises(CompileError, match="optimization 'none'"):
        open_session(graphs.double(), backend="openvino", options=SessionOptions(optimization="none"))
    with pytest.raises(ConfigError, match="no option 'a'"):
        open_session(graphs.double(), backend="torch", options=SessionOptions(extra={"a": "b"}))


def test_checking_costs_little():
    """The whole check stays far below what even a small network takes: 20 us at the median."""

    class Nothing:
        def run(self, inputs, outputs=None):
            return {}

    session = CheckedSession(graphs.network(), Nothing(), backend="nothing", device="cpu")
    inputs = {"x": np.ones((1, 1, 8, 8), np.float32)}
    samples = []
    for _ in range(51):
        begin = time.perf_counter()
        for _ in range(100):
            session.run(inputs)
        samples.append((time.perf_counter() - begin) / 100)
    assert np.median(samples) < 20e-6


def test_a_layout_that_passed_lets_no_other_through():
    """What the session remembers as right depends on names, dtypes, shapes and layout, all of them."""
    good = np.ones((2, 3), np.float32)
    with open_session(graphs.double()) as session:
        session.run({"x": good})
        for bad in ({"x": good.astype(np.float64)}, {"x": good[:, :2]}, {"y": good}, {"x": good, "y": good}):
            with pytest.raises(ShapeError):
                session.run(bad)
        for odd in (np.asfortranarray(good), good.astype(">f4"), np.ones((2, 6), np.float32)[:, ::2]):
            np.testing.assert_array_equal(session.run({"x": odd})["y"], good + good)
        assert session.run(types.MappingProxyType({"x": good}))["y"].shape == (2, 3)


def test_symbols_are_compared_in_every_layout():
    one, two = np.ones((1, 3), np.float32), np.ones((2, 3), np.float32)
    with open_session(graphs.two_inputs()) as session:
        session.run({"a": one, "b": one})
        session.run({"a": two, "b": two})
        with pytest.raises(ShapeError, match="batch"):
            session.run({"a": one, "b": two})


def test_fallback_is_taken_told_and_only_when_asked(caplog):
    absent = next(s.device for _, s in device_table() if not s.available)
    graph = graphs.double()
    with pytest.raises(UnsupportedDeviceError, match=absent):
        open_session(graph, device=absent)
    with pytest.raises(UnsupportedDeviceError, match=absent):
        open_session(graph, device=absent, fallback=[absent])
    with open_session(graph, device=absent, fallback=[absent, "cpu"]) as session:
        assert session.device == "cpu"
    assert "fell back" in caplog.text
    x = np.ones((1, 3), np.float32)
    np.testing.assert_array_equal(graph.infer(x, device=absent, fallback="cpu")["y"], x + x)
    with pytest.raises(UnsupportedDeviceError):
        graph.infer(x, device=absent)


class FakeBackend:
    """An accelerator that leaves some operators to the processor."""

    spec = BackendSpec(name="fake", package="numpy", extra="", devices=("npu",), dtypes=("float32", "int64"))
    closed = 0

    def __init__(self, *placed):
        self._placed = placed

    def devices(self):
        return [DeviceStatus("npu", True)]

    def open(self, graph, *, device, options):
        return self

    def placement(self):
        return self._placed

    def close(self):
        self.closed += 1


@pytest.fixture
def on(monkeypatch):
    def use(backend):
        monkeypatch.setattr("burnish.runtime.session.resolve", lambda device, name: backend)
        return backend

    return use


def test_operators_that_leave_the_device_are_refused_by_name(on):
    backend = on(FakeBackend(Placed("Add", "", "NPU"), Placed("Softmax", "", "CPUExecutionProvider")))
    with pytest.raises(UnsupportedDeviceError, match=r"Softmax \(1\)"):
        open_session(graphs.double(), device="npu")
    assert backend.closed == 1
    with open_session(graphs.double(), device="npu", fallback="cpu") as session:
        assert session.device == "npu"
        assert len(session.placement()) == 2


def test_operators_that_compute_sizes_may_stay_on_the_processor(on):
    on(FakeBackend(Placed("Add", "", "NPU"), Placed("Shape", "", "CPUExecutionProvider")))
    open_session(graphs.double(), device="npu").close()


def test_missing_operator_comes_with_the_engines_that_have_it():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[2, 2] x) => (float[2, 2] y) { y = Hardmax(x) }
    """)

    class Refusing(FakeBackend):
        def open(self, graph, *, device, options):
            raise UnsupportedOpError("fake has no Hardmax", hint="try another")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("burnish.runtime.session.resolve", lambda device, name: Refusing())
        patch.setattr("burnish.runtime.session.engines_with", lambda operator: ["onnxruntime", "fake"])
        with pytest.raises(UnsupportedOpError) as caught:
            open_session(graph)
        assert caught.value.hint == "onnxruntime passed the standard's tests of Hardmax"
        patch.setattr("burnish.runtime.session.engines_with", lambda operator: [])
        with pytest.raises(UnsupportedOpError, match="try another"):
            open_session(graph)


def test_memory_of_an_accelerator_is_refused_where_it_cannot_be_read():
    class OnGpu:
        def __init__(self, array):
            self._array = array

        def __dlpack__(self, **options):
            capsule = self._array.__dlpack__()
            head = dlpack._Tensor.from_address(dlpack._pointer(capsule, b"dltensor"))
            head.device_type = 2
            return capsule

        def __dlpack_device__(self):
            return (2, 0)

    x = OnGpu(np.ones((1, 3), np.float32))
    y = np.zeros((1, 3), np.float32)
    with open_session(graphs.double()) as session:
        with pytest.raises(InputError, match="'x' lies in the memory of cuda"):
            session.run({"x": x})
        with pytest.raises(InputError, match="'y' lies in the memory of cuda"):
            session.run({"x": y}, {"y": x})
    seen = []

    class Gpu(FakeBackend):
        def run(self, inputs, outputs=None):
            seen.append(inputs["x"])
            return {"y": y}

    with CheckedSession(
        graphs.double(), Gpu(), backend="fake", device="tensorrt:1", device_tensors=True
    ) as session:
        session.run({"x": x})
        with pytest.raises(ShapeError, match="float64"):
            session.run({"x": OnGpu(np.ones((1, 3)))})
    assert (seen[0].memory, seen[0].shape, seen[0].dtype) == ("cuda", (1, 3), np.float32)
