"""Everything that the requests seen so far say about a candidate."""

from collections.abc import Sequence
from typing import Any

from burnish.rollout.criterion import PairEvidence, spent_alpha
from burnish.rollout.guards import Guard, build_guards
from burnish.rollout.history import Pair, RolloutState
from burnish.rollout.records import Record
from burnish.rollout.verdict import Finding

# These guards see served requests only: in the shadow stage they have nothing to say and are not asked.
_SERVED_ONLY = frozenset({"latency"})


class Intake:
    """Counts each request once for the guards and each labelled pair once for the evidence.

    Args:
        state: The rollout; its guards go on from what is stored there.
        journal: The pairs that have been counted before, in order: the evidence is computed again from them.
    """

    def __init__(self, state: RolloutState, journal: Sequence[Pair]) -> None:
        self.evidence = PairEvidence(state.plan, alpha=spent_alpha(state.plan.alpha, state.candidate_index))
        self.evidence.replay((pair.user, pair.outcome) for pair in journal)
        self._counted = {pair.prediction_id for pair in journal}
        self._guards: list[Guard] = build_guards(state.plan.guards)
        for guard in self._guards:
            if guard.name in state.guards:
                guard.restore(state.guards[guard.name])
        self._unsaved: list[Pair] = []
        self.observed = 0
        self.canary_requests = 0

    def observe(self, record: Record) -> None:
        """Take in a request that has not been seen before, labelled or not."""
        self.observed += 1
        self.canary_requests += record.served_by == "canary"
        for guard in self._guards:
            guard.observe(record)
        self.count(record)

    def count(self, record: Record) -> None:
        """Count a request as evidence if it is a labelled pair that has not counted yet."""
        outcome = record.outcome
        if outcome is None or record.id in self._counted:
            return
        self._counted.add(record.id)
        self.evidence.add(record.user, outcome)
        self._unsaved.append(Pair(record.id, record.user, outcome))

    def findings(self, *, served: bool) -> tuple[Finding, ...]:
        """Return what criterion and guards say.

        Args:
            served: Whether the candidate answers traffic, beyond mirrored requests.
        """
        watching = (guard for guard in self._guards if served or guard.name not in _SERVED_ONLY)
        return (*self.evidence.findings(), *(guard.finding() for guard in watching))

    def guard_states(self) -> dict[str, Any]:
        """Return what the guards need to go on, as JSON data."""
        return {guard.name: guard.state() for guard in self._guards}

    @property
    def unsaved(self) -> Sequence[Pair]:
        """Pairs that have been counted and not yet stored."""
        return self._unsaved

    def saved(self) -> None:
        """Note that the counted pairs are stored."""
        self._unsaved = []
