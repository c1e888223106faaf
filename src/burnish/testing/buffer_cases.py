"""The part of a back end's exam that is about memory: whose it is, and who writes where."""

import gc
from array import array as typed_buffer
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psutil
import pytest

from burnish.errors import BackendError, DeviceError, InputError, ShapeError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.samples import random_inputs
from burnish.graph.signature import Array
from burnish.runtime.backend import Backend, SessionOptions
from burnish.runtime.session import CheckedSession
from burnish.testing import graphs

_REOPENED = 8
_TOO_MANY = (2**16, 2**16, 2**13)
"""A shape whose bytes are as many as a process has addresses, so that no machine can allocate it."""


class BufferCases:
    """Cases of `burnish.testing.backend_cases.BackendCases`, whose fixtures they use."""

    def test_outputs_belong_to_the_caller(self, session: CheckedSession) -> None:
        """A later run leaves earlier outputs alone, and inputs are never written."""
        first = random_inputs(session.signature, batch=2, seed=1)
        kept = {name: array.copy() for name, array in first.items()}
        outputs = session.run(first)
        before = {name: array.copy() for name, array in outputs.items()}
        session.run(random_inputs(session.signature, batch=2, seed=2))
        for name, array in outputs.items():
            np.testing.assert_array_equal(array, before[name])
        np.testing.assert_array_equal(first["x"], kept["x"])

    def test_outputs_outlive_the_session(self, backend: Backend, device: str) -> None:
        """Results stay readable and writeable after the engine's memory is given back."""
        x = np.ones((3, 3), np.float32)
        with opened(backend, device, graphs.double()) as session:
            y = session.run({"x": x})["y"]
        gc.collect()
        np.testing.assert_array_equal(y, x + x)
        y += 1
        np.testing.assert_array_equal(y, x + x + 1)

    def test_input_passed_straight_through_is_not_aliased(self, backend: Backend, device: str) -> None:
        """An output that equals an input has memory of its own."""
        x = np.ones((2, 3), np.float32)
        with opened(backend, device, graphs.same("float32")) as session:
            y = session.run({"x": x})["y"]
        assert not np.shares_memory(x, y)

    def test_results_land_in_lent_arrays(self, session: CheckedSession) -> None:
        """The caller's arrays are written and returned, whatever was run before and after."""
        inputs = random_inputs(session.signature, batch=4)
        expected = session.run(inputs)
        for _ in range(2):
            lent = {name: np.zeros_like(result) for name, result in expected.items()}
            outputs = session.run(inputs, lent)
            session.run(random_inputs(session.signature, batch=4, seed=3))
            assert all(outputs[name] is lent[name] for name in expected)
            for name, result in expected.items():
                np.testing.assert_allclose(lent[name], result, rtol=1e-5, atol=1e-6)

    def test_every_declared_dtype_lands_in_lent_arrays(self, backend: Backend, device: str) -> None:
        """Lent arrays work for every dtype of the spec."""
        wrong = {}
        for dtype in backend.spec.dtypes:
            graph = graphs.same(dtype)
            x = random_inputs(graph.signature, batch=2)["x"]
            lent = np.zeros_like(x)
            with opened(backend, device, graph) as session:
                session.run({"x": x}, {"y": lent})
            if not np.array_equal(x, lent):
                wrong[dtype] = (lent, x)
        assert not wrong, wrong

    def test_arrays_that_cannot_take_a_result_are_refused(self, session: CheckedSession) -> None:
        """Wrong names, dtypes, shapes and layouts are found before anything is written."""
        inputs = random_inputs(session.signature, batch=2)
        good = {name: np.zeros((2, 4), np.float32) for name in ("scores", "probabilities")}
        locked = np.zeros((2, 4), np.float32)
        locked.flags.writeable = False
        bad: list[Any] = [
            np.zeros((2, 4)),
            np.zeros((3, 4), np.float32),
            np.zeros((2, 4, 1), np.float32),
            np.zeros((2, 4), ">f4"),
            np.zeros((4, 2), np.float32).T,
            locked,
        ]
        for array in bad:
            for call in (session.run, session.bind):
                with pytest.raises(ShapeError, match="probabilities"):
                    call(inputs, good | {"probabilities": array})
        for outputs in ({"scores": good["scores"]}, good | {"more": good["scores"]}):
            with pytest.raises(ShapeError):
                session.run(inputs, outputs)
        assert not any(array.any() for array in good.values())
        session.run(inputs, good)
        assert all(array.any() for array in good.values())

    def test_overlapping_arrays_are_refused(self, session: CheckedSession) -> None:
        """An engine reads while it writes: no output may share memory with anything else."""
        inputs = random_inputs(session.signature, batch=2)
        one = np.zeros((2, 4), np.float32)
        inside = inputs["x"].reshape(-1)[:8].reshape(2, 4)
        for scores in (one, inside):
            with pytest.raises(InputError, match="shares memory"):
                session.run(inputs, {"scores": scores, "probabilities": one})

    def test_result_of_another_shape_than_lent(self, backend: Backend, device: str) -> None:
        """Where only the values tell a result's shape, the mismatch is found when it is computed."""
        inputs = {"x": np.ones(1, np.float32), "shape": np.array([2, 3, 1])}
        with _opened_or_skipped(backend, device, graphs.expanded()) as session:
            for shape in ((2, 3, 2), (1, 1, 1)):
                with pytest.raises(ShapeError):
                    session.run(inputs, {"y": np.zeros(shape, np.float32)})
            lent = np.zeros((2, 3, 1), np.float32)
            session.run(inputs, {"y": lent})
            assert lent.all()

    def test_bound_buffers_are_read_and_written_in_place(self, session: CheckedSession) -> None:
        """Each call sees the inputs as they then are."""
        inputs = random_inputs(session.signature, batch=2)
        outputs = {name: np.zeros((2, 4), np.float32) for name in ("scores", "probabilities")}
        bound = session.bind(inputs, outputs)
        for seed in range(3):
            inputs["x"][...] = random_inputs(session.signature, batch=2, seed=seed)["x"]
            bound()
            expected = session.run({"x": inputs["x"].copy()})
            for name, result in expected.items():
                np.testing.assert_allclose(outputs[name], result, rtol=1e-5, atol=1e-6)
        with pytest.raises(ShapeError, match="contiguous"):
            session.bind({"x": np.asfortranarray(inputs["x"])[:, :, ::-1]}, outputs)

    def test_bindings_keep_their_buffers_and_end_with_the_session(
        self, backend: Backend, device: str
    ) -> None:
        """The function alone keeps what it reads and writes alive; after closing it is an error."""
        session = opened(backend, device, graphs.double())
        y = np.zeros((2, 3), np.float32)
        bound = session.bind({"x": np.full((2, 3), 2, np.float32)}, {"y": y})
        gc.collect()
        bound()
        np.testing.assert_array_equal(y, 4)
        session.close()
        with pytest.raises(BackendError, match="closed"):
            bound()

    def test_threads_lend_arrays_of_their_own(self, session: CheckedSession) -> None:
        """Concurrent calls write to the right places."""
        x = random_inputs(session.signature, batch=16)["x"]
        expected = session.run({"x": x})["scores"]

        def ask(row: int) -> bool:
            lent = {name: np.zeros((1, 4), np.float32) for name in ("scores", "probabilities")}
            session.run({"x": x[row : row + 1]}, lent)
            return bool(np.allclose(lent["scores"], expected[row : row + 1], rtol=1e-5, atol=1e-6))

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(ask, list(range(16)) * 4))

    def test_tensors_of_other_libraries(self, backend: Backend, device: str) -> None:
        """Whatever lends its memory by DLPack or as a buffer may go in, and by DLPack come out."""
        x = np.array([[1, 2, 3]], np.float32)
        lent = np.zeros((1, 3), np.float32)
        with opened(backend, device, graphs.double()) as session:
            assert session.run({"x": x.data})["y"].tolist() == [[2, 4, 6]]
            assert session.run({"x": Lender(x)}, {"y": Lender(lent)})["y"].memory is lent
            with pytest.raises(ShapeError, match="dimensions"):
                session.run({"x": typed_buffer("f", [1, 2, 3])})
            with pytest.raises(InputError, match="lends no memory"):
                session.run({"x": [[1.0, 2.0, 3.0]]})
        np.testing.assert_array_equal(lent, x + x)

    def test_memory_comes_back(self, backend: Backend, device: str) -> None:
        """Opening and closing over and over does not pile up the weights."""
        graph = graphs.heavy()
        x = np.ones((1, 2048), np.float32)

        def reopen() -> None:
            with opened(backend, device, graph) as session:
                session.run({"x": x})

        for _ in range(3):
            reopen()
        grown = _growth(reopen, _REOPENED)
        assert grown < _REOPENED * graph.size_bytes / 2, f"{grown / 2**20:.0f} MiB after {_REOPENED} times"

    def test_lack_of_memory_is_a_device_error(self, backend: Backend, device: str) -> None:
        """A result larger than the address space fails as such, and the session stays usable."""
        x = np.ones(1, np.float32)
        with _opened_or_skipped(backend, device, graphs.expanded()) as session:
            with pytest.raises(DeviceError, match=r"(?i)memory|allocat"):
                session.run({"x": x, "shape": np.array(_TOO_MANY)})
            assert session.run({"x": x, "shape": np.array([1, 2, 2])})["y"].shape == (1, 2, 2)

    def test_placement_tells_where_every_operator_runs(self, session: CheckedSession) -> None:
        """At least one operator, each with its type and where it runs."""
        placement = session.placement()
        assert placement
        assert all(placed.operator and placed.where for placed in placement)


class Lender:
    """A tensor of some other library: it speaks DLPack, and nothing else."""

    def __init__(self, memory: Array) -> None:
        self.memory = memory

    def __dlpack__(self, **options: Any) -> Any:
        return self.memory.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, index = self.memory.__dlpack_device__()
        return int(kind), int(index)


def opened(backend: Backend, device: str, graph: ComputeGraph) -> CheckedSession:
    """Open a graph on a back end as `burnish.runtime.open_session` would."""
    session = backend.open(graph, device=device, options=SessionOptions())
    return CheckedSession(graph, session, backend=backend.spec.name, device=device)


def _opened_or_skipped(backend: Backend, device: str, graph: ComputeGraph) -> CheckedSession:
    """Open a graph whose shapes follow from values; an engine may refuse it, but by name and at once."""
    try:
        return opened(backend, device, graph)
    except UnsupportedOpError as error:
        pytest.skip(str(error))
    except BackendError as error:
        if backend.spec.dynamic_shapes:
            raise
        pytest.skip(f"its spec says that shapes are fixed: {error}")


def _growth(action: Callable[[], None], times: int) -> int:
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    for _ in range(times):
        action()
    gc.collect()
    return int(process.memory_info().rss - before)
