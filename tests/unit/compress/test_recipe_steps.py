"""What the steps of a recipe do when one of them has nothing to give, and what they are told to do again."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from burnish.compress import CompressConfig, TrainConfig, train
from burnish.compress.network import build_model
from burnish.compress.recipe import run
from burnish.compress.recipe.candidates import FLOAT, Candidate, Network, fused
from burnish.compress.recipe.folder import RunFolder
from burnish.compress.reporter import Reporter


class Few:
    """A task with few examples to choose by."""

    def __init__(self, task, count):
        self._task, self._count = task, count

    def __getattr__(self, name):
        return getattr(self._task, name)

    def split(self, name):
        split = self._task.split(name)
        return split.take(range(self._count)) if name == "valid" else split


def candidate(name, made_by="export", network=FLOAT):
    return Candidate(name, Path(f"{name}.onnx"), network, made_by)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({"pruned-50": None, "pruned-25": -0.001}, ["pruned-25-x"]),
        ({"pruned-50": -0.5, "pruned-25": -0.001}, ["pruned-50-x", "pruned-25-x"]),
        ({"pruned-50": None, "pruned-25": None}, ["float-x"]),
        ({"pruned-50": -0.001}, ["pruned-50-x"]),
    ],
)
@pytest.mark.parametrize("step", ["mixed", "qat"])
def test_a_network_that_gives_nothing_leaves_its_place_to_a_larger_one(step, made, expected, monkeypatch):
    names = [FLOAT, "pruned-25", "pruned-50"]

    def make(network, *_):
        low = made.get(network.name, 0.0)
        return None if low is None else candidate(f"{network.name}-x", step)

    monkeypatch.setattr(run.make, "networks", lambda *_: [Network(name, lambda: None) for name in names])
    monkeypatch.setattr(run.make, "exported", lambda network, _: candidate(network.name))
    monkeypatch.setattr(run.make, "mixed", make)
    monkeypatch.setattr(run.make, "learnt", make)

    def judge(one):
        return SimpleNamespace(candidate=one, lowest=made.get(one.name.removesuffix("-x"), 0.0) or 0.0)

    judged = run._candidates(None, (), CompressConfig(steps=(step,)), None, judge)
    assert [one.candidate.name for one in judged[3:]] == expected


def test_a_graph_is_fused_by_as_few_examples_as_there_are(task, graph, tmp_path):
    graph.save(tmp_path / "float.onnx")
    folder = RunFolder(Few(task, 5), tmp_path, Reporter())
    fused(Candidate(FLOAT, tmp_path / "float.onnx", FLOAT, "export"), folder)
    assert "not_made" not in folder.evidence[0].facts


def test_training_tells_how_far_all_of_its_epochs_are(task):
    told = []
    reporter = Reporter(on_progress=lambda state: told.append((state.done, state.of)))
    train(build_model(task), task, TrainConfig(epochs=2, batch_size=200), on_step=reporter.steps("train", 2))
    assert told == [(done, 6) for done in range(1, 7)]
