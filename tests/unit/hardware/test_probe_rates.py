"""Memory by working set, dispatch by slope, and what a sustained product shows."""

import time
from itertools import pairwise

import pytest

from burnish.errors import BackendError
from burnish.hardware.probe import ProbeConfig, compute_peak, dispatch_overhead, memory_peak, sustain
from burnish.hardware.probe.memory import working_sets

TINY = ProbeConfig(
    sizes=(8,),
    rounds=2,
    min_sample_s=0.0,
    budget_s=0.5,
    stream_bytes=1 << 20,
    chain_lengths=(1, 2, 4),
    sustain_s=0.02,
    idle_s=0.01,
)


def test_the_curve_reaches_from_the_first_cache_to_memory():
    peak = memory_peak(TINY, threads=2)
    for threads in (1, 2):
        sizes = [point.bytes for point in peak.curve if point.threads == threads]
        assert sizes == sorted(sizes)
        assert sizes[0] == TINY.least_stream_bytes
        assert sizes[-1] * threads == 3 * TINY.stream_bytes
    for point in peak.curve:
        assert 0 < point.copy.low <= point.copy.value
        assert (point.add is None) == (point.bytes < 1 << 19)
    assert peak.best[1].value == max(peak.copy.value, peak.add.value)


def test_working_sets_keep_their_distance():
    assert working_sets(4, 5) == [5]
    sizes = working_sets(1 << 14, 3 << 28)
    assert all(2 <= larger / smaller <= 8 for smaller, larger in pairwise(sizes))


def test_an_engine_that_is_far_behind_is_tried_once():
    tried = []

    def counted(seconds):
        return lambda size: lambda: (tried.append(seconds), time.sleep(seconds))

    peak = compute_peak({"fast": counted(0.001), "slow": counted(0.03)}, TINY)
    assert peak.engine == "fast"
    assert (peak.by_engine["fast"].n, peak.by_engine["slow"].n) == (2, 1)
    assert peak.by_engine["slow"].value < peak.flops.value


def test_chains_that_do_not_get_longer_are_refused():
    with pytest.raises(BackendError, match="took no longer"):
        dispatch_overhead(lambda _: lambda: None, TINY, operator="Sin", timer=lambda _call, _n: 1.0)


class Steady:
    """A meter of a steady 50 W."""

    name = "steady"

    def __init__(self):
        self._begin = time.perf_counter()

    def joules(self):
        return 50 * (time.perf_counter() - self._begin)


def test_a_sustained_product_counts_its_energy():
    found = sustain(lambda: time.sleep(0.001), 1e6, TINY, meters=[Steady()])
    assert found.seconds >= TINY.sustain_s
    assert 0 < found.flops_per_s <= 1e9
    assert found.ratio.low <= found.ratio.value <= found.ratio.high
    (energy,) = found.energy
    assert energy.idle_w == pytest.approx(50, rel=0.05)
    assert energy.load_w == pytest.approx(50, rel=0.05)
    assert energy.joules_per_flop * found.flops_per_s == pytest.approx(energy.load_w)


def test_throttling_shows_as_a_ratio_below_one():
    calls = []

    def timer(_call, _repeats):
        calls.append(0.001 if len(calls) < 5 else 0.002)
        return calls[-1]

    found = sustain(lambda: None, 1.0, ProbeConfig(sustain_s=1e-6), timer=timer)
    assert found.ratio.value == 0.5
    assert found.ratio.high < 1
    for share in (found.stolen, found.others):
        assert share is None or 0 <= share <= 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"chain_lengths": (4,)},
        {"chain_lengths": (0, 4)},
        {"contend_share": 1.5},
        {"sustain_s": 0},
        {"idle_s": -1},
        {"least_stream_bytes": 64},
    ],
)
def test_a_config_that_measures_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match=r"contend_share|slope|sustain_s|least_stream"):
        ProbeConfig(**wrong)


def test_the_quick_config_takes_less():
    quick, full = ProbeConfig.quick(), ProbeConfig()
    assert (quick.rounds, quick.budget_s, quick.sustain_s) < (full.rounds, full.budget_s, full.sustain_s)
