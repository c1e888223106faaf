import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from burnish.compress.pruning.allocation import allocate, unit_scores
from burnish.compress.pruning.groups import ChannelGroups
from burnish.compress.pruning.importance import Magnitude
from burnish.compress.pruning.units import Unit


def unit(name, width, size=1, kind="channels"):
    return Unit(name, nn.Identity(), kind, width, size)


A, B, C = unit("a", 8), unit("b", 8), unit("heads", 4, 16, "heads")
SCORES = {"a": torch.arange(8.0), "b": torch.arange(8.0) + 100, "heads": torch.tensor([5.0, 1.0, 9.0, 0.5])}


def counts(chosen):
    return {name: len(parts) for name, parts in chosen.items()}


def test_uniform_takes_the_weakest_of_every_unit():
    assert allocate([A, B, C], SCORES, 0.5) == {"a": [0, 1, 2, 3], "b": [0, 1, 2, 3], "heads": [1, 3]}


def test_local_ranks_what_is_alike_and_the_floor_saves_the_weakest_unit():
    chosen = allocate([A, B, C], SCORES, 0.5, scope="local")
    assert counts(chosen) == {"a": 6, "b": 2, "heads": 2}  # without a floor, b would keep all and a nothing
    starved = allocate([A, B], SCORES, 0.5, scope="local", floor=0)
    assert counts(starved) == {"a": 7, "b": 1}  # a unit keeps one part even so


def test_a_step_counts_what_earlier_steps_removed():
    now = [unit("a", 6), unit("b", 8)]
    scores = {"a": torch.arange(6.0), "b": torch.arange(8.0)}
    assert counts(allocate(now, scores, 0.5, full={"a": 8, "b": 8})) == {"a": 2, "b": 4}
    assert counts(allocate(now, scores, 0.1, full={"a": 8, "b": 8})) == {"a": 0, "b": 1}


WIDTHS = st.lists(st.tuples(st.integers(2, 24), st.sampled_from([1, 2, 8])), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(WIDTHS, st.floats(0, 0.95), st.sampled_from(["uniform", "local", "global"]), st.integers(0, 99))
def test_whatever_is_asked_no_unit_falls_below_its_floor(widths, ratio, scope, seed):
    units = [unit(f"u{i}", width, size) for i, (width, size) in enumerate(widths)]
    generator = torch.Generator().manual_seed(seed)
    scores = {u.name: torch.rand(u.width, generator=generator) for u in units}
    chosen = allocate(units, scores, ratio, scope=scope, floor=0.5)
    assert chosen == allocate(units, scores, ratio, scope=scope, floor=0.5)
    for u in units:
        parts = chosen[u.name]
        assert parts == sorted(set(parts))
        assert u.width - len(parts) >= max(1, int(u.width * (1 - ratio) * 0.5 + 0.5))
        if scope == "uniform" and parts:
            assert scores[u.name][parts].max() <= scores[u.name].sort().values[len(parts) - 1]
    removed = sum(len(chosen[u.name]) * u.size for u in units)
    wanted = sum(u.width * u.size for u in units) * ratio
    slack = sum(u.size for u in units) if scope != "global" else max(u.size for u in units)
    assert removed <= wanted + slack
    if scope == "uniform":
        assert removed >= wanted - slack


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
