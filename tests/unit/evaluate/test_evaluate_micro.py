"""Small graphs of one kind of operator: they run, and more copies differ by the copies alone."""

import numpy as np
import pytest

from burnish.evaluate.calibration import _difference
from burnish.evaluate.micro import design
from burnish.evaluate.micro.cells import CELLS
from burnish.hardware.as_run import as_run
from burnish.runtime.session import open_session

DESIGN = design()
OF_EACH_KIND = [min((m for m in DESIGN if m.kind == kind), key=lambda m: np.prod(list(m.sizes.values())))
                for kind in sorted(CELLS) if kind != "nothing"]  # fmt: skip


def test_every_kind_is_in_the_design():
    assert {micro.kind for micro in DESIGN} == set(CELLS) - {"nothing"}


def test_a_smaller_design_still_has_every_kind():
    few = design(share=0.05)
    assert len(few) < len(DESIGN) / 4
    assert {micro.kind for micro in few} == {micro.kind for micro in DESIGN}


@pytest.mark.parametrize("micro", OF_EACH_KIND, ids=lambda micro: micro.kind)
def test_copies_are_all_that_differs(micro):
    runs = [as_run(micro.build(copies)[0], "onnxruntime") for copies in (1, 3, 5)]
    assert not any(run.uncosted for run in runs)
    first, second = _difference(runs[1].works, runs[0].works), _difference(runs[2].works, runs[1].works)
    assert first
    assert {(work.op, work.flops, work.bytes, count) for work, count in first} == {
        (work.op, work.flops, work.bytes, count) for work, count in second
    }
    assert all(count % 2 == 0 for _, count in first)


@pytest.mark.parametrize("kind", sorted({m.kind for m in OF_EACH_KIND}))
def test_values_neither_vanish_nor_explode(kind):
    micro = next(m for m in OF_EACH_KIND if m.kind == kind)
    graph, feeds = micro.build(6)
    with open_session(graph, backend="onnxruntime") as session:
        outputs = session.run(feeds)
    for output in outputs.values():
        assert np.isfinite(output).all()
        assert np.abs(output).max() < 1e6
        assert (np.abs(output[output != 0]) > np.finfo(np.float32).tiny).all()
