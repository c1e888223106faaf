from importlib.metadata import EntryPoint

import numpy as np
import pytest

from burnish import plugins
from burnish.errors import ConfigError, InputError
from burnish.evaluate import hooks
from burnish.evaluate.task import GROUP, Split, load_task

BATCH = Split({"x": np.arange(12).reshape(4, 3)}, np.arange(4))
RNG = np.random.default_rng(0)


class Bare:
    name = "bare"


class Hooked(Bare):
    name = "hooked"

    def __init__(self, **parts):
        self.__dict__.update(parts)


def half(batch, *_):
    return batch.take(np.arange(2))


def test_a_task_without_hooks_is_left_as_it_is():
    assert hooks.augmented(Bare(), BATCH, RNG) is BATCH
    assert hooks.trimmed(Bare(), BATCH) is BATCH
    assert hooks.lengths(Bare(), BATCH) is None
    assert hooks.dynamic_axes(Bare()) == {}
    assert hooks.figures(Bare(), {}, BATCH.labels) == {}


def test_hooks_are_used():
    task = Hooked(
        augment=lambda batch, rng: Split({"x": batch.inputs["x"] + 1}, batch.labels),
        trim=lambda batch: Split({"x": batch.inputs["x"][:, :2]}, batch.labels),
        lengths=lambda split: [3, 1, 2, 1],
        figures=lambda outputs, labels: {"mean": np.float32(0.5)},
    )
    assert hooks.augmented(task, BATCH, RNG).inputs["x"][0, 0] == 1
    assert hooks.trimmed(task, BATCH).inputs["x"].shape == (4, 2)
    assert hooks.lengths(task, BATCH).tolist() == [3, 1, 2, 1]
    assert hooks.figures(task, {}, BATCH.labels) == {"mean": 0.5}


@pytest.mark.parametrize(
    ("parts", "use", "expected"),
    [
        (
            {"augment": half},
            lambda t: hooks.augmented(t, BATCH, RNG),
            "augment gives 2 examples for a batch of 4",
        ),
        ({"trim": half}, lambda t: hooks.trimmed(t, BATCH), "trim gives 2 examples for a batch of 4"),
        (
            {"trim": lambda b: b.inputs},
            lambda t: hooks.trimmed(t, BATCH),
            "trim gives a dict.*return burnish",
        ),
        ({"trim": lambda b: 1 / 0}, lambda t: hooks.trimmed(t, BATCH), "trim fails: ZeroDivisionError"),
        ({"lengths": lambda s: [1]}, lambda t: hooks.lengths(t, BATCH), r"lengths has shape \(1,\) for 4"),
        (
            {"figures": lambda o, y: o["y"]},
            lambda t: hooks.figures(t, {}, BATCH.labels),
            "figures fails: KeyError",
        ),
    ],
)
def test_a_hook_that_fails_is_named(parts, use, expected):
    with pytest.raises(InputError, match=f"'hooked': {expected}"):
        use(Hooked(**parts))


def test_a_task_that_takes_no_settings_says_so():
    with pytest.raises(InputError, match="task 'digits' takes no settings, got 'many'"):
        load_task("digits:many")


@pytest.fixture
def _shipped(monkeypatch):
    """The task that reads tables, whether or not this installation has been told of it."""
    entry = EntryPoint("csv-text", "burnish.compress.tasks.csv_text:CSV_TEXT", GROUP)
    monkeypatch.setattr(plugins, "entries", lambda group: {entry.name: entry})


@pytest.mark.usefixtures("_shipped")
def test_settings_behind_a_name_are_handed_on():
    assert load_task("csv-text:reviews.csv,max_length=9").config.max_length == 9
    assert load_task("csv-text").config.max_length == 128
    with pytest.raises(ConfigError, match=r"unknown key 'max_len'.*'max_length'"):
        load_task("csv-text:reviews.csv,max_len=9")
