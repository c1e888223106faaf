import dataclasses

import numpy as np
import pytest
import torch

from burnish.compress import TrainConfig
from burnish.compress.pruning.cut import Cut, best_of
from burnish.compress.pruning.planning import Widths
from burnish.compress.pruning.prune import PruneConfig, check_target, prune
from burnish.compress.pruning.shaping import Shaper
from burnish.compress.pruning.targets import Reached, Removed, compared, in_words, size_of
from burnish.compress.reporter import SILENT, Reporter
from burnish.compress.target_engine import EngineConfig, speedup
from burnish.errors import BudgetError
from burnish.evaluate import Interval
from burnish.evaluate.latency import BenchConfig
from burnish.resume import Run
from burnish.testing import networks

FAST = EngineConfig(threads=1, bench=BenchConfig(rounds=5, warmup=1, pause_s=0.0))
CONFIG = PruneConfig(
    step=0.25,
    rounding="multiple",
    round_to=1,
    floor_points=100.0,
    engine=FAST,
    fine_tune=TrainConfig(epochs=1, learning_rate=0.01),
)


def test_what_is_counted_is_what_the_exported_file_computes(task, trained, graph):
    size = size_of(trained, one(task))
    assert size.macs == graph.cost(batch=1).macs
    assert size.parameters == sum(p.numel() for p in trained.parameters())


def test_products_of_matrices_in_attention_are_counted():
    attention = networks.Encoder(layers=1, hidden=24, heads=3, vocabulary=50, positions=8).eval()
    tokens, mask = torch.ones(1, 8, dtype=torch.int64), torch.ones(1, 8, dtype=torch.int64)
    linear = sum(m.weight.numel() for m in attention.modules() if isinstance(m, torch.nn.Linear))
    assert size_of(attention, (tokens, mask)).macs == 8 * linear + 2 * 8 * 8 * 24


def test_fused_attention_is_counted_like_its_products():
    class Attention(torch.nn.Module):
        def forward(self, q):
            return torch.nn.functional.scaled_dot_product_attention(q, q, q)

    assert size_of(Attention(), (torch.randn(1, 3, 8, 16),)).macs == 2 * 3 * 8 * 8 * 16


def tried(task, trained, folder, **settings):
    lines = []
    cuts = prune(
        trained,
        task,
        dataclasses.replace(CONFIG, **settings),
        Run(folder, {}),
        reporter=Reporter(lines.append),
    )
    return cuts, lines


@pytest.mark.parametrize("schedule", ["even", "one-shot"])
@pytest.mark.parametrize("measure", ["parameters", "macs"])
def test_the_last_step_goes_just_as_far_as_the_target_wants(task, trained, tmp_path, measure, schedule):
    cuts, _ = tried(task, trained, tmp_path, measure=measure, target=0.6, schedule=schedule)
    *before, last = [cut.reached.amount(measure) for cut in cuts]
    assert all(amount < 0.6 for amount in before)
    assert bool(before) == (schedule == "even")
    assert 0.6 <= last < 0.68  # one more of 16 channels would do
    removed = Removed(
        1 - sum(cuts[-1].widths.values()) / 32, 1 / 32
    )  # of 2 units of 16 channels, half of one each
    exact = compared(size_of(cuts[-1].restore(task), one(task)), size_of(trained, one(task)), removed)
    assert exact == cuts[-1].reached


@pytest.mark.parametrize(
    ("scope", "importance"), [("local", "l2"), ("local", "taylor"), ("global", "l2"), ("global", "variance")]
)
def test_ranking_over_several_units_removes_as_much_in_all(task, trained, tmp_path, scope, importance):
    cuts, _ = tried(task, trained, tmp_path, scope=scope, importance=importance, target=0.5, least=0.5)
    assert [cut.ratio for cut in cuts] == [0.25, 0.5]
    assert [sum(cut.widths.values()) for cut in cuts] == [24, 16]  # of 2 units of 16 channels
    assert all(min(cut.widths.values()) >= 4 for cut in cuts)
    assert all(before >= after for before, after in zip(*(cut.widths.values() for cut in cuts), strict=True))


