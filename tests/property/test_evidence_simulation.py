"""Simulated rollouts of equal and of different versions, looked at after every request, seeds fixed."""

import math

import numpy as np
import pytest
from scipy import stats

from burnish.rollout.evidence import margin_log_e, paired_log_e, streams_log_e, tail_log_e

ALPHA = 0.01
THRESHOLD = -math.log(ALPHA)


def bound(runs: int, rate: float = ALPHA) -> float:
    """The share of false alarms that a valid test exceeds once in a million."""
    return float(stats.binom.ppf(1 - 1e-6, runs, rate)) / runs


def test_paired_promotes_equal_versions_at_most_nominally():
    runs, pairs = 1000, 1000
    wins = np.cumsum(np.random.default_rng(1).random((runs, pairs)) < 0.5, axis=1)
    log_e = paired_log_e(wins, np.arange(1, pairs + 1) - wins)
    false = np.mean(log_e.max(axis=1) >= THRESHOLD)
    assert false <= ALPHA  # the simulated rate is about 0.7%
    assert false > 0  # a test that never fires would be valid and useless


def test_streams_alarm_at_most_nominally_under_a_ramp_with_a_drifting_base_rate():
    runs, n = 300, 4000
    rng = np.random.default_rng(2)
    share = np.repeat([0.1, 0.25, 0.5, 0.75], n // 4)
    rate = 0.05 + 0.15 * np.linspace(0, 1, n)
    alarms = 0
    for _ in range(runs):
        event, canary = rng.random(n) < rate, rng.random(n) < share
        alarms += streams_log_e(event, canary, share).max() >= THRESHOLD
    assert alarms / runs <= bound(runs)


def test_margin_promotes_a_candidate_at_the_margin_at_most_nominally():
    runs, n, margin, discordance = 300, 3000, 0.02, 0.06
    rng = np.random.default_rng(3)
    draw = rng.random((runs, n))
    win = draw < (discordance - margin) / 2
    loss = draw > 1 - (discordance + margin) / 2
    w, n_l = np.cumsum(win, axis=1)[:, 9::10], np.cumsum(loss, axis=1)[:, 9::10]
    log_e = margin_log_e(w, n_l, np.arange(10, n + 1, 10) - w - n_l, margin=margin)
    assert np.mean(log_e.max(axis=1) >= THRESHOLD) <= bound(runs)


def test_tail_alarms_at_most_nominally_at_the_limit():
    runs, n, limit = 300, 3000, 0.01
    events = np.cumsum(np.random.default_rng(4).random((runs, n)) < limit, axis=1)
    log_e = tail_log_e(events, np.arange(1, n + 1), limit=limit)
    assert np.mean(log_e.max(axis=1) >= THRESHOLD) <= bound(runs)


def test_paired_power_is_that_of_the_published_table():
    # Accuracy 0.90 -> 0.92 with 5% discordance: 3.5% wins, 1.5% losses; 1,179 pairs in the median.
    runs, pairs = 2000, 8000
    rng = np.random.default_rng(5)
    discordant = rng.binomial(pairs, 0.05, runs)
    needed = np.full(runs, np.inf)
    for run in range(runs):
        n = np.arange(1, discordant[run] + 1)
        wins = np.cumsum(rng.random(n.size) < 0.7)
        crossed = paired_log_e(wins, n - wins) >= THRESHOLD
        if crossed.any():
            needed[run] = (crossed.argmax() + 1) / 0.05
    assert np.median(needed) == pytest.approx(1179, rel=0.05)


@pytest.mark.parametrize(("rate", "published"), [(0.5, 12), (0.05, 152)])
def test_error_alarm_comes_after_the_published_number_of_requests(rate, published):
    rng = np.random.default_rng(6)
    n = np.arange(1, 2001)
    events = np.cumsum(rng.random((400, n.size)) < rate, axis=1)
    crossed = tail_log_e(events, n, limit=0.005) >= math.log(1000)
    assert np.median(crossed.argmax(axis=1) + 1) == pytest.approx(published, rel=0.15)


def test_noninferiority_needs_few_pairs_when_the_versions_agree():
    # 99% accuracy on either side, 1% of the pairs discordant, a margin of two points: under 600 pairs.
    rng = np.random.default_rng(7)
    draw = rng.random((200, 2000))
    w, n_l = np.cumsum(draw < 0.005, axis=1)[:, 9::10], np.cumsum(draw > 0.995, axis=1)[:, 9::10]
    n = np.arange(10, 2001, 10)
    crossed = margin_log_e(w, n_l, n - w - n_l, margin=0.02) >= THRESHOLD
    assert np.median(n[crossed.argmax(axis=1)]) < 600
