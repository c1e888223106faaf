"""What finished training depends on, and what it does not."""

from dataclasses import replace

import numpy as np
import pytest

from burnish.compress import TrainConfig, train, train_task
from burnish.compress.network import build_model
from burnish.compress.pruning.config import PruneConfig
from burnish.compress.recipe.folder import RunFolder
from burnish.compress.reporter import Reporter
from burnish.compress.training.config import binding
from burnish.evaluate import load_task

CONFIG = TrainConfig(epochs=1)
SOURCE = """
import numpy as np, torch
from torch import nn
from burnish.evaluate import Split
class T:
    __slots__ = ()  # nothing can be noted on the task itself
    name = "points"
    output_names = ("y",)
    def build_model(self): return nn.Linear(2, 2)
    def split(self, name):
        x = np.random.default_rng(len(name)).normal(size=(20, 2)).astype(np.float32)
        return Split({"x": x}, (x[:, 0] > 0).astype(np.int64))
    def loss(self, outputs, labels): return nn.functional.cross_entropy(outputs, labels)
    def scores(self, outputs, labels): return outputs["y"].argmax(axis=1) == labels
TASK = T()
"""


class Known:
    """The tiny task with data made beforehand, so that training alone draws random numbers."""

    def __init__(self, task):
        self._task = task
        self._splits = {name: task.split(name) for name in ("train", "valid")}

    def __getattr__(self, name):
        return getattr(self._task, name)

    def split(self, name):
        return self._splits[name]


def test_what_changes_nothing_learnt_is_left_out_at_every_depth():
    free = TrainConfig(epochs=10, learning_rate=0.03, patience=5, checkpoint_every_s=1.0, device="cpu")
    assert binding(PruneConfig(fine_tune=free)) == binding(PruneConfig())
    assert binding(PruneConfig(fine_tune=replace(free, seed=1))) != binding(PruneConfig())
    assert "device" not in binding(CONFIG)
    assert binding(PruneConfig())["kinds"] == ("channels", "heads")


def test_a_trained_task_is_kept_where_only_a_free_setting_changes(task, tmp_path):
    seen = []
    train_task(task, CONFIG, tmp_path, on_epoch=seen.append)
    other = replace(CONFIG, checkpoint_every_s=1.0, device="cpu")
    train_task(task, other, tmp_path, on_epoch=seen.append)
    assert len(seen) == 1


def test_a_task_file_that_changed_is_trained_anew(tmp_path):
    file, seen = tmp_path / "points_task.py", []
    for source, epochs in ((SOURCE, 1), (SOURCE, 1), (SOURCE.replace("cross_entropy", "nll_loss"), 2)):
        file.write_text(source)
        train_task(load_task(str(file)), CONFIG, tmp_path / "run", on_epoch=seen.append)
        assert len(seen) == epochs


def test_a_task_file_that_changed_makes_every_step_anew(tmp_path):
    file, made = tmp_path / "points_task.py", []

    def work(place):
        made.append(place)
        return {}

    for source, steps in ((SOURCE, 1), (SOURCE, 1), (SOURCE + "# other\n", 2)):
        file.write_text(source)
        RunFolder(load_task(str(file)), tmp_path / "run", Reporter()).step("one", work)
        assert len(made) == steps


def test_the_order_of_an_epoch_and_its_first_step_draw_different_numbers(task, monkeypatch):
    from burnish.compress.training import train as training

    drawn = []
    original = np.random.default_rng

    def remember(seed):
        drawn.append(tuple(original(seed).integers(2**63, size=2)))
        return original(seed)

    model, known = build_model(task), Known(task)
    monkeypatch.setattr(training.np.random, "default_rng", remember)
    train(model, known, replace(CONFIG, batch_size=256))
    assert len(set(drawn)) == len(drawn) > 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("momentum", -0.1),
        ("momentum", 1.0),
        ("momentum", float("nan")),
        ("weight_decay", -1.0),
        ("weight_decay", float("nan")),
        ("seed", -1),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("temperature", float("nan")),
        ("clip_norm", float("nan")),
        ("checkpoint_every_s", float("nan")),
    ],
)
def test_numbers_that_cannot_be_learnt_with_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        TrainConfig(**{name: value})
