import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from burnish.compress.quantize.ranges import CALIBRATORS, Grid, Histogram, merged, range_of
from burnish.compress.quantize.ranges.objectives import divergence, squared_error

BINS = 512
SHORT = settings(max_examples=25, deadline=None)
NUMBERS = hnp.arrays(
    np.float32,
    st.integers(1, 300),
    elements=st.one_of(
        st.floats(-4, 4, width=32), st.just(0.0), st.floats(width=32, allow_nan=False, allow_infinity=False)
    ),
)
# spreads that float32 steps can follow, so that a range is a matter of choice and not of rounding
PLAIN = hnp.arrays(
    np.float32, st.integers(1, 300), elements=st.floats(-100, 100, width=32).map(lambda x: round(x, 3))
)
GRIDS = st.sampled_from([Grid(), Grid(symmetric=True), Grid(bits=4)])


def of(numbers):
    return Histogram.of(numbers, bins=BINS)


def same(one, other):
    return (
        one.exponent == other.exponent
        and one.first == other.first
        and np.array_equal(one.counts, other.counts)
        and (one.minimum, one.maximum, one.zeros) == (other.minimum, other.maximum, other.zeros)
    )


@SHORT
@given(NUMBERS, st.lists(st.integers(0, 300), max_size=4), st.randoms())
def test_batches_in_any_order_make_the_histogram_of_all(numbers, cuts, random):
    parts = np.split(numbers, sorted(min(cut, len(numbers)) for cut in cuts))
    random.shuffle(parts)
    assert same(merged([of(part) for part in parts], bins=BINS), of(numbers))


@SHORT
@given(NUMBERS)
def test_every_number_is_counted_in_the_bin_that_holds_it(numbers):
    histogram = of(numbers)
    some = numbers[numbers != 0].astype(np.float64)
    assert histogram.total == numbers.size
    assert histogram.zeros == numbers.size - some.size
    if some.size:
        edges = histogram.edges
        held = [np.count_nonzero((some >= low) & (some < high)) for low, high in itertools.pairwise(edges)]
        assert np.array_equal(histogram.counts, held)
        assert histogram.counts.size <= 2 * BINS
        assert histogram.counts[0] > 0
        assert histogram.counts[-1] > 0


@SHORT
@given(NUMBERS, st.integers(1, 64))
def test_a_chart_counts_every_number_once(numbers, bins):
    edges, counts = of(numbers).coarse(bins)
    assert len(edges) == len(counts) + 1 <= bins + 2
    assert sum(counts) == numbers.size
    assert edges[0] <= numbers.min()
    assert numbers.max() <= edges[-1]


@SHORT
@given(PLAIN, GRIDS, st.sampled_from(CALIBRATORS))
def test_a_range_holds_zero_and_nothing_that_never_occurred(numbers, grid, calibration):
    kept = range_of(of(numbers), calibration, grid=grid)
    low, high = min(numbers.min(), 0), max(numbers.max(), 0)
    largest = max(-low, high)
    assert kept.low <= 0 <= kept.high
    if grid.symmetric:
        assert kept.high == -kept.low <= largest
    else:
        assert low <= kept.low
        assert kept.high <= high


@SHORT
@given(PLAIN, GRIDS)
def test_minmax_clips_nothing(numbers, grid):
    kept = range_of(of(numbers), "minmax", grid=grid)
    scale, _ = grid.scale_and_zero(kept)
    error = np.abs(grid.rounded(numbers.astype(np.float64), kept) - numbers)
    assert error.max() <= scale * 0.5001 if grid.symmetric else error.max() <= scale * 1.0001


@SHORT
@given(PLAIN, GRIDS, st.floats(50.5, 100))
def test_a_percentile_clips_no_more_than_it_may(numbers, grid, percentile):
    kept = range_of(of(numbers), "percentile", grid=grid, percentile=percentile)
    beyond = np.count_nonzero((numbers < kept.low) | (numbers > kept.high))
    assert beyond <= (100 - percentile) / 100 * numbers.size + 1e-9


@SHORT
@given(PLAIN, GRIDS)
def test_the_least_error_is_no_greater_than_that_of_keeping_all(numbers, grid):
    histogram = of(numbers)
    for calibration, loss in (("mse", squared_error), ("kl", divergence)):
        best, all_of_it = (range_of(histogram, one, grid=grid) for one in (calibration, "minmax"))
        assert loss(histogram, best, grid) <= loss(histogram, all_of_it, grid)


@SHORT
@given(PLAIN, GRIDS, st.sampled_from(CALIBRATORS), st.sampled_from([-3, 2, 5]))
def test_numbers_in_another_unit_have_the_same_range_in_it(numbers, grid, calibration, exponent):
    factor = 2.0**exponent
    kept, scaled = (range_of(of(x), calibration, grid=grid) for x in (numbers, numbers * np.float32(factor)))
    assert (scaled.low, scaled.high) == (kept.low * factor, kept.high * factor)


@SHORT
@given(PLAIN, st.sampled_from(CALIBRATORS))
def test_zeros_change_no_range_but_the_percentiles(numbers, calibration):
    if calibration == "percentile":
        return
    with_zeros = np.append(numbers, np.zeros(1000, np.float32))
    assert range_of(of(with_zeros), calibration) == range_of(of(numbers), calibration)
