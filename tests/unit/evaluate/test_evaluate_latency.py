"""Contenders are measured in the same rounds and told apart."""

import time

import pytest

from burnish.evaluate.accuracy import Interval
from burnish.evaluate.latency import BenchConfig, Latency, Rounds, benchmark, ratio, verdict

QUICK = BenchConfig(rounds=6, warmup=1, min_sample_ms=0.0, pause_s=0.0)


def test_rounds_are_interleaved_in_a_rotating_order():
    calls = []
    benchmark({name: lambda n=name: calls.append(n) for name in "abc"}, QUICK)
    rounds = calls[-18:]
    orders = ["".join(rounds[i : i + 3]) for i in range(0, 18, 3)]
    assert orders == ["abc", "bca", "cab", "abc", "bca", "cab"]


def test_slower_is_slower():
    config = BenchConfig(rounds=9, warmup=1, min_sample_ms=1.0, pause_s=0.0)
    measured = benchmark({"slow": lambda: time.sleep(0.004), "fast": lambda: time.sleep(0.001)}, config)
    assert measured["slow"].median_ms >= 4.0
    assert len(measured["slow"].samples_ms) == 9
    times = ratio(measured["slow"], measured["fast"])
    assert times.low > 1.5
    assert times.low <= times.value <= times.high


def test_short_calls_are_repeated_until_a_sample_lasts():
    config = BenchConfig(rounds=2, warmup=1, min_sample_ms=2.0, pause_s=0.0)
    measured = benchmark({"nothing": lambda: None}, config)["nothing"]
    assert measured.calls_per_sample > 100
    assert measured.median_ms < 0.01


def test_progress_is_told():
    told = []
    benchmark({"a": lambda: None}, QUICK, on_round=lambda done, of: told.append((done, of)))
    assert told == [(i, 6) for i in range(1, 7)]


def test_median_lies_in_its_interval():
    median = Latency((1.0, 2.0, 3.0, 4.0, 100.0), 1).median
    assert median.low <= median.value == 3.0 <= median.high


def test_an_error_of_a_contender_comes_out():
    def broken():
        raise RuntimeError("no engine")

    with pytest.raises(RuntimeError, match="no engine"):
        benchmark({"broken": broken}, QUICK)


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"warmup": 0}])
def test_configuration_is_checked(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        BenchConfig(**wrong)


def test_an_interrupted_measurement_keeps_its_finished_rounds():
    calls = []

    def stopping():
        calls.append(1)
        if len(calls) == 7:  # in the third round: one call to warm up, three to time it, then one a round
            raise KeyboardInterrupt

    rounds = Rounds({"steady": lambda: None, "stopping": stopping}, QUICK)
    assert rounds.results() == {}
    with pytest.raises(KeyboardInterrupt):
        rounds.run()
    kept = rounds.results()
    assert rounds.done == 2
    assert {name: len(latency.samples_ms) for name, latency in kept.items()} == {"steady": 2, "stopping": 2}
    rounds.run()
    assert rounds.done == len(rounds.results()["steady"].samples_ms) == QUICK.rounds


@pytest.mark.parametrize(
    ("low", "high", "words"), [(1.1, 1.3, "faster"), (0.7, 0.9, "slower"), (0.9, 1.1, "no difference")]
)
def test_verdict(low, high, words):
    assert verdict(Interval((low + high) / 2, low, high, n=30)) == words
