import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.compress.pruning.rounding import candidates, cheapest, nearest_multiple
from burnish.compress.pruning.widths import LayerTime

UNITS = st.sampled_from([1, 2, 4, 8, 16])
WIDTHS = st.integers(1, 512)
SHARES = st.floats(0.01, 1.0)


@given(WIDTHS, SHARES, UNITS)
def test_a_multiple_is_the_nearest_one_or_the_layer_is_left(full, share, unit):
    wanted = full * share
    width = nearest_multiple(wanted, unit, full)
    assert 1 <= width <= full
    if width < full:
        assert width % unit == 0
        assert width == unit or abs(width - wanted) <= unit / 2


@given(WIDTHS, SHARES, UNITS)
def test_what_is_worth_measuring_lies_around_the_wanted_width_and_holds_the_prior(full, share, unit):
    wanted = full * share
    widths = candidates(wanted, unit, full)
    prior = nearest_multiple(wanted, unit, full)
    assert prior in widths
    assert all(1 <= width <= full for width in widths)
    assert all(abs(width - wanted) <= unit for width in widths if width != prior)


def staircase(widths, block, *, error=0.0):
    """Time of an engine that computes whole blocks of channels."""
    return {width: LayerTime(1e-3 * -(-width // block), error) for width in widths}


@given(st.integers(40, 500), st.sampled_from([8, 16, 32]))
def test_a_measured_staircase_never_yields_a_width_that_wastes_most_of_a_block(wanted, block):
    widths = range(wanted - block, wanted + block + 1, block // 4)
    prior = min(widths, key=lambda width: abs(width - wanted))
    chosen = cheapest(prior, wanted, staircase(widths, block))
    assert chosen in widths
    # a wider one in sight for the same time would be more network for nothing
    same = [w for w in widths if -(-w // block) == -(-chosen // block)]
    assert chosen == max(same) or chosen == prior


def test_a_step_of_the_staircase_beats_the_multiple():
    times = staircase([88, 92, 96, 100, 104], 32)
    assert cheapest(100, 97.0, times) == 96


def test_what_the_measurement_cannot_tell_is_left_to_the_multiple():
    times = staircase([88, 92, 96, 100, 104], 32, error=0.5)
    assert cheapest(104, 97.0, times) == 104


@given(st.floats(1e-6, 1e-2), st.floats(1e-7, 1e-4))
def test_where_every_channel_costs_the_same_the_multiple_stays(base, each):
    times = {width: LayerTime(base + each * width, 0.001) for width in (52, 56, 60, 64)}
    assert cheapest(56, 57.6, times) == 56


def test_times_that_fall_with_the_width_are_noise():
    times = {width: LayerTime(1.0 / width, 0.001) for width in (52, 56, 60, 64)}
    assert cheapest(56, 57.6, times) == 56


@pytest.mark.parametrize("widths", [(), (56,), (56, 64)])
def test_two_points_are_no_staircase(widths):
    times = staircase(widths, 8)
    assert cheapest(56, 57.6, times) == 56
    assert np.all([time.seconds > 0 for time in times.values()])
