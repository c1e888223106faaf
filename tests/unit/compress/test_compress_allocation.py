import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from burnish.compress.pruning.allocation import Ranking, allocate, unit_scores
from burnish.compress.pruning.groups import ChannelGroups
from burnish.compress.pruning.importance import Magnitude
from burnish.compress.pruning.units import Unit


def unit(name, width, size=1, kind="channels"):
    return Unit(name, nn.Identity(), kind, width, size)


A, B, C = unit("a", 8), unit("b", 8), unit("heads", 4, 16, "heads")
SCORES = {"a": torch.arange(8.0), "b": torch.arange(8.0) + 100, "heads": torch.tensor([5.0, 1.0, 9.0, 0.5])}


FULL = {"a": 8, "b": 8, "heads": 4}


def kept(units, scores, ratio, *, full=None, **settings):
    full = full or {u.name: u.width for u in units}
    return allocate(full, ratio, ranking=lambda: Ranking(units, scores), **settings)


def unasked():
    raise AssertionError("nothing is ranked")


def test_uniform_leaves_the_same_share_and_ranks_nothing():
    assert allocate(FULL, 0.5, ranking=unasked) == {"a": 4, "b": 4, "heads": 2}
    assert allocate({"a": 10}, 0.25, ranking=unasked) == {"a": 7.5}


def test_local_ranks_what_is_alike_and_the_floor_saves_the_weakest_unit():
    # without a floor, b would keep all and a nothing
    assert kept([A, B, C], SCORES, 0.5, scope="local") == {"a": 2, "b": 6, "heads": 2}
    starved = kept([A, B], SCORES, 0.5, scope="local", floor=0)
    assert starved == {"a": 1, "b": 7}  # a unit keeps one part even so


def test_a_step_counts_what_earlier_steps_removed():
    now = [unit("a", 6), unit("b", 8)]
    scores = {"a": torch.arange(6.0), "b": torch.arange(8.0) + 100}
    settings = {"full": {"a": 8, "b": 8}, "floor": 0}
    for scope in ("local", "global"):
        assert kept(now, scores, 0.5, scope=scope, **settings) == {"a": 1, "b": 7}
        assert kept(now, scores, 0.125, scope=scope, **settings) == {"a": 6, "b": 8}


@pytest.mark.parametrize("scope", ["local", "global"])
@pytest.mark.parametrize("steps", [(0.25, 0.5), (0.1, 0.2, 0.3, 0.4, 0.5)])
def test_steps_end_where_one_cut_does(scope, steps):
    generator = torch.Generator().manual_seed(0)
    full = {"a": 32, "b": 32, "c": 16, "heads": 8}
    scores = {name: torch.rand(width, generator=generator) for name, width in full.items()}
    scores["a"] += 0.5  # so that a and b are cut unequally from the first step on

    def ranking():
        return [
            unit(name, len(left), 4 if name == "heads" else 1, "heads" if name == "heads" else "channels")
            for name, left in scores.items()
        ]

    at_once = kept(ranking(), scores, steps[-1], full=full, scope=scope, floor=0)
    for ratio in steps:
        widths = kept(ranking(), scores, ratio, full=full, scope=scope, floor=0)
        scores = {name: left.sort().values[len(left) - int(widths[name]) :] for name, left in scores.items()}
    assert widths == at_once
    assert widths["a"] > widths["b"]


WIDTHS = st.lists(st.tuples(st.integers(2, 24), st.sampled_from([1, 2, 8])), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(WIDTHS, st.floats(0, 0.95), st.sampled_from(["uniform", "local", "global"]), st.integers(0, 99))
def test_whatever_is_asked_no_unit_falls_below_its_floor(widths, ratio, scope, seed):
    units = [unit(f"u{i}", width, size) for i, (width, size) in enumerate(widths)]
    generator = torch.Generator().manual_seed(seed)
    scores = {u.name: torch.rand(u.width, generator=generator) for u in units}
    left = kept(units, scores, ratio, scope=scope, floor=0.5)
    assert left == kept(units, scores, ratio, scope=scope, floor=0.5)
    for u in units:
        least = u.width * (1 - ratio) if scope == "uniform" else u.width * (1 - ratio) * 0.5
        assert left[u.name] >= least - 0.5
        assert scope == "uniform" or left[u.name] >= 1
    removed = sum((u.width - left[u.name]) * u.size for u in units)
    wanted = sum(u.width * u.size for u in units) * ratio
    slack = sum(u.size for u in units) if scope != "global" else max(u.size for u in units)
    assert removed <= wanted + slack
    if scope == "uniform":
        assert removed == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("position", [0, 2])
def test_a_part_of_several_channels_matters_as_much_as_they_do(position):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 12, 1), nn.Conv2d(12, 6, 1, groups=3), nn.Conv2d(6, 2, 1)).eval()
    groups = ChannelGroups(model, (torch.randn(2, 1, 4, 4),))
    units = groups.units()
    first = next(u for u in units if u.name == "0")
    assert (first.width, first.size) == (4, 3)
    with torch.no_grad():
        model[0].weight[first.channels([position])] = 0
        model[1].weight[:, position] = 0
    scores = unit_scores(units, groups, Magnitude(1))
    assert scores["0"].argmin() == position
    assert scores["0"][position] == 0
