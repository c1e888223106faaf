"""Intervals: known values, and the coverage that they promise."""

import numpy as np
import pytest
from scipy import stats

from burnish.evaluate import Interval, bootstrap_median, paired_difference, proportion_interval
from burnish.evaluate.accuracy import bootstrap_ratio


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (95, 100), (1, 3), (540, 540)])
def test_wilson_agrees_with_scipy(successes, n):
    ours = proportion_interval(successes, n)
    theirs = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert ours.low == pytest.approx(theirs.low, abs=1e-12)
    assert ours.high == pytest.approx(theirs.high, abs=1e-12)
    assert ours.value == successes / n
    assert ours.n == n


def test_perfect_score_still_has_a_width():
    assert proportion_interval(100, 100).low < 0.97


def test_paired_difference_is_b_minus_a():
    a = np.array([1.0] * 90 + [0.0] * 10)
    b = np.array([1.0] * 85 + [0.0] * 15)
    difference = paired_difference(a, b)
    assert difference.value == pytest.approx(-0.05)
    assert difference.low < -0.05 < difference.high < 0.03
    mirrored = paired_difference(b, a)
    assert (mirrored.low, mirrored.high) == pytest.approx((-difference.high, -difference.low))


def test_equal_answers_do_not_claim_certainty():
    same = np.ones(50)
    difference = paired_difference(same, same)
    assert difference.value == 0.0
    assert difference.low < 0.0 < difference.high
    assert paired_difference(np.ones(5000), np.ones(5000)).low > difference.low


def test_pairing_narrows_the_interval():
    generator = np.random.default_rng(0)
    a = (generator.random(1000) < 0.9).astype(float)
    b = a.copy()
    b[:5] = 1 - b[:5]
    paired = paired_difference(a, b)
    shuffled = paired_difference(a, generator.permutation(b))
    assert paired.high - paired.low < (shuffled.high - shuffled.low) / 3


def test_paired_interval_covers_the_truth():
    generator = np.random.default_rng(1)
    both, gained, lost, n, runs = 0.9, 0.02, 0.03, 300, 400
    hits = 0
    for _ in range(runs):
        u = generator.random(n)
        a = ((u < both) | ((u >= both) & (u < both + lost))).astype(float)
        b = ((u < both) | ((u >= both + lost) & (u < both + lost + gained))).astype(float)
        interval = paired_difference(a, b)
        hits += interval.low <= gained - lost <= interval.high
    assert hits / runs > 0.93


def test_bootstrap_median_covers_the_truth():
    generator = np.random.default_rng(2)
    hits = 0
    for seed in range(100):
        interval = bootstrap_median(generator.lognormal(0.0, 0.5, 31), seed=seed, rounds=400)
        hits += interval.low <= 1.0 <= interval.high
    assert hits >= 88


def test_bootstrap_is_reproducible():
    samples = np.random.default_rng(3).random(20)
    assert bootstrap_median(samples) == bootstrap_median(samples)


def test_ratio_of_the_same_rounds_cancels_a_slow_moment():
    generator = np.random.default_rng(4)
    weather = generator.lognormal(0, 1, 40)  # the machine slows down both alike
    ratio = bootstrap_ratio(2 * weather, weather)
    assert ratio.value == pytest.approx(2.0)
    assert ratio.low == pytest.approx(2.0)
    assert ratio.high == pytest.approx(2.0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: proportion_interval(0, 0),
        lambda: proportion_interval(1, 2, level=1.0),
        lambda: paired_difference(np.ones(3), np.ones(4)),
        lambda: paired_difference(np.ones(0), np.ones(0)),
        lambda: bootstrap_median(np.ones(0)),
        lambda: bootstrap_ratio(np.ones(2), np.ones(3)),
    ],
)
def test_nothing_to_estimate_is_an_error(wrong):
    with pytest.raises(ValueError, match=r"at least one|between 0 and 1|non-empty|equally many"):
        wrong()


def test_scaling():
    assert Interval(0.5, 0.4, 0.6, 10).scaled(100) == Interval(50.0, 40.0, 60.0, 10)
