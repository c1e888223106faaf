"""A session checks what it is given and mends what an engine could not read."""

import time

import numpy as np
import pytest

from burnish.errors import BackendError, CompileError, ShapeError, UnsupportedOpError
from burnish.runtime import CheckedSession, SessionOptions, open_session
from burnish.runtime.session import fit
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
    with pytest.raises(UnsupportedOpError, match="openvino cannot take or give 'x', which is bfloat16"):
        open_session(graphs.same("bfloat16"), backend="openvino")


@pytest.mark.parametrize("optimization", ["none", "basic", "extended", "all"])
def test_onnxruntime_takes_every_optimization_level(optimization):
    x = np.ones((2, 1, 8, 8), np.float32)
    with open_session(graphs.network(), options=SessionOptions(optimization=optimization)) as session:
        assert session.run({"x": x})["scores"].shape == (2, 4)


def test_options_that_an_engine_cannot_honour_are_refused():
    with pytest.raises(CompileError, match="optimization 'none'"):
        open_session(graphs.double(), backend="openvino", options=SessionOptions(optimization="none"))
    with pytest.raises(UnsupportedOpError, match="no options of its own"):
        open_session(graphs.double(), backend="torch", options=SessionOptions(extra={"a": "b"}))


def test_checking_costs_little():
    """The whole check stays far below what even a small network takes: 20 us at the median."""

    class Nothing:
        def run(self, inputs):
            return {}

        def close(self):
            pass

    session = CheckedSession(graphs.network(), Nothing(), backend="nothing", device="cpu")
    inputs = {"x": np.ones((1, 1, 8, 8), np.float32)}
    samples = []
    for _ in range(51):
        begin = time.perf_counter()
        for _ in range(100):
            session.run(inputs)
        samples.append((time.perf_counter() - begin) / 100)
    assert np.median(samples) < 20e-6