def one(task):
    return (torch.from_numpy(task.split("valid").inputs["image"][:1]),)


def test_a_target_in_latency_is_measured_on_the_exported_file_at_every_step(task, trained, tmp_path):
    settings = {"measure": "latency", "target": 1.001, "schedule": "one-shot", "most": 0.5, "round_to": 8}
    cuts, _ = tried(task, trained, tmp_path, **settings)
    assert cuts
    assert all(cut.reached.speedup.n >= 5 for cut in cuts)
    assert all(cut.reached.amount("latency") == cut.reached.speedup.low for cut in cuts)
    assert (tmp_path / "original" / "network.onnx").exists()
    again, _ = tried(task, trained, tmp_path, **settings)
    assert again == cuts  # nothing is measured a second time


def test_a_graph_is_as_fast_as_itself(task, graph):
    found = speedup(graph, graph, task, FAST)
    assert found.low <= found.value <= found.high
    assert 0.2 < found.value < 5  # also where the machine does other things


def test_an_unreachable_target_keeps_the_best_and_says_by_how_much_it_is_missed(task, trained, tmp_path):
    with pytest.raises(BudgetError) as missed:
        tried(task, trained, tmp_path, measure="parameters", target=0.99, most=0.5, must_reach=True)
    cuts, _ = tried(task, trained, tmp_path, measure="parameters", target=0.99, most=0.5)
    best = best_of(cuts)
    gone = best.reached.parameters * 100
    assert f"{gone:.1f}% of the parameters removed where 99.0% are wanted" in missed.value.message
    assert f"{99 - gone:.1f} points short, although 50% of the channels may go" in missed.value.message
    assert str(best.folder) in missed.value.hint
    assert sum(p.numel() for p in best.restore(task).parameters()) == best.parameters


def test_a_floor_that_stops_the_run_is_named_as_the_reason(task, trained, tmp_path):
    with pytest.raises(
        BudgetError, match=r"0\.0% of the multiply-adds.*the next one.*may lose .* and 0 are allowed"
    ):
        tried(task, trained, tmp_path, measure="macs", target=0.6, floor_points=0.0, must_reach=True)


def cut_at(ratio, *, accepted, lost=0.02, speed=None, share=None, slack=0.0):
    return Cut(
        ratio=ratio,
        widths={},
        untouched={},
        parameters=1,
        macs=1,
        reached=Reached(ratio if share is None else share, slack, ratio, ratio, speed),
        recalibrated_score=0.9,
        score=0.9,
        epochs=1,
        difference=Interval(-lost, -lost, 0.0, 10),
        accepted=accepted,
        folder=None,
    )


def test_the_lower_end_of_a_speed_up_decides():
    config = PruneConfig(measure="latency", target=2.0)
    sure, unsure = (Interval(2.2, low, 2.4, 15) for low in (2.1, 1.9))
    check_target([cut_at(0.5, accepted=True, speed=sure)], config)
    with pytest.raises(BudgetError, match=r"1\.90 times faster where 2\.00 are wanted, 0\.10 short"):
        check_target([cut_at(0.5, accepted=True, speed=unsure)], config)
    with pytest.raises(BudgetError, match=r"1\.00 times faster where 2\.00 are wanted"):
        check_target([cut_at(0.5, accepted=False, speed=sure)], config)


def test_channels_are_met_as_nearly_as_rounding_allows_unless_a_step_was_refused():
    config = PruneConfig(target=0.5)
    check_target([cut_at(0.5, accepted=True, share=0.46, slack=0.05)], config)
    with pytest.raises(
        BudgetError, match=r"40\.0% of the channels removed where 50\.0%.*no step was refused"
    ):
        check_target([cut_at(0.5, accepted=True, share=0.4, slack=0.05)], config)
    with pytest.raises(BudgetError, match=r"45\.0% of the channels.*the next one, 50\.0%.*may lose 2\.00"):
        check_target([cut_at(0.45, accepted=True, slack=0.1), cut_at(0.5, accepted=False)], config)
    with pytest.raises(BudgetError, match="the original is the best"):
        check_target([], config)


