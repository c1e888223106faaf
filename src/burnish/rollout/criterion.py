"""The evidence that promotes: labelled pairs of answers to the same requests."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from burnish.rollout.evidence import MarginTest, PairedTest, RestartingTest, difference_interval
from burnish.rollout.evidence.classical import margin_p, mcnemar_p
from burnish.rollout.plan import RolloutPlan
from burnish.rollout.records import Outcome
from burnish.rollout.verdict import Finding, Verdict

HARM_WINDOW = 200


@dataclass(slots=True)
class Counts:
    """Pairs by who was right."""

    wins: int = 0
    losses: int = 0
    ties: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one pair."""
        if outcome > 0:
            self.wins += 1
        elif outcome < 0:
            self.losses += 1
        else:
            self.ties += 1

    @property
    def n(self) -> int:
        """All pairs."""
        return self.wins + self.losses + self.ties


class PairEvidence:
    """Benefit and harm of a candidate, from the outcomes of labelled pairs in the order of their arrival.

    *Benefit* needs independent pairs, and a user who asks again is not: ``superior`` counts a user's first
    discordant pair, ``noninferior`` a user's first pair of any kind (to count every tie but only the first
    loss would hide losses). *Harm* counts every pair, for there a mistake only stops a rollout, and a fault
    that hits known users must be seen.

    Args:
        plan: Criterion, margin and levels.
        alpha: Level of the promotion, after spending over candidates.
    """

    def __init__(self, plan: RolloutPlan, *, alpha: float) -> None:
        self._plan = plan
        self._alpha = alpha
        margin = plan.margin / 100
        superior = plan.criterion == "superior"
        self._benefit: PairedTest | MarginTest = PairedTest() if superior else MarginTest(margin=margin)
        self._harm: RestartingTest[PairedTest] | RestartingTest[MarginTest] = (
            RestartingTest(fresh=PairedTest(), window=HARM_WINDOW)
            if superior
            else RestartingTest(fresh=MarginTest(margin=-margin), window=HARM_WINDOW)
        )
        self._users: set[str] = set()
        self._discordant_users: set[str] = set()
        self.pairs = Counts()
        """Every labelled pair."""
        self.first = Counts()
        """Each user's first pair."""
        self.discordant = Counts()
        """Each user's first discordant pair."""

    def add(self, user: str, outcome: Outcome) -> None:
        """Count one labelled pair; an empty user is a user of its own."""
        self.pairs.add(outcome)
        if _is_first(user, self._users):
            self.first.add(outcome)
            if isinstance(self._benefit, MarginTest):
                self._benefit.update(int(outcome > 0), int(outcome < 0), int(outcome == 0))
        if outcome and _is_first(user, self._discordant_users):
            self.discordant.add(outcome)
            if isinstance(self._benefit, PairedTest):
                self._benefit.update(int(outcome > 0), int(outcome < 0))
        self._add_harm(outcome)

    def replay(self, outcomes: Iterable[tuple[str, Outcome]]) -> None:
        """Count pairs of an earlier life of the controller, in the order in which they were recorded."""
        for user, outcome in outcomes:
            self.add(user, outcome)

    @property
    def log_e(self) -> float:
        """Natural logarithm of the evidence for promotion."""
        return self._benefit.log_e

    @property
    def p(self) -> float:
        """Anytime p-value of the promotion."""
        return self._benefit.p

    def interval(self) -> tuple[float, float]:
        """Return the anytime 95% interval of accuracy(candidate) - accuracy(primary), in points."""
        low, high = difference_interval(self.first.wins, self.first.losses, self.first.ties, alpha=0.05)
        return 100 * low, 100 * high

    def classical_p(self) -> float:
        """Return the p-value of the fixed-sample test, for comparison only."""
        if self._plan.criterion == "superior":
            return mcnemar_p(self.discordant.wins, self.discordant.losses)
        first = self.first
        return margin_p(first.wins, first.losses, first.ties, margin=self._plan.margin / 100)

    def findings(self) -> list[Finding]:
        """Return what the two tests say now."""
        return [self._benefit_finding(), self._harm_finding()]

    def _add_harm(self, outcome: Outcome) -> None:
        current = self._harm.current
        win, loss = int(outcome > 0), int(outcome < 0)
        if isinstance(current, MarginTest):
            current.update(loss, win, int(outcome == 0))
        elif outcome:
            current.update(loss, win)
        else:
            return
        self._harm.counted()

    def _benefit_finding(self) -> Finding:
        superior = self._plan.criterion == "superior"
        counted = self.discordant if superior else self.first
        if self.first.n < self._plan.min_pairs:
            verdict, detail = Verdict.INCONCLUSIVE, f"{self.first.n} of {self._plan.min_pairs} pairs"
        else:
            verdict = Verdict.PROMOTE if self._benefit.rejects(self._alpha) else Verdict.INCONCLUSIVE
            detail = f"{counted.wins} wins, {counted.losses} losses, {self.first.n} pairs"
        return Finding(
            name=self._plan.criterion,
            verdict=verdict if self.pairs.n else Verdict.INCONCLUSIVE,
            detail=detail if self.pairs.n else "no labelled pairs",
            n=counted.n,
            e=self._benefit.e,
            p=self._benefit.p,
            threshold=1 / self._alpha,
        )

    def _harm_finding(self) -> Finding:
        alpha = self._plan.alpha_abort
        quiet = Verdict.PROMOTE if self.pairs.n else Verdict.INCONCLUSIVE
        return Finding(
            name="harm",
            verdict=Verdict.ABORT if self._harm.rejects(alpha) else quiet,
            detail=f"{self.pairs.losses} losses, {self.pairs.wins} wins"
            if self.pairs.n
            else "no labelled pairs",
            n=self.pairs.n,
            e=self._harm.e,
            p=self._harm.p,
            threshold=1 / alpha,
        )


def spent_alpha(alpha: float, candidate: int) -> float:
    """Return the level for the k-th candidate against one primary, so that all together spend ``alpha``.

    >>> round(spent_alpha(0.01, 1), 5), round(spent_alpha(0.01, 2), 5)
    (0.00608, 0.00152)
    """
    return 6 * alpha / (math.pi**2 * candidate**2)


def _is_first(user: str, known: set[str]) -> bool:
    if not user:
        return True
    if user in known:
        return False
    known.add(user)
    return True
