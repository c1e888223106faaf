"""What a test may say. There are three words, and silence is never a yes."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from burnish.rollout.evidence import EProcess


class Verdict(StrEnum):
    """The outcome of one look at the evidence."""

    PROMOTE = "promote"
    ABORT = "abort"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one test or guard says now."""

    name: str
    verdict: Verdict
    detail: str
    n: int = 0
    """Observations that it rests on."""
    e: float = 1.0
    """Evidence now: for promotion in the criterion, of harm in a guard."""
    p: float = 1.0
    """Anytime p-value: one over the largest evidence so far."""
    threshold: float = 0.0
    """Evidence at which the test decides; 0 for a rule that is not a test."""


def combine(findings: Iterable[Finding]) -> Verdict:
    """Return the verdict of all findings together.

    One alarm aborts; a promotion needs every one to agree, so a finding without data holds it back, and no
    finding at all is inconclusive.
    """
    verdicts = {finding.verdict for finding in findings}
    if Verdict.ABORT in verdicts:
        return Verdict.ABORT
    return Verdict.PROMOTE if verdicts == {Verdict.PROMOTE} else Verdict.INCONCLUSIVE


def alarm(name: str, test: EProcess, *, n: int, alpha: float, detail: str) -> Finding:
    """Return the finding of a guard: an alarm, quiet, or no data."""
    quiet = Verdict.PROMOTE if n else Verdict.INCONCLUSIVE
    return Finding(
        name=name,
        verdict=Verdict.ABORT if test.rejects(alpha) else quiet,
        detail=detail if n else "no data",
        n=n,
        e=test.e,
        p=test.p,
        threshold=1 / alpha,
    )
