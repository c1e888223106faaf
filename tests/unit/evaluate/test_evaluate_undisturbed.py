"""Calls that others disturbed are told from those that were not."""

import pytest

from burnish.evaluate import undisturbed
from burnish.evaluate.undisturbed import Timed, timed


@pytest.fixture
def clock(monkeypatch):
    """Let a call say how long it takes, whether it was interrupted, and how busy others were."""

    class Clock:
        now = interruptions = busy = 0.0

        def call(self, seconds, *, interrupted=False, others=0.0):
            def run():
                self.now += seconds
                self.busy += seconds * others
                self.interruptions += interrupted

            return run

    one = Clock()
    monkeypatch.setattr(undisturbed.time, "perf_counter", lambda: one.now)
    monkeypatch.setattr(undisturbed, "_interruptions", lambda: one.interruptions)
    monkeypatch.setattr(undisturbed, "_busy_with_others_s", lambda: one.busy)
    monkeypatch.setattr(undisturbed, "_cores", lambda: {0, 1})
    return one


def test_interrupted_calls_do_not_count(clock):
    turn = iter(
        [clock.call(0.01), clock.call(0.01), *[clock.call(0.01), clock.call(0.5, interrupted=True)] * 99]
    )
    took = timed(lambda: next(turn)(), budget_s=2.0)
    assert took.seconds == pytest.approx(0.01)
    assert took.calls > 1
    assert not took.disturbed(0)


def test_where_all_were_interrupted_the_fastest_count_and_it_is_told(clock):
    turn = iter([0.9, 0.9, *[0.3, 0.1, 0.5, 0.1, 0.1] * 20])
    took = timed(lambda: clock.call(next(turn), interrupted=True)(), budget_s=3.0)
    assert took.seconds == pytest.approx(0.1)
    assert took.calls == 0


@pytest.mark.parametrize(
    ("others", "threads", "disturbed"), [(1.0, 0, True), (1.0, 1, False), (0.0, 2, False)]
)
def test_others_disturb_where_they_take_a_core_that_the_engine_uses(clock, others, threads, disturbed):
    took = timed(clock.call(0.01, others=others), budget_s=1.0)
    assert took.others == pytest.approx(others, abs=0.1)
    assert took.disturbed(threads) is disturbed


def test_it_stops_when_there_are_enough_calls_or_the_budget_is_spent(clock):
    done = []
    call = lambda seconds: lambda: (done.append(seconds), clock.call(seconds)())  # noqa: E731
    timed(call(0.001), budget_s=0.03, warmup=1, enough=5)
    assert 10 <= len(done) <= 12, "a third of the budget is spent in any case"
    done.clear()
    timed(call(0.4), budget_s=1.0, warmup=1, enough=5)
    assert len(done) == 1 + 3


def test_the_real_counters_only_grow():
    before = undisturbed._interruptions(), undisturbed._busy_with_others_s()
    took = timed(lambda: sum(range(1000)), budget_s=0.02)
    assert isinstance(took, Timed)
    assert took.seconds > 0
    assert undisturbed._interruptions() >= before[0]