def test_a_share_of_channels_that_rounding_leaves_is_no_target_met(task, trained, tmp_path):
    # of 16 channels 7.2 are wanted, and 8 is the nearest multiple
    cuts, lines = tried(task, trained, tmp_path / "near", round_to=8, target=0.55, must_reach=True)
    assert [cut.reached.channels for cut in cuts] == [0.5]
    assert cuts[-1].reached.slack == 0.25
    assert [line for line in lines if "50.0% of channels" in line]
    # 16 are fewer than two times 10, and stay
    settings = {"round_to": 10, "target": 0.5, "must_reach": True}
    with pytest.raises(BudgetError, match=r"0\.0% of the channels removed where 50\.0%"):
        tried(task, trained, tmp_path / "whole", **settings)


def test_a_channels_share_counts_what_each_part_takes(task, trained, tmp_path, prune_config):
    shaper = Shaper(trained, task, prune_config, tmp_path / "widths.json", SILENT)
    (first, second), full = shaper.full, shaper.full
    half = shaper.removed(Widths({first: 8, second: 16}, {}))
    assert half == Removed(8 / 32, 2 / 32)  # multiples of 4 of one unit of 16 channels
    assert shaper.removed(Widths(full, {})) == Removed(0.0, 0.0)


def test_what_rounding_leaves_whole_is_named(task, trained, tmp_path):
    cuts, lines = tried(task, trained, tmp_path, round_to=16, target=0.5)
    assert cuts == []
    assert sum("rounding leaves nothing to cut" in line for line in lines) == 2
    named = [line for line in lines if line.startswith("not cut: ")]
    assert sum("16 channels are fewer than two times 16" in line for line in named) == 2  # both units
    assert "not cut: head: its outputs leave the network" in named
    assert len(named) == 3


def test_measured_rounding_stays_near_what_is_asked(task, trained, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cuts, _ = tried(task, trained, tmp_path / "run", rounding="measured", round_to=4, target=0.5)
    assert [cut.ratio for cut in cuts] == [0.25, 0.5]
    assert all(abs(width - 12) <= 4 for width in cuts[0].widths.values())
    assert all(abs(width - 8) <= 4 for width in cuts[1].widths.values())
    assert (tmp_path / "run" / "widths.json").exists()
    again, _ = tried(task, trained, tmp_path / "run", rounding="measured", round_to=4, target=0.5)
    assert again == cuts


def test_facts_go_around():
    reached = Reached(0.5, 0.1, 0.6, 0.7, Interval(2.0, 1.9, 2.1, 15))
    assert Reached.from_facts(reached.as_facts()) == reached
    counted = Reached(0.5, 0.1, 0.6, 0.7)
    assert Reached.from_facts(counted.as_facts()) == counted
    assert counted.amount("latency") == 1.0
    assert in_words("latency", reached.amount("latency")) == "1.90 times faster"


@pytest.mark.parametrize(
    "settings",
    [
        {"measure": "latency", "target": 0.5},
        {"measure": "parameters", "target": 1.2},
        {"measure": "macs", "target": 0.5, "most": 0.01},
        {"measure": "latency", "target": 2.0, "most": 1.0},
    ],
)
def test_targets_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match=r"target|most"):
        PruneConfig(**settings)


def test_an_interval_of_a_score_gates_and_not_its_value(cuts, prune_config):
    for cut in cuts:
        assert cut.accepted == (cut.difference.low * 100 >= -prune_config.floor_points)
        assert cut.score >= cut.recalibrated_score  # the best that was seen is kept
        assert np.isfinite(cut.score)
