import dataclasses
import re

import numpy as np
import pytest
import torch
from torch import nn

from burnish.compress import TrainConfig
from burnish.compress.network import build_model, predict
from burnish.compress.pruning.prune import PruneConfig, prune
from burnish.compress.reporter import Reporter
from burnish.evaluate import Split, paired_difference
from burnish.resume import Run


def scores(task, model):
    valid = task.split("valid")
    return task.scores(predict(model, task, valid), valid.labels)


def test_every_step_is_cut_to_whole_units(task, trained, cuts, prune_config):
    assert [cut.ratio for cut in cuts] == [0.25, 0.5]
    assert all(cut.accepted for cut in cuts)
    assert [set(cut.widths.values()) for cut in cuts] == [{12}, {8}]
    full = sum(p.numel() for p in trained.parameters())
    assert full > cuts[0].parameters > cuts[1].parameters


def test_a_cut_is_restored_as_it_was_judged(task, trained, cuts):
    for cut in cuts:
        restored = cut.restore(task)
        assert sum(p.numel() for p in restored.parameters()) == cut.parameters
        mine = scores(task, restored)
        assert mine.mean() == cut.score
        assert paired_difference(scores(task, trained), mine) == cut.difference


def test_the_original_is_not_touched(task, trained, prune_config, tmp_path):
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    prune(trained, task, dataclasses.replace(prune_config, target=0.25), Run(tmp_path, {}))
    after = trained.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_statistics_are_estimated_anew_before_a_cut_is_judged(cuts):
    assert cuts[0].recalibrated_score > 0.6


def test_a_second_run_takes_everything_from_the_first(task, trained, prune_config, tmp_path):
    lines, stages = [], []
    reporter = Reporter(lines.append, stages.append)
    first = prune(trained, task, prune_config, Run(tmp_path, {}), reporter=reporter)
    worked = len(stages)
    again = prune(trained, task, prune_config, Run(tmp_path, {}), reporter=reporter)
    assert first == again
    assert [stage.done for stage in stages[:worked]] == 2 * list(range(1, stages[0].of + 1))  # of two cuts
    assert len(stages) == worked
    assert len(lines) == 6
    assert lines[:3] == lines[3:]
    assert [line.endswith("kept") for line in lines[:3]] == [True, True, False]
    assert lines[2] == "not cut: head: its outputs leave the network"


def test_a_cut_below_the_floor_ends_the_run_and_the_last_step_is_halved(task, trained, tmp_path):
    config = PruneConfig(
        step=0.5,
        target=0.75,
        rounding="multiple",
        bisections=1,
        round_to=4,
        floor_points=0.0,  # no interval can promise this
        fine_tune=TrainConfig(epochs=1, learning_rate=0.01),
    )
    cuts = prune(trained, task, config, Run(tmp_path, {}))
    assert [cut.ratio for cut in cuts] == [0.5, 0.25]
    assert not any(cut.accepted for cut in cuts)


def test_halving_never_tries_a_network_twice(task, trained, tmp_path):
    config = PruneConfig(
        step=0.6,
        target=0.6,
        rounding="multiple",
        bisections=4,
        round_to=4,
        floor_points=0.0,
        fine_tune=TrainConfig(epochs=1, learning_rate=0.01),
    )
    widths = [tuple(cut.widths.values()) for cut in prune(trained, task, config, Run(tmp_path, {}))]
    assert widths == [(8, 8), (12, 12)]  # all that rounding leaves between the original and the first cut


def test_a_step_that_rounding_makes_empty_is_left_out(task, trained, prune_config, tmp_path):
    config = dataclasses.replace(prune_config, step=0.1, target=0.3)
    ratios = [cut.ratio for cut in prune(trained, task, config, Run(tmp_path, {}))]
    assert ratios == [0.2]  # of 16 channels: 14.4 -> 16, 12.8 -> 12, 11.2 -> 12


@pytest.mark.parametrize(
    ("step", "target", "expected"),
    [(0.1, 0.5, 5), (0.2, 0.5, 3), (0.125, 0.5, 4), (0.3, 0.3, 1), (0.1, 0.3, 3)],
)
def test_steps_end_at_the_target(step, target, expected):
    from burnish.compress.pruning.schedule import ratios as _ratios

    ratios = _ratios("even", step, target)
    assert len(ratios) == expected
    assert ratios[-1] == target


class Fixed(nn.Module):
    """A forward that knows its own width."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 16, 3, padding=1)
        self.head = nn.Linear(16, 10)

    def forward(self, image):
        x = self.second(torch.relu(self.first(image))) + torch.zeros(1, 16, 1, 1)
        return self.head(x.mean((2, 3)))


class Leaking(nn.Module):
    """An inner feature is an output too."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, padding=1)
        self.head = nn.Conv2d(16, 10, 1)

    def forward(self, image):
        x = torch.relu(self.first(image)).mean((2, 3), keepdim=True)
        return self.head(x).flatten(1), x


class Simple:
    name = "simple"

    def __init__(self, network, output_names):
        self.network = network
        self.output_names = output_names

    def build_model(self):
        return self.network()

    def split(self, name):
        x = np.random.default_rng(0).normal(size=(32, 1, 8, 8)).astype(np.float32)
        return Split({"image": x}, np.arange(32) % 10)

    def loss(self, outputs, labels):
        return nn.functional.cross_entropy(outputs, labels)

    def scores(self, outputs, labels):
        return np.ones(len(labels))


@pytest.mark.parametrize(
    ("network", "output_names", "expected"),
    [
        (Fixed, ("logits",), r"not cut: second: .*fewer channels: RuntimeError: "),
        (Leaking, ("logits", "feature"), r"not cut: first: .*output"),
    ],
)
def test_what_cannot_be_cut_is_named_with_the_reason(network, output_names, expected, tmp_path):
    task = Simple(network, output_names)
    lines = []
    config = PruneConfig(step=0.5, rounding="multiple", must_reach=False)
    prune(build_model(task), task, config, Run(tmp_path, {}), reporter=Reporter(lines.append))
    assert [line for line in lines if re.match(expected, line)]


@pytest.mark.parametrize(
    "settings", [{"step": 0.0}, {"step": 0.6}, {"target": 1.0}, {"round_to": 0}, {"floor_points": -1.0}]
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        PruneConfig(**settings)
