"""The exam of a back end.

An author writes, in a test module::

    class TestMine(BackendCases):
        @pytest.fixture
        def backend(self):
                return BACKEND

and pytest runs every case below against it, and those of `burnish.testing.buffer_cases`. What its spec says
that an engine cannot do is not asked of it. The engines that ship with burnish sit the same exam.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from burnish.errors import BackendError, ShapeError, UnsupportedOpError
from burnish.graph.samples import random_inputs
from burnish.graph.signature import numpy_dtype
from burnish.runtime.backend import Backend, SessionOptions
from burnish.runtime.session import CheckedSession
from burnish.testing import graphs
from burnish.testing.buffer_cases import BufferCases, opened


class BackendCases(BufferCases):
    """What every back end must do on every device of this machine that it calls available."""

    @pytest.fixture
    def backend(self) -> Backend:
        """Return the back end under examination."""
        raise NotImplementedError("an exam needs a `backend` fixture")

    @pytest.fixture
    def device(self, backend: Backend) -> str:
        """Return the device to examine: the first that the back end calls available."""
        return next(status.device for status in backend.devices() if status.available)

    @pytest.fixture
    def session(self, backend: Backend, device: str) -> Iterator[CheckedSession]:
        """Open the small classifier."""
        with opened(backend, device, graphs.network()) as session:
            yield session

    def test_spec_and_devices_agree(self, backend: Backend) -> None:
        """Every device of the spec has one status, and each refusal a reason."""
        statuses = backend.devices()
        assert [status.device for status in statuses] == list(backend.spec.devices)
        assert all(status.available or status.reason for status in statuses)

    def test_every_declared_dtype_passes(self, backend: Backend, device: str) -> None:
        """Values of each dtype of the spec come through as they went in."""
        wrong = {}
        for dtype in backend.spec.dtypes:
            graph = graphs.same(dtype)
            x = random_inputs(graph.signature, batch=2)["x"]
            with opened(backend, device, graph) as session:
                y = session.run({"x": x})["y"]
            if y.dtype != numpy_dtype(dtype) or not np.array_equal(x, y):
                wrong[dtype] = (y.dtype, y, x)
        assert not wrong, wrong

    def test_batch_size_may_change_between_runs(self, backend: Backend, session: CheckedSession) -> None:
        """Rows do not depend on how many others travel with them."""
        if not backend.spec.dynamic_shapes:
            pytest.skip("its spec says that shapes are fixed")
        x = random_inputs(session.signature, batch=7)["x"]
        whole = session.run({"x": x})["scores"]
        for size in (1, 3, 7, 2):
            part = session.run({"x": x[:size]})["scores"]
            np.testing.assert_allclose(part, whole[:size], rtol=1e-5, atol=1e-6)

    def test_empty_batch_gives_empty_outputs(self, backend: Backend, session: CheckedSession) -> None:
        """No rows in, no rows out."""
        if not backend.spec.empty_tensors:
            pytest.skip("its spec says that it takes no empty tensors")
        outputs = session.run({"x": np.empty((0, 1, 8, 8), np.float32)})
        assert {name: array.shape for name, array in outputs.items()} == {
            "scores": (0, 4),
            "probabilities": (0, 4),
        }

    def test_nan_and_infinity_pass_through(self, backend: Backend, device: str) -> None:
        """Special values are neither replaced nor spread to other rows."""
        x = np.array([[np.nan, 1, 2], [np.inf, -np.inf, 3]], np.float32)
        with opened(backend, device, graphs.double()) as session:
            np.testing.assert_array_equal(session.run({"x": x})["y"], x + x)

    def test_read_only_and_odd_layouts(self, session: CheckedSession) -> None:
        """Read-only, strided and foreign-endian arrays give what plain ones give."""
        x = random_inputs(session.signature, batch=4)["x"]
        expected = session.run({"x": x})["scores"]
        locked = x.copy()
        locked.flags.writeable = False
        wide = np.repeat(x, 2, axis=3)[..., ::2]
        for odd in (locked, wide, x.astype(">f4"), np.asfortranarray(x)):
            np.testing.assert_allclose(session.run({"x": odd})["scores"], expected, rtol=1e-5, atol=1e-6)

    def test_several_inputs_and_outputs(self, backend: Backend, device: str) -> None:
        """Names, not positions, decide what goes where."""
        a, b = np.array([[1, 2]], np.float32), np.array([[3, 5]], np.float32)
        with opened(backend, device, graphs.two_inputs()) as session:
            outputs = session.run({"b": b, "a": a})
        np.testing.assert_array_equal(outputs["sum"], a + b)
        np.testing.assert_array_equal(outputs["product"], a * b)

    def test_threads_share_a_session(self, session: CheckedSession) -> None:
        """Concurrent calls each get the answer to their own question."""
        x = random_inputs(session.signature, batch=32)["x"]
        expected = session.run({"x": x})["scores"]

        def ask(row: int) -> bool:
            got = session.run({"x": x[row : row + 1]})["scores"]
            return bool(np.allclose(got, expected[row : row + 1], rtol=1e-5, atol=1e-6))

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(ask, list(range(32)) * 4))

    def test_sessions_live_side_by_side(self, backend: Backend, device: str) -> None:
        """Closing one session of a graph leaves another working."""
        graph, inputs = graphs.double(), {"x": np.ones((1, 3), np.float32)}
        first, second = opened(backend, device, graph), opened(backend, device, graph)
        first.close()
        np.testing.assert_array_equal(second.run(inputs)["y"], inputs["x"] * 2)
        second.close()

    def test_sessions_run_at_the_same_time(self, backend: Backend, device: str) -> None:
        """Sessions of one graph in different threads do not disturb each other."""
        graph = graphs.network()
        x = random_inputs(graph.signature, batch=8)["x"]
        sessions = [opened(backend, device, graph) for _ in range(3)]
        expected = sessions[0].run({"x": x})["scores"]

        def ask(session: CheckedSession) -> bool:
            got = [session.run({"x": x})["scores"] for _ in range(8)]
            return all(np.allclose(one, expected, rtol=1e-5, atol=1e-6) for one in got)

        with ThreadPoolExecutor(3) as pool:
            assert all(pool.map(ask, sessions))
        for session in sessions:
            session.close()

    def test_closing(self, backend: Backend, device: str) -> None:
        """Closing twice is harmless; running afterwards is an error; the graph can be opened again."""
        graph, inputs = graphs.double(), {"x": np.ones((1, 3), np.float32)}
        session = opened(backend, device, graph)
        session.close()
        session.close()
        with pytest.raises(BackendError, match="closed"):
            session.run(inputs)
        with opened(backend, device, graph) as again:
            assert again.run(inputs)["y"].shape == (1, 3)

    def test_thread_count_is_taken(self, backend: Backend, device: str) -> None:
        """The common option works."""
        graph = graphs.network()
        options = SessionOptions(threads=1)
        with CheckedSession(
            graph,
            backend.open(graph, device=device, options=options),
            backend=backend.spec.name,
            device=device,
        ) as session:
            assert session.run(random_inputs(graph.signature))["scores"].shape == (1, 4)

    def test_unknown_operator_is_named(self, backend: Backend, device: str) -> None:
        """The error says which operator is missing."""
        with pytest.raises(UnsupportedOpError, match="Frobnicate"):
            backend.open(graphs.unknown_operator(), device=device, options=SessionOptions())

    def test_wrong_input_never_reaches_the_engine(self, session: CheckedSession) -> None:
        """A wrong dtype, rank or size is a `ShapeError` and the session stays usable."""
        for bad in (np.ones((1, 1, 8, 8)), np.ones((1, 8, 8), np.float32), np.ones((1, 1, 8, 9), np.float32)):
            with pytest.raises(ShapeError):
                session.run({"x": bad})
        assert session.run({"x": np.ones((1, 1, 8, 8), np.float32)})["scores"].shape == (1, 4)
