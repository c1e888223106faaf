"""Guards: quick on real faults, quiet on equal versions, silent without data, restored after a restart."""

import json

import numpy as np
import pytest

from burnish.rollout.guards import ConstantGuard, LatencyGuard, RateGuard, build_guards
from burnish.rollout.plan import GuardLimits
from burnish.rollout.records import Answer, Record
from burnish.rollout.verdict import Verdict

LIMITS = GuardLimits()


def seen(*, by="primary", primary=None, candidate=None, seq=1):
    return Record(seq=seq, id=str(seq), served_by=by, primary=primary, candidate=candidate)


def until_alarm(guard, make, limit=2_000):
    for n in range(1, limit):
        guard.observe(make(n))
        if guard.finding().verdict is Verdict.ABORT:
            return n
    raise AssertionError("no alarm")


@pytest.mark.parametrize("guard", build_guards(LIMITS), ids=lambda guard: guard.name)
def test_no_data_is_inconclusive(guard):
    assert guard.finding().verdict is Verdict.INCONCLUSIVE
    assert guard.finding().detail == "no data"


def test_an_outage_of_the_candidate_raises_an_alarm_within_ten_answers():
    guard = RateGuard("errors", limit=0.01, alpha=0.001)
    assert until_alarm(guard, lambda n: seen(candidate=Answer(failed=True))) <= 10


def test_a_few_errors_within_the_limit_raise_none():
    guard = RateGuard("errors", limit=0.01, alpha=0.001)
    for n in range(1, 10_001):
        guard.observe(seen(candidate=Answer(failed=n % 200 == 0)))
    assert guard.finding().verdict is Verdict.PROMOTE


def test_nan_raises_an_alarm_within_ten_answers():
    guard = RateGuard("nonfinite", limit=0.001, alpha=0.001)
    assert until_alarm(guard, lambda n: seen(candidate=Answer(finite=False))) <= 10


def test_errors_of_the_primary_are_not_the_candidates():
    guard = RateGuard("errors", limit=0.01, alpha=0.001)
    for _ in range(100):
        guard.observe(seen(primary=Answer(failed=True)))
    assert guard.finding().verdict is Verdict.INCONCLUSIVE


def latencies(guard, n, *, share, slow_factor=1.0, load=lambda i: 1.0, seed=1):
    rng = np.random.default_rng(seed)
    for i in range(n):
        ms = 10 * rng.gamma(9, 1 / 9) * load(i)
        if rng.random() < share:
            guard.observe(seen(by="canary", candidate=Answer(latency_ms=ms * slow_factor)))
        else:
            guard.observe(seen(primary=Answer(latency_ms=ms)))


def test_a_slow_canary_raises_an_alarm_and_an_equal_one_does_not():
    slow, equal = LatencyGuard(LIMITS), LatencyGuard(LIMITS)
    for guard, factor in ((slow, 5.0), (equal, 1.0)):
        latencies(guard, 2_000, share=0.25, slow_factor=factor)
    assert slow.finding().verdict is Verdict.ABORT
    assert equal.finding().verdict is Verdict.PROMOTE


def test_load_that_slows_both_raises_no_alarm():
    guard = LatencyGuard(LIMITS)
    latencies(guard, 4_000, share=0.25, load=lambda i: 1.0 if i < 1_000 else 6.0)
    assert guard.finding().verdict is Verdict.PROMOTE


def test_at_full_weight_the_last_threshold_still_guards():
    guard = LatencyGuard(LIMITS)
    latencies(guard, 400, share=0.0)
    assert until_alarm(guard, lambda n: seen(by="canary", candidate=Answer(latency_ms=200.0))) <= 30


def test_without_a_baseline_latency_never_passes():
    guard = LatencyGuard(LIMITS)
    for _ in range(500):
        guard.observe(seen(by="canary", candidate=Answer(latency_ms=1.0)))
    assert guard.finding().verdict is Verdict.INCONCLUSIVE


def test_one_answer_to_everything_raises_an_alarm():
    guard = ConstantGuard(100)
    n = until_alarm(guard, lambda n: seen(primary=Answer(value=n % 10), candidate=Answer(value=7)))
    assert n == 100


def test_one_answer_is_fine_where_the_primary_says_the_same():
    guard = ConstantGuard(100)
    for n in range(500):
        guard.observe(seen(primary=Answer(value=0 if n % 20 else 1), candidate=Answer(value=0)))
    assert guard.finding().verdict is Verdict.PROMOTE


def test_answers_may_be_vectors():
    guard = ConstantGuard(10)
    for n in range(20):
        guard.observe(seen(primary=Answer(value=[n, [1.0]]), candidate=Answer(value=[0, [1.0]])))
    assert guard.finding().verdict is Verdict.ABORT


def test_guards_go_on_from_their_stored_state():
    first, second = build_guards(LIMITS), build_guards(LIMITS)
    rng = np.random.default_rng(3)
    for n in range(700):
        answer = Answer(value=n % 10, latency_ms=float(rng.gamma(3)), failed=bool(rng.random() < 0.02))
        for guard in first:
            guard.observe(seen(by="canary" if n % 2 else "primary", primary=answer, candidate=answer))
    for old, new in zip(first, second, strict=True):
        new.restore(json.loads(json.dumps(old.state())))
        if old.name != "constant":  # its recent answers are gathered anew
            assert new.finding() == old.finding()


def test_the_constant_guard_can_be_switched_off():
    assert "constant" not in {guard.name for guard in build_guards(GuardLimits(constant_pairs=0))}
