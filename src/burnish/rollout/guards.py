"""Watchers that need no labels: failures, slowness, NaN and answers that never change."""

from collections import deque
from typing import Any, Protocol

import numpy as np

from burnish.rollout.evidence import EProcess, RestartingTest, StreamsTest, TailTest
from burnish.rollout.plan import GuardLimits
from burnish.rollout.records import Answer, Record
from burnish.rollout.verdict import Finding, Verdict, alarm

_WINDOW = 500
_RECENT = 2000
_MIN_BASELINE = 100
_ALONE = 20


class Guard(Protocol):
    """A watcher of one kind of harm."""

    name: str

    def observe(self, record: Record) -> None:
        """Take in one request."""
        ...

    def finding(self) -> Finding:
        """Say whether there is an alarm, quiet or no data."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as JSON data."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        ...


class RateGuard:
    """Limits how often a property of the candidate's answers may hold (F4), served or mirrored.

    Args:
        name: ``errors`` or ``nonfinite``.
        limit: Allowed rate.
        alpha: Chance of a false alarm.
    """

    def __init__(self, name: str, *, limit: float, alpha: float) -> None:
        self.name = name
        self._limit, self._alpha = limit, alpha
        self._test = RestartingTest(fresh=TailTest(limit=limit), window=_WINDOW)
        self._events = 0
        self._trials = 0

    def observe(self, record: Record) -> None:
        """Count the candidate's answer, if it was asked."""
        if record.candidate is None:
            return
        event = self._is_event(record.candidate)
        self._events += event
        self._trials += 1
        self._test.current.update(int(event), 1)
        self._test.counted()

    def finding(self) -> Finding:
        """Alarm when the rate is above the limit."""
        detail = f"{self._events} of {self._trials} answers, limit {self._limit:.2%}"
        return alarm(self.name, self._test, n=self._trials, alpha=self._alpha, detail=detail)

    def state(self) -> dict[str, Any]:
        """Return the counts."""
        return {"events": self._events, "trials": self._trials, "test": self._test.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the counts back."""
        self._events, self._trials = state["events"], state["trials"]
        self._test.restore(state["test"])

    def _is_event(self, answer: Answer) -> bool:
        return answer.failed if self.name == "errors" else not answer.finite


class LatencyGuard:
    """Compares how often either version is slow, on served requests.

    "Slow" is a multiple of the primary's 99th percentile, from its past only. While both arms are served, the
    arms are compared (F2), so that a load that slows both raises no alarm. At full weight nothing is left to
    compare with: then the share of slow answers has a fixed limit (F4) at the last threshold known.
    """

    name = "latency"

    def __init__(self, limits: GuardLimits) -> None:
        self._limits = limits
        self._relative = RestartingTest(fresh=StreamsTest(), window=_WINDOW)
        self._absolute = RestartingTest(fresh=TailTest(limit=limits.latency_share), window=_WINDOW)
        self._primary_ms: deque[float] = deque(maxlen=_RECENT)
        self._threshold_ms = 0.0
        self._stale = 0
        self._slow = 0
        self._n = 0
        self._open: dict[str, list[bool]] = {"primary": [], "canary": []}

    def observe(self, record: Record) -> None:
        """Count a served answer by whether it was slow."""
        canary = record.served_by == "canary"
        answer = record.candidate if canary else record.primary
        if answer is None or answer.failed:  # a failure is the business of the guard of errors
            return
        if self._threshold_ms:
            slow = answer.latency_ms > self._threshold_ms
            if canary:
                self._n += 1
                self._slow += slow
            self._compare(record.served_by, slow)
        if not canary:
            self._learn(answer.latency_ms)

    def finding(self) -> Finding:
        """Alarm when the candidate is slow more often than the primary, or than allowed at full weight."""
        detail = f"{self._slow} of {self._n} answers above {self._threshold_ms:.3g} ms"
        tests: list[EProcess] = [self._relative, self._absolute]
        worse = max(tests, key=lambda test: test.max_log_e)
        # Two tests share the level.
        return alarm(self.name, worse, n=self._n, alpha=self._limits.alpha / 2, detail=detail)

    def state(self) -> dict[str, Any]:
        """Return counts and threshold; the recent latencies are gathered anew."""
        return {
            "relative": self._relative.state(),
            "absolute": self._absolute.state(),
            "threshold_ms": self._threshold_ms,
            "slow": self._slow,
            "n": self._n,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take counts and threshold back."""
        self._relative.restore(state["relative"])
        self._absolute.restore(state["absolute"])
        self._threshold_ms, self._slow, self._n = state["threshold_ms"], state["slow"], state["n"]

    def _compare(self, arm: str, slow: bool) -> None:
        """Close a block as soon as it holds both arms; a long row of canaries has nothing to compare with."""
        self._open[arm].append(slow)
        if all(self._open.values()):
            self._relative.current.update(self._open["canary"], self._open["primary"])
            self._relative.counted()
            self._open = {"primary": [], "canary": []}
        elif len(self._open[arm]) > _ALONE:
            oldest = self._open[arm].pop(0)
            if arm == "canary":
                self._absolute.current.update(int(oldest), 1)
                self._absolute.counted()

    def _learn(self, latency_ms: float) -> None:
        self._primary_ms.append(latency_ms)
        self._stale += 1
        if len(self._primary_ms) >= _MIN_BASELINE and self._stale >= _MIN_BASELINE:
            p99 = float(np.quantile(np.fromiter(self._primary_ms, np.float64), 0.99))
            limits = self._limits
            self._threshold_ms = max(limits.latency_ratio * p99, p99 + limits.latency_slack_ms)
            self._stale = 0


class ConstantGuard:
    """Finds a candidate that gives one answer to everything, which no error rate shows.

    A rule, not a test: over the last so many pairs the candidate gave one value while the primary gave
    several to the same requests, none of them nine times out of ten.
    """

    name = "constant"

    def __init__(self, pairs: int) -> None:
        self._pairs: deque[tuple[object, object]] = deque(maxlen=pairs)
        self._alarmed = False

    def observe(self, record: Record) -> None:
        """Keep the two answers of a pair on which both were given."""
        primary, candidate = record.primary, record.candidate
        if primary is None or candidate is None or primary.failed or candidate.failed:
            return
        self._pairs.append((_hashable(primary.value), _hashable(candidate.value)))
        if len(self._pairs) == self._pairs.maxlen and len({c for _, c in self._pairs}) == 1:
            values = [p for p, _ in self._pairs]
            self._alarmed |= max(map(values.count, set(values))) < 0.9 * len(values)

    def finding(self) -> Finding:
        """Alarm once the rule has been met; quiet on few pairs, for other findings ask for those."""
        n = len(self._pairs)
        if self._alarmed:
            return Finding(
                name=self.name,
                verdict=Verdict.ABORT,
                detail=f"one answer to {n} requests on which the primary's vary",
                n=n,
            )
        verdict = Verdict.PROMOTE if n else Verdict.INCONCLUSIVE
        return Finding(name=self.name, verdict=verdict, detail="answers vary" if n else "no data", n=n)

    def state(self) -> dict[str, Any]:
        """Return whether the alarm was raised; the recent answers are gathered anew."""
        return {"alarmed": self._alarmed}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the alarm back."""
        self._alarmed = state["alarmed"]


def build_guards(limits: GuardLimits) -> list[Guard]:
    """Return the guards that the limits ask for."""
    guards: list[Guard] = [
        RateGuard("errors", limit=limits.error_rate, alpha=limits.alpha),
        RateGuard("nonfinite", limit=limits.nonfinite_rate, alpha=limits.alpha),
        LatencyGuard(limits),
    ]
    if limits.constant_pairs:
        guards.append(ConstantGuard(limits.constant_pairs))
    return guards


def _hashable(value: object) -> object:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
