"""IREE sits the exam, and what is particular to it."""

import gc

import numpy as np
import pytest

pytest.importorskip("iree.compiler", reason="IREE is not installed")
pytest.importorskip("iree.runtime", reason="IREE is not installed")

from burnish.errors import CompileError, ConfigError, UnsupportedOpError
from burnish.runtime import SessionOptions, open_session
from burnish.runtime.lending import aligned_copy
from burnish.runtime.resolve import get_backend
from burnish.testing import graphs
from burnish.testing.backend_cases import BackendCases


class TestIree(BackendCases):
    @pytest.fixture
    def backend(self):
        return get_backend("iree")


def opened(graph, **extra):
    return open_session(graph, backend="iree", options=SessionOptions(extra=extra))


def test_the_same_graph_is_compiled_once(monkeypatch):
    from burnish.runtime.iree_support import compiling

    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        once (float[n] x) => (float[n] y) { y = Abs(x) }
    """)
    made = []
    compile_ = compiling._compile
    monkeypatch.setattr(compiling, "_compile", lambda *given: made.append(given) or compile_(*given))
    for _ in range(2):
        with opened(graph) as session:
            assert session.run({"x": -np.ones(2, np.float32)})["y"].tolist() == [1, 1]
    assert len(made) == 1


def test_both_drivers_give_the_same():
    x = np.linspace(-1, 1, 128, dtype=np.float32).reshape(2, 1, 8, 8)
    with opened(graphs.network(), driver="local-sync") as one, opened(graphs.network()) as all_:
        np.testing.assert_allclose(one.run({"x": x})["scores"], all_.run({"x": x})["scores"], rtol=1e-5)


@pytest.mark.parametrize(
    ("extra", "error", "match"),
    [
        ({"driver": "local-tusk"}, ConfigError, "local-task"),
        ({"no-such-flag": "1"}, CompileError, "no flag"),
    ],
)
def test_unknown_options_are_refused(extra, error, match):
    with pytest.raises(error, match=match):
        opened(graphs.double(), **extra)


def test_doubles_keep_their_precision():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (double[n] x) => (double[n] y) { y = Sqrt(x) }
    """)
    with opened(graph) as session:
        np.testing.assert_allclose(session.run({"x": np.array([2.0])})["y"], np.sqrt([2.0]), rtol=1e-15)


def test_arrays_at_any_address_and_read_only_ones_are_taken():
    """Compiled code loads whole vectors: an address that does not suit them must never reach it."""
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[n, 256] x) => (float[n, 256] y) { y = Add(x, x) }
    """)
    raw = aligned_copy(np.zeros(64 + 33 * 256 * 4, np.uint8))
    with opened(graph) as session:
        for shift in (0, 4, 16, 32):
            x = raw[shift : shift + 33 * 256 * 4].view(np.float32).reshape(33, 256)
            x[...] = np.arange(x.size).reshape(x.shape)
            locked = x.view()
            locked.flags.writeable = False
            for given in (x, locked):
                np.testing.assert_array_equal(session.run({"x": given})["y"], x * 2)


def test_aligned_inputs_are_read_where_they_lie_and_outputs_outlive_the_session(monkeypatch):
    from burnish.runtime.iree_support import running

    x = aligned_copy(np.ones((4, 3), np.float32))
    lent = []
    lend = running.lend
    monkeypatch.setattr(running, "lend", lambda array: lent.append(lend(array)) or lent[-1])
    session = opened(graphs.double())
    y = session.run({"x": x})["y"]
    assert [array.ctypes.data for array in lent] == [x.ctypes.data]
    session.close()
    del session
    gc.collect()
    np.testing.assert_array_equal(y, x * 2)
    y[...] = 0  # the caller's to write


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("y = LpNormalization <axis = 0> (x)", "LpNormalization"),
        ("y = Det(x)", "Det"),
    ],
)
def test_what_it_gets_wrong_is_refused_with_the_evidence(text, named):
    graph = graphs.from_text(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[2, 2] x) => (float[2, 2] y) {{ {text} }}
    """)
    with pytest.raises(UnsupportedOpError, match=rf"{named} \(.+: \w+\)"):
        opened(graph)


def test_a_crash_of_the_compiler_is_an_error():
    """Its compiler is a process of its own, and this graph ends it."""
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1, n, 4] boxes, float[1, 1, n] scores) => (int64[m, 3] y)
        { y = NonMaxSuppression(boxes, scores) }
    """)
    with pytest.raises((CompileError, UnsupportedOpError), match="iree"):
        opened(graph)


def test_old_opsets_are_raised():
    graph = graphs.from_text("""
        <ir_version: 4, opset_import: ["" : 11]>
        old (float[2, 6] x) => (float[2, 6] y) { y = Softmax <axis = 1> (x) }
    """)
    x = np.arange(12, dtype=np.float32).reshape(2, 6)
    np.testing.assert_allclose(
        graph.infer(x, backend="iree")["y"], graph.infer(x, backend="onnxruntime")["y"], rtol=1e-5
    )
