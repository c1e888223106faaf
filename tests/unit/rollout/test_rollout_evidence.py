"""The running tests equal their vectorised formulas, also where plain floats give up."""

import math

import numpy as np
import pytest
from scipy import special

from burnish.rollout.evidence import (
    BoundedTest,
    MarginTest,
    PairedTest,
    StreamsTest,
    TailTest,
    bounded_log_e,
    difference_interval,
    lower_bound,
    margin_log_e,
    paired_log_e,
    streams_log_e,
    tail_log_e,
)
from burnish.rollout.evidence.beta import log_betainc
from burnish.rollout.evidence.classical import margin_p, mcnemar_p, two_proportions_p

RNG = np.random.default_rng(11)


def test_paired_follows_its_formula():
    w, n_l, a = 30, 12, 1.0
    n = w + n_l
    expected = (
        n * math.log(2)
        + special.betaln(w + a, n_l + a)
        + math.log(special.betainc(n_l + a, w + a, 0.5))
        - special.betaln(a, a)
        + math.log(2)
    )
    assert paired_log_e(w, n_l) == pytest.approx(expected, rel=1e-12)


def test_paired_running_equals_vectorised_and_remembers_its_maximum():
    steps = RNG.random(200) < 0.6
    test = PairedTest()
    running = [math.log(test.update(int(win), int(not win))) for win in steps]
    wins = np.cumsum(steps)
    whole = paired_log_e(wins, np.arange(1, 201) - wins)
    assert running == pytest.approx(list(whole))
    assert test.p == pytest.approx(math.exp(-max(0.0, whole.max())))


@pytest.mark.parametrize(("wins", "losses"), [(0, 5_000), (100, 9_000), (200_000, 260_000)])
def test_paired_stays_finite_where_the_incomplete_beta_underflows(wins, losses):
    # With the whole mass near 1/2 the integral is about exp(0) over the slope of the log-likelihood ratio.
    assert special.betainc(losses + 1, wins + 1, 0.5) == 0.0
    approximate = math.log(2 / (2 * (losses - wins) + 2))
    assert paired_log_e(wins, losses) == pytest.approx(approximate, abs=0.5)


@pytest.mark.parametrize(("p", "q", "x"), [(800.0, 300.0, 0.5), (1100.0, 3.0, 0.6), (500.0, 40.0, 0.3)])
def test_log_betainc_is_continuous_across_the_switch_to_the_tail(p, q, x):
    from burnish.rollout.evidence import beta

    direct = math.log(special.betainc(p, q, x))
    tail = beta._log_tail(np.asarray([p]), np.asarray([q]), x)[0]
    assert tail == pytest.approx(direct, rel=1e-10)
    assert float(log_betainc(p, q, x)) == pytest.approx(direct, rel=1e-12)


def test_streams_in_blocks_find_a_slower_canary_and_keep_quiet_about_a_faster_one():
    for canary_rate, primary_rate, expected in ((0.3, 0.02, True), (0.02, 0.3, False)):
        test = StreamsTest()
        for _ in range(300):
            test.update([bool(RNG.random() < canary_rate)], (RNG.random(9) < primary_rate).tolist())
        assert test.rejects(0.001) is expected


def test_streams_never_speak_against_a_better_canary():
    n = 5_000
    canary = RNG.random(n) < 0.5
    event = RNG.random(n) < np.where(canary, 0.02, 0.2)
    assert streams_log_e(event, canary, 0.5).max() < math.log(100)


def test_tail_running_equals_vectorised():
    events = RNG.random(300) < 0.05
    test = TailTest(limit=0.01)
    for event in events:
        test.update(int(event), 1)
    assert test.log_e == pytest.approx(float(tail_log_e(events.sum(), 300, limit=0.01)))


def test_bounded_running_equals_vectorised():
    values = RNG.beta(8, 2, 400)
    test = BoundedTest(mean=0.7, alpha=0.01)
    for value in values:
        test.update(float(value))
    assert test.log_e == pytest.approx(float(bounded_log_e(values, 0.7, alpha=0.01)))


def test_bounded_lower_bound_lies_below_the_mean_and_near_it():
    values = RNG.beta(8, 2, 2_000)
    bound = lower_bound(values, alpha=0.01)
    assert values.mean() - 0.05 < bound < values.mean()
    assert lower_bound(np.empty(0), alpha=0.01) == 0.0


def test_margin_running_equals_vectorised_and_order_does_not_matter():
    outcomes = RNG.choice([-1, 0, 1], 300, p=[0.02, 0.95, 0.03])
    forward, backward = MarginTest(margin=0.02), MarginTest(margin=0.02)
    for d in outcomes:
        forward.update(int(d > 0), int(d < 0), int(d == 0))
    for d in outcomes[::-1]:
        backward.update(int(d > 0), int(d < 0), int(d == 0))
    assert forward.log_e == pytest.approx(backward.log_e)
    whole = margin_log_e(forward.wins, forward.losses, forward.ties, margin=0.02)
    assert forward.log_e == pytest.approx(float(whole))


def test_margin_ties_speak_for_non_inferiority_but_not_for_superiority():
    assert MarginTest(margin=0.02).update(0, 0, 400) > 100
    assert MarginTest(margin=0.0).update(0, 0, 400) == pytest.approx(1.0)


def test_without_data_the_interval_says_nothing():
    assert difference_interval(0, 0, 0, alpha=0.05) == (-1.0, 1.0)


def test_classical_tests_equal_their_definitions():
    assert mcnemar_p(9, 1) == pytest.approx(11 / 1024)
    assert two_proportions_p(10, 100, 10, 100) == pytest.approx(0.5)
    assert two_proportions_p(0, 0, 1, 10) == 1.0
    assert margin_p(0, 0, 0, margin=0.01) == 1.0
    assert margin_p(5, 5, 990, margin=0.02) < 1e-6
