"""TVM sits the exam, and what is particular to it."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("tvm", reason="TVM is not installed")

from burnish.errors import ConfigError, DeviceError, UnsupportedOpError
from burnish.runtime import SessionOptions, open_session
from burnish.runtime.lending import aligned_copy
from burnish.runtime.resolve import get_backend
from burnish.testing import graphs
from burnish.testing.backend_cases import BackendCases


class TestTvm(BackendCases):
    @pytest.fixture
    def backend(self):
        return get_backend("tvm")

    # Sizes may differ from run to run, but not depend on the values of the inputs.

    def test_result_of_another_shape_than_lent(self, backend, device):
        with pytest.raises(UnsupportedOpError, match="Expand"):
            backend.open(graphs.expanded(), device=device, options=SessionOptions())

    def test_lack_of_memory_is_a_device_error(self, backend, device):
        graph = graphs.from_text("""
            <ir_version: 8, opset_import: ["" : 17]>
            g (float[n, 1] a, float[m] b) => (float[n, m] y) { y = Add(a, b) }
        """)
        wide = np.broadcast_to(np.float32(1), (1 << 20,)).copy()
        with opened(graph) as session:
            with pytest.raises(DeviceError, match=r"(?i)memory|allocat"):
                session.run({"a": wide[:, None], "b": wide})
            assert session.run({"a": np.ones((1, 1), np.float32), "b": np.ones(1, np.float32)})["y"] == 2


def opened(graph, **extra):
    return open_session(graph, backend="tvm", options=SessionOptions(extra=extra))


def programs(monkeypatch):
    """Record the shapes that TVM compiles for."""
    from burnish.runtime.tvm_support import importing

    made = []
    to_relax = importing.to_relax
    monkeypatch.setattr(
        importing,
        "to_relax",
        lambda model, shapes: made.append(tuple(shapes.values())) or to_relax(model, shapes),
    )
    return made


def test_every_set_of_shapes_is_compiled_once(monkeypatch):
    made = programs(monkeypatch)
    with opened(graphs.double()) as session:
        for size in (1, 2, 1, 2):
            assert session.run({"x": np.ones((size, 3), np.float32)})["y"].shape == (size, 3)
    assert made == [((1, 3),), ((2, 3),)]


def test_threads_that_ask_for_a_new_size_compile_it_once(monkeypatch):
    made = programs(monkeypatch)
    x = np.ones((5, 3), np.float32)
    with opened(graphs.double()) as session, ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: session.run({"x": x})["y"], range(8)))
    assert all((y == 2).all() for y in results)
    assert made == [((1, 3),), ((5, 3),)]


def test_only_so_many_programs_are_kept(monkeypatch):
    from burnish.runtime.backends import tvm

    monkeypatch.setattr(tvm, "_KEPT_PROGRAMS", 1)
    made = programs(monkeypatch)
    with opened(graphs.double()) as session:
        for size in (2, 1):
            session.run({"x": np.ones((size, 3), np.float32)})
    assert made == [((1, 3),), ((2, 3),), ((1, 3),)]


def test_arithmetic_on_shapes_is_worked_out_beforehand():
    """TVM's frontend refuses this graph as it stands: it takes the root of a size for a double."""
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[n, 4] x) => (float[n, 4] y) <int64 last = {1}> {
            shape = Shape(x)
            width = Gather(shape, last)
            wide = Cast <to = 1> (width)
            root = Sqrt(wide)
            y = Div(x, root)
        }
    """)
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.testing.assert_allclose(graph.infer(x, backend="tvm")["y"], x / 2)


def test_outputs_that_are_constants_belong_to_the_caller():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[n] x) => (float[n] y, float[2] z) <float[2] c = {1, 2}> { y = Abs(x) z = Identity(c) }
    """)
    with opened(graph) as session:
        x = np.ones(1, np.float32)
        session.run({"x": x})["z"][...] = 9
        np.testing.assert_array_equal(session.run({"x": x})["z"], [1, 2])


def test_aligned_inputs_are_read_where_they_lie_and_outputs_outlive_the_session(monkeypatch):
    from burnish.runtime.tvm_support import compiling

    x = aligned_copy(np.ones((1, 3), np.float32))
    lent = []
    lend = compiling.lend
    monkeypatch.setattr(compiling, "lend", lambda array: lent.append(lend(array)) or lent[-1])
    session = opened(graphs.double())
    y = session.run({"x": x})["y"]
    assert [array.ctypes.data for array in lent] == [x.ctypes.data]
    session.close()
    del session
    gc.collect()
    np.testing.assert_array_equal(y, x * 2)
    y[...] = 0  # the caller's to write


@pytest.mark.parametrize(
    ("extra", "match"),
    [({"targat": "llvm"}, "target"), ({"target": "nonsense"}, "nonsense"), ({"target": "{"}, "JSON")],
)
def test_unknown_options_are_refused(extra, match):
    with pytest.raises(ConfigError, match=match):
        opened(graphs.double(), **extra)


def test_a_target_may_be_named():
    with opened(graphs.double(), target='{"kind": "llvm"}') as session:
        assert (session.run({"x": np.ones((1, 3), np.float32)})["y"] == 2).all()


@pytest.mark.parametrize(
    ("node", "named"),
    [
        ("y = LayerNormalization(x, s)", ""),
        ("y, mean = LayerNormalization(x, s)", "LayerNormalization"),
        ("y = Mod <fmod = 1> (x, x)", ""),
        ("b = IsInf <detect_negative = 0> (x) y = Cast <to = 1> (b)", "IsInf"),
    ],
)
def test_what_it_gets_wrong_is_refused_with_the_evidence(node, named):
    graph = graphs.from_text(f"""
        <ir_version: 8, opset_import: ["" : 20]>
        g (float[2, 3] x) => (float[2, 3] y) <float[3] s = {{1, 1, 1}}> {{ {node} }}
    """)
    if not named:
        opened(graph).close()
        return
    with pytest.raises(UnsupportedOpError, match=rf"{named} \(.+: \w+\)"):
        opened(graph)


def test_an_operator_of_a_foreign_domain_is_never_taken_for_a_standard_one():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17, "mine" : 1]>
        g (float[n] x) => (float[n] y) { y = mine.Relu(x) }
    """)
    for backend in ("tvm", "iree"):
        with pytest.raises(UnsupportedOpError, match="mine::Relu"):
            open_session(graph, backend=backend)


def test_expand_to_ones_keeps_what_is_larger():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[3, 1] x) => (float[a, b, c] y) <int64[3] s = {2, 1, 6}> { y = Expand(x, s) }
    """)
    x = np.arange(3, dtype=np.float32).reshape(3, 1)
    np.testing.assert_array_equal(graph.infer(x, backend="tvm")["y"], np.broadcast_to(x, (2, 3, 6)))
