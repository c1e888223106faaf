"""Every e-process: expectation at most 1 under its null, by exact enumeration rather than by sampling."""

import itertools
import math
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from burnish.rollout.evidence import (
    StreamsTest,
    bounded_log_e,
    difference_interval,
    margin_log_e,
    paired_log_e,
    streams_log_e,
    tail_log_e,
)

SLACK = 1 + 1e-9


def chances(high=1.0):
    """Probabilities from 0 to ``high``; without the denormal ones, at which SciPy's own functions overflow."""
    return st.integers(0, 10_000).map(lambda k: high * k / 10_000)


@given(n=st.integers(0, 300), p=chances(0.5), prior=st.floats(0.5, 20))
def test_paired_expectation_is_at_most_one_when_the_candidate_is_not_better(n, p, prior):
    wins = np.arange(n + 1)
    expectation = np.sum(stats.binom.pmf(wins, n, p) * np.exp(paired_log_e(wins, n - wins, prior=prior)))
    assert expectation <= SLACK


@given(n=st.integers(0, 300), prior=st.floats(0.5, 20))
def test_paired_expectation_is_one_when_the_versions_are_equal(n, prior):
    wins = np.arange(n + 1)
    expectation = np.sum(stats.binom.pmf(wins, n, 0.5) * np.exp(paired_log_e(wins, n - wins, prior=prior)))
    assert math.isclose(expectation, 1.0, rel_tol=1e-8)


@given(wins=st.integers(0, 3000), losses=st.integers(0, 3000), p=chances(0.5))
def test_paired_evidence_never_drifts_upwards_from_any_state(wins, losses, p):
    now, after_win, after_loss = paired_log_e([wins, wins + 1, wins], [losses, losses, losses + 1])
    assert p * np.exp(after_win - now) + (1 - p) * np.exp(after_loss - now) <= 1 + 1e-6


@given(n=st.integers(0, 400), limit=st.floats(0.001, 0.3), fraction=chances())
def test_tail_expectation_is_at_most_one_within_the_limit(n, limit, fraction):
    events = np.arange(n + 1)
    weights = stats.binom.logpmf(events, n, limit * fraction)
    expectation = np.sum(np.exp(weights + tail_log_e(events, n, limit=limit)))
    assert expectation <= SLACK


@settings(max_examples=40)
@given(
    n=st.integers(0, 25),
    margin=st.floats(-0.5, 0.5),
    loss=chances(),
    slack=chances(),
)
def test_margin_expectation_is_at_most_one_when_the_margin_is_exceeded(n, margin, loss, slack):
    # The chances of a loss and of a win are drawn so that the mean of D is at most -margin.
    loss = max(loss, margin, 0.0)
    win = slack * max(min(loss - margin, 1 - loss), 0.0)
    w, n_l = (axis.ravel() for axis in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    keep = w + n_l <= n
    w, n_l = w[keep], n_l[keep]
    counts = np.stack([w, n_l, n - w - n_l], axis=1)
    weights = stats.multinomial.pmf(counts, n, [win, loss, max(0.0, 1 - win - loss)])
    expectation = np.nansum(weights * np.exp(margin_log_e(w, n_l, n - w - n_l, margin=margin)))
    if loss - win >= margin - 1e-12:
        assert expectation <= SLACK


@given(mean=st.floats(0.02, 0.98), n=st.integers(0, 9), alpha=st.floats(0.001, 0.2))
def test_bounded_expectation_is_one_at_the_null_mean(mean, n, alpha):
    total = 0.0
    for path in itertools.product((0.0, 1.0), repeat=n):
        chance = math.prod(mean if x else 1 - mean for x in path)
        total += chance * math.exp(float(bounded_log_e(np.asarray(path), mean, alpha=alpha)))
    assert math.isclose(total, 1.0, rel_tol=1e-9)


@settings(max_examples=30)
@given(data=st.data(), n=st.integers(1, 5))
def test_streams_expectation_is_one_when_the_arms_are_equal_whatever_the_share(data, n):
    rates = data.draw(st.lists(chances(), min_size=n, max_size=n))
    shares = np.asarray(data.draw(st.lists(st.floats(0.01, 0.99), min_size=n, max_size=n)))
    total = 0.0
    for path in itertools.product(itertools.product((False, True), repeat=2), repeat=n):
        event = np.asarray([step[0] for step in path])
        canary = np.asarray([step[1] for step in path])
        chance = np.prod(np.where(event, rates, 1 - np.asarray(rates)) * np.where(canary, shares, 1 - shares))
        total += chance * math.exp(streams_log_e(event, canary, shares)[-1])
    assert math.isclose(total, 1.0, rel_tol=1e-9)


@settings(max_examples=40)
@given(
    past=st.tuples(*[st.integers(0, 50)] * 4),
    sizes=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    rate=chances(),
    better=chances(),
)
def test_a_block_never_gains_on_average_when_the_canary_is_no_worse(past, sizes, rate, better):
    before = StreamsTest(
        canary_events=past[0],
        canary_requests=past[0] + past[1],
        primary_events=past[2],
        primary_requests=past[2] + past[3],
    )
    expectation = 0.0
    for k_canary, k_primary in itertools.product(range(sizes[0] + 1), range(sizes[1] + 1)):
        test = replace(before)
        test.update(
            [i < k_canary for i in range(sizes[0])],
            [i < k_primary for i in range(sizes[1])],
        )
        chance = stats.binom.pmf(k_canary, sizes[0], rate * better) * stats.binom.pmf(
            k_primary, sizes[1], rate
        )
        expectation += chance * test.e
    assert expectation <= SLACK


@given(
    wins=st.integers(0, 50), losses=st.integers(0, 50), ties=st.integers(0, 500), alpha=st.floats(0.001, 0.2)
)
def test_the_difference_interval_holds_the_observed_difference_and_narrows_with_alpha(
    wins, losses, ties, alpha
):
    low, high = difference_interval(wins, losses, ties, alpha=alpha)
    n = wins + losses + ties
    assert -1 <= low <= high <= 1
    if n:
        assert low - 1e-6 <= (wins - losses) / n <= high + 1e-6
    wider = difference_interval(wins, losses, ties, alpha=alpha / 10)
    assert wider[0] <= low + 1e-9
    assert high <= wider[1] + 1e-9
