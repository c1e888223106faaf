"""Slopes are recovered, wrap-around loses nothing, rates are positive and finite."""

import math
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.hardware.probe import Measured, ProbeConfig, RaplMeter, compute_peak, dispatch_overhead, fit_line

seconds = st.floats(1e-8, 1e-3)


@given(slope=st.floats(-1e3, 1e3), intercept=st.floats(-1e3, 1e3), x=st.sets(st.integers(0, 500), min_size=2))
def test_a_line_is_recovered(slope, intercept, x):
    xs = sorted(x)
    found = fit_line(xs, [intercept + slope * value for value in xs])
    np.testing.assert_allclose(found, (slope, intercept), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(each=seconds, call=st.floats(0, 1e-3), noise=st.lists(st.floats(0, 5), min_size=64, max_size=64))
def test_the_dispatch_of_an_operator_is_recovered_under_noise_that_only_slows(each, call, noise):
    config = ProbeConfig(rounds=7, budget_s=60)
    lengths: dict[object, int] = {}
    turns = dict.fromkeys(config.chain_lengths, 0)

    def chain(length):
        def work():
            return None

        lengths[work] = length
        return work

    def timer(work, _repeats):
        length = lengths[work]
        turns[length] += 1
        disturbed = 1 + (
            noise[turns[length] % len(noise)] if turns[length] % 4 else 0
        )  # every fourth is quiet
        return (call + length * each) * disturbed

    found = dispatch_overhead(chain, config, operator="Sin", timer=timer)
    assert math.isclose(found.operator_s.value, each, rel_tol=1e-6)
    assert math.isclose(found.call_s.value, call, rel_tol=1e-6, abs_tol=each * 1e-4)
    assert found.operator_s.low <= found.operator_s.high


@settings(deadline=None)
@given(start=st.integers(0, 999), steps=st.lists(st.integers(0, 999), max_size=20))
def test_a_counter_that_wraps_around_loses_nothing(start, steps):
    largest = 999
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder)
        (zone / "name").write_text("package-0")
        (zone / "max_energy_range_uj").write_text(str(largest))
        (zone / "energy_uj").write_text(str(start))
        meter = RaplMeter([zone])
        for count, step in enumerate(steps, 1):
            (zone / "energy_uj").write_text(str((start + sum(steps[:count])) % (largest + 1)))
            assert math.isclose(meter.joules(), sum(steps[:count]) / 1e6)
            assert step <= largest


@given(st.lists(st.floats(1e-3, 1e15), min_size=1))
def test_samples_are_summed_up_in_order(rates):
    found = Measured.of(rates)
    assert found.low <= found.median <= found.value
    assert found.n == len(rates)
    assert {found.low, found.value} <= set(rates)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcd"), seconds, min_size=1),
    st.sets(st.integers(1, 64), min_size=1, max_size=4),
)
def test_the_peak_is_the_fastest_engine(times, sizes):
    config = ProbeConfig(sizes=tuple(sizes), rounds=2, pause_s=0, budget_s=1e9)
    owner: dict[object, tuple[str, int]] = {}

    def product(name):
        def make(size):
            def call():
                return None

            owner[call] = (name, size)
            return call

        return make

    def timer(call, _repeats):
        name, size = owner[call]
        return times[name] * size**3  # each engine has one rate at all sizes

    peak = compute_peak({name: product(name) for name in times}, config, timer=timer)
    assert math.isclose(peak.flops.value, 2 / min(times.values()))
    assert times[peak.engine] == min(times.values())
    assert set(peak.by_engine) == set(times)
    assert all(math.isfinite(one.value) and one.value > 0 for one in peak.by_engine.values())
