"""Large results of foreseeable shape are written into the slab by the engine; all others are copied there."""

import numpy as np
import pytest

from burnish.errors import InputError, ShapeError
from burnish.runtime import open_session
from burnish.serve.landing import Landing
from burnish.serve.slab import Slab, read, write
from burnish.testing import graphs

WIDE = """
    <ir_version: 8, opset_import: ["" : 17]>
    wide (float[batch, 512] x) => (float[batch, 512] y, float[batch, 512] z) { y = Add(x, x)  z = Neg(x) }
"""


class Watched:
    """A session that remembers whether results were lent memory."""

    def __init__(self, session, fail=None):
        self.signature = session.signature
        self._session = session
        self._fail = fail
        self.lent = []

    def run(self, inputs, outputs=None):
        self.lent.append(outputs is not None)
        if outputs is not None and self._fail is not None:
            raise self._fail
        return self._session.run(inputs, outputs)


@pytest.fixture
def slab():
    slab = Slab.create("test")
    yield slab
    slab.close()


def run(session, slab, x, fail=None):
    watched = Watched(session, fail)
    landing = Landing(watched, slab)
    layout = write(slab, x)
    start = layout[-1]["offset"] + -(-layout[-1]["bytes"] // 64) * 64
    given = read(slab, layout)
    found = read(slab, landing.run(given, start))
    for name, array in x.items():
        np.testing.assert_array_equal(given[name], array)
    return watched, landing, found


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("batch", [1, 256])
def test_results_are_right_and_only_large_ones_are_lent_memory(slab, backend, batch):
    graph = graphs.from_text(WIDE)
    x = np.random.default_rng(0).standard_normal((batch, 512), np.float32)
    with open_session(graph, backend=backend) as session:
        watched, _, found = run(session, slab, {"x": x})
        np.testing.assert_array_equal(found["y"], x + x)
        np.testing.assert_array_equal(found["z"], -x)
    assert watched.lent == [batch == 256]


def test_shapes_that_follow_from_values_are_copied(slab):
    x = {"x": np.ones(1, np.float32), "shape": np.array([64, 64, 64])}
    with open_session(graphs.expanded()) as session:
        watched, _, found = run(session, slab, x)
        assert found["y"].shape == (64, 64, 64)
        assert found["y"].all()
    assert watched.lent == [False]


def test_strings_are_copied(slab):
    graph = graphs.same("string")
    x = np.array([["a", "", "ä"]], object)
    with open_session(graph) as session:
        _, _, found = run(session, slab, {"x": x})
        assert found["y"].tolist() == x.tolist()


def test_a_signature_that_is_wrong_is_not_believed_again(slab):
    graph = graphs.from_text(WIDE)
    x = np.ones((256, 512), np.float32)
    with open_session(graph) as session:
        watched, landing, found = run(session, slab, {"x": x}, fail=ShapeError("another shape"))
        np.testing.assert_array_equal(found["y"], x + x)
        landing.run({"x": x}, 0)
    assert watched.lent == [True, False, False]


def test_other_errors_are_the_callers(slab):
    graph = graphs.from_text(WIDE)
    with open_session(graph) as session, pytest.raises(InputError, match="refused"):
        run(session, slab, {"x": np.ones((256, 512), np.float32)}, fail=InputError("refused"))
