import numpy as np
import pytest
from scipy.stats import entropy

from burnish.compress.quantize.ranges import Grid, Histogram, Range, range_of
from burnish.compress.quantize.ranges.objectives import divergence, squared_error
from burnish.compress.quantize.ranges.search import candidates
from burnish.errors import ConfigError, InputError


def drawn(name, size=20_000):
    rng = np.random.default_rng(7)
    numbers = {
        "normal": rng.standard_normal(size),
        "relu": np.maximum(rng.standard_normal(size), 0),
        "long tail": rng.standard_t(2, size),
        "outlier": np.append(rng.uniform(-1, 1, size), 40.0),
    }
    return numbers[name].astype(np.float32)


def divergence_by_hand(histogram, kept, grid):
    """The definition in plain loops, and SciPy's sum."""
    bins = [(c, n) for c, n in zip(histogram.centers, histogram.counts, strict=True)]
    inside = [i for i, (center, _) in enumerate(bins) if kept.low <= center <= kept.high]
    first, last = inside[0], inside[-1]
    reference = [float(bins[i][1]) for i in inside]
    reference[0] += sum(n for _, n in bins[:first])
    reference[-1] += sum(n for _, n in bins[last + 1 :])
    by_level = {}
    for place, level in enumerate(grid.levels_of(np.array([bins[i][0] for i in inside]), kept)):
        by_level.setdefault(int(level), []).append(place)
    candidate = [0.0] * len(inside)
    for places in by_level.values():
        mass = sum(float(bins[inside[place]][1]) for place in places)
        sharers = [place for place in places if reference[place] > 0]
        for place in sharers:
            candidate[place] = mass / len(sharers)
    p = np.array([r for r in reference if r > 0])
    q = np.array([c for c, r in zip(candidate, reference, strict=True) if r > 0]) / sum(candidate)
    return entropy(p, np.where(q > 0, q, 1e-4))


@pytest.mark.parametrize("name", ["normal", "relu", "long tail", "outlier"])
@pytest.mark.parametrize("grid", [Grid(), Grid(symmetric=True)])
def test_the_divergence_is_that_of_its_definition(name, grid):
    histogram = Histogram.of(drawn(name), bins=1024)
    for share in (1.0, 0.7, 0.3):
        kept = Range(min(histogram.minimum, 0) * share, histogram.maximum * share)
        assert divergence(histogram, kept, grid) == pytest.approx(divergence_by_hand(histogram, kept, grid))


@pytest.mark.parametrize("name", ["normal", "long tail", "outlier"])
@pytest.mark.parametrize("calibration", ["mse", "kl"])
def test_a_symmetric_threshold_is_the_best_of_all_that_are_tried_by_hand(name, calibration):
    grid, histogram = Grid(symmetric=True), Histogram.of(drawn(name), bins=1024)
    largest = max(-histogram.minimum, histogram.maximum)
    loss = squared_error if calibration == "mse" else divergence_by_hand
    tried = {share: loss(histogram, Range(-largest * share, largest * share), grid) for share in candidates()}
    share = range_of(histogram, calibration, grid=grid).high / largest
    assert tried[share] == pytest.approx(min(tried.values()), rel=1e-9)


@pytest.mark.parametrize("name", ["normal", "relu", "long tail", "outlier"])
def test_the_error_told_from_bins_is_that_of_the_numbers(name):
    numbers, grid = drawn(name), Grid()
    histogram = Histogram.of(numbers)
    kept = range_of(histogram, "mse")
    true = np.mean((grid.rounded(numbers.astype(np.float64), kept) - numbers) ** 2)
    assert squared_error(histogram, kept, grid) == pytest.approx(true, rel=0.1)


def test_each_calibrator_is_its_own():
    histogram = Histogram.of(drawn("long tail"))
    ends = [range_of(histogram, name).high for name in ("minmax", "percentile", "mse", "kl")]
    assert len(set(ends)) == 4
    assert ends[0] == histogram.maximum == max(ends)


def test_each_end_of_an_uneven_spread_finds_its_own_place():
    rng = np.random.default_rng(11)
    numbers = np.append(-np.abs(rng.standard_t(2, 20_000)), rng.uniform(0, 20, 20_000)).astype(np.float32)
    histogram = Histogram.of(numbers)
    low, high, grid = histogram.minimum, histogram.maximum, Grid()
    together = min(squared_error(histogram, Range(low * f, high * f), grid) for f in candidates())
    kept = range_of(histogram, "mse")
    assert squared_error(histogram, kept, grid) < together
    assert kept.low / low < kept.high / high < 1


def test_nothing_but_zeros_has_an_empty_range():
    histogram = Histogram.of(np.zeros((3, 4), np.float32))
    assert histogram.total == histogram.zeros == 12
    for name in ("minmax", "percentile", "mse", "kl"):
        assert range_of(histogram, name) == Range(0.0, 0.0)
    assert Grid().scale_and_zero(Range(0.0, 0.0)) == (1.0, 0)


def test_one_number_alone_is_kept():
    histogram = Histogram.of(np.full(9, 0.3, np.float32))
    for name in ("minmax", "percentile", "mse", "kl"):
        assert range_of(histogram, name).high == pytest.approx(0.3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad):
    with pytest.raises(InputError, match="finite"):
        Histogram.of(np.array([1.0, bad], np.float32))


def test_histograms_of_another_fineness_are_not_merged():
    one, other = (Histogram.of(np.ones(3, np.float32), bins=bins) for bins in (512, 1024))
    with pytest.raises(ValueError, match="512 and 1024"):
        one.merge(other)


def test_an_unknown_calibrator_names_the_nearest():
    with pytest.raises(ConfigError, match="minmax"):
        range_of(Histogram.of(np.ones(3, np.float32)), "minmx")


def test_a_range_must_hold_zero():
    with pytest.raises(ValueError, match="holds zero"):
        Range(0.5, 1.0)
