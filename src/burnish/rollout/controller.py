"""The controller: it reads what the servers saw, weighs it, and moves the traffic one step at a time.

The order of writes is what makes it safe to kill at any point:

- A weight rises only after the step is stored. A crash in between leaves too little traffic, never too much.
- A weight falls *before* anything is stored: a rollback waits for no database. The policy that brings it down
  is marked as halted, so that a restarted controller completes the abort instead of going on.
- Promotion moves the registry's alias first, for a server that restarts follows the alias.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from burnish.errors import CapacityError, ConflictError, NotFoundError
from burnish.logs import get_logger
from burnish.rollout.criterion import Counts
from burnish.rollout.feed import Feed
from burnish.rollout.history import History, Phase, RolloutState
from burnish.rollout.intake import Intake
from burnish.rollout.leadership import Leadership
from burnish.rollout.ports import PrimaryAlias, Server
from burnish.rollout.traffic import TrafficPolicy
from burnish.rollout.verdict import Finding, Verdict, combine

log = get_logger(__name__)

_BEAT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one look showed."""

    state: RolloutState
    verdict: Verdict
    findings: tuple[Finding, ...]
    pairs: Counts
    """Labelled pairs, each user's first."""
    interval: tuple[float, float]
    """Anytime 95% interval of the difference in accuracy, in points."""
    classical_p: float
    """p-value of the fixed-sample test, for comparison only."""
    step_requests: int
    """Requests that the candidate served at this step."""
    observed: int
    """Requests seen since the controller started."""
    dropped: int
    """Mirrored requests that the server dropped for lack of room."""
    missed: int
    """Observations that the server forgot before they were read."""
    elapsed_s: float


class Controller:
    """Carries out one rollout; made by `burnish.rollout.launch`.

    Args:
        state: The rollout as stored.
        source: Where a server finds the candidate, to load it again after a restart.
        leader: The right to move the traffic.
        history: Where the rollout is stored.
        server: Whose traffic is moved.
        alias: What a promotion moves in the registry.
        clock: Monotonic clock.
        sleep: Waits between two looks.
    """

    def __init__(
        self,
        state: RolloutState,
        *,
        source: str,
        leader: Leadership,
        history: History,
        server: Server,
        alias: PrimaryAlias,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.state = state
        self._source = source
        self._leader = leader
        self._history = history
        self._server = server
        self._alias = alias
        self._clock = clock
        self._sleep = sleep
        self._intake = Intake(state, history.pairs(state.id))
        self._feed = Feed(server, state)
        if not state.epoch:
            self._feed.skip()  # earlier pairs are no evidence: they may be why this candidate was chosen
        self._began = self._step_began = clock()
        self._step_from = 0
        self._applied = self._stored = -float("inf")

    def run(self, on_look: Callable[[Snapshot], None] | None = None) -> RolloutState:
        """Look again and again until the rollout has ended, and return how.

        A server or a database that cannot be reached is waited for: no weight rises meanwhile, and routers
        drop the weight when its lease ends. When interrupted, the weight is set to 0 and the rollout stays
        resumable.

        Raises:
            ConflictError: Another controller or an operator has taken over.
        """
        try:
            while self.state.phase is Phase.RUNNING:
                self._look_patiently(on_look)
                if self.state.phase is Phase.RUNNING:
                    self._sleep(self.state.plan.poll_ms / 1000)
        except ConflictError:
            ended = self._ended_by_others()
            if ended is None:
                raise
            self.state = ended
        except (KeyboardInterrupt, SystemExit):
            with contextlib.suppress(CapacityError, ConflictError):
                self._apply(self._policy(weight=0.0))
            raise
        finally:
            with contextlib.suppress(sa.exc.OperationalError):
                self._leader.release()
        return self.state

    def look(self) -> Snapshot:
        """Take in what is new, and abort, step on, promote, end or wait."""
        self._keep_lease()
        if self._feed.read(self._intake):
            self._applied = -float("inf")  # a restarted server serves the primary alone until it is told
        findings = self._intake.findings(served=self.state.step > 0)
        verdict = combine(findings)
        if verdict is Verdict.ABORT:
            self._abort(findings)
        elif verdict is Verdict.PROMOTE and self._is_step_served():
            self._step_on(findings)
        else:
            self._wait(findings)
        return self._snapshot(verdict, findings)

    def complete_abort(self) -> None:
        """Store the abort that an earlier life of the controller began: its policy is in force already."""
        self._finish(Phase.ABORTED, "an earlier controller had set the weight to 0", {})

    def complete_promotion(self) -> None:
        """Complete the promotion that an earlier life of the controller began: the alias has moved already."""
        self._promote(())

    # --- looking ---------------------------------------------------------------------------------------

    def _look_patiently(self, on_look: Callable[[Snapshot], None] | None) -> None:
        try:
            snapshot = self.look()
        except (CapacityError, sa.exc.OperationalError) as error:
            log.warning("waiting", model=self.state.model, error=str(error))
            return
        if on_look is not None:
            on_look(snapshot)

    def _ended_by_others(self) -> RolloutState | None:
        """Return how an operator ended the rollout, or None when another controller goes on with it."""
        for _ in range(10):  # an operator moves the traffic first and stores the end a moment later
            state = self._history.get(self.state.id)
            if state.phase is not Phase.RUNNING:
                return state
            self._sleep(0.1)
        return None

    def _wait(self, findings: Sequence[Finding]) -> None:
        plan = self.state.plan
        if plan.max_pairs and self._intake.evidence.first.n >= plan.max_pairs:
            self._give_up(f"undecided after {plan.max_pairs} labelled pairs", findings)
        elif plan.timeout_s and self._clock() - self._began >= plan.timeout_s:
            self._give_up(f"undecided after {plan.timeout_s:g} s", findings)
        elif self._feed.has_moved or self._intake.unsaved or self._clock() - self._stored >= _BEAT_S:
            self._store()

    def _is_step_served(self) -> bool:
        plan, step = self.state.plan, self.state.step
        if step == 0:
            return True
        if self._step_requests < plan.min_requests:
            return False
        return step < len(plan.steps) or self._clock() - self._step_began >= plan.soak_s

    @property
    def _step_requests(self) -> int:
        return self._intake.canary_requests - self._step_from

    # --- moving traffic --------------------------------------------------------------------------------

    def _keep_lease(self) -> None:
        if self._clock() - self._applied >= self.state.plan.lease_s / 3:
            self._apply(self._policy())

    def _apply(self, policy: TrafficPolicy) -> None:
        model = self.state.model
        try:
            self._server.set_traffic(model, policy.to_dict())
        except NotFoundError:  # a server that was restarted knows nothing of the candidate
            self._server.load(model, self.state.candidate, self._source)
            self._server.set_traffic(model, policy.to_dict())
        self._applied = self._clock()

    def _policy(self, **changes: Any) -> TrafficPolicy:
        state = self.state
        policy = TrafficPolicy(
            primary=state.primary,
            canary=state.candidate,
            weight=state.weight_percent / 100,
            lease_s=state.plan.lease_s,
            shadow=state.candidate,
            shadow_share=state.plan.shadow_share,
            rollout=state.id,
            fence=self._leader.token,
        )
        return dataclasses.replace(policy, **changes)

    def _step_on(self, findings: Sequence[Finding]) -> None:
        if self.state.step == len(self.state.plan.steps):
            self._promote(findings)
            return
        # The state rises only with the stored one: a failing database leaves the weight where it is.
        risen = dataclasses.replace(self.state, step=self.state.step + 1)
        facts = {"weight_percent": risen.weight_percent} | self._facts(findings)
        self._store(state=risen, event=("step", facts))
        self._apply(self._policy())
        self._step_began, self._step_from = self._clock(), self._intake.canary_requests
        log.info("step", model=self.state.model, weight_percent=self.state.weight_percent)

    def _promote(self, findings: Sequence[Finding]) -> None:
        state = self.state
        try:
            self._alias.move(state.candidate)
        except ConflictError as error:
            self._drop_weight()
            self._finish(Phase.ABORTED, f"not promoted: {error.message}", self._facts(findings))
            return
        self._apply(TrafficPolicy(primary=state.candidate, rollout=state.id, fence=self._leader.token))
        self._finish(Phase.PROMOTED, "every step passed", self._facts(findings))

    def _abort(self, findings: Sequence[Finding]) -> None:
        alarm = self._clock()
        zero = self._drop_weight()
        reason = "; ".join(f"{f.name}: {f.detail}" for f in findings if f.verdict is Verdict.ABORT)
        timing = {"alarm_s": alarm, "zero_s": zero, "alarm_to_zero_ms": round(1000 * (zero - alarm), 3)}
        self._finish(Phase.ABORTED, reason, timing | self._facts(findings))

    def _give_up(self, reason: str, findings: Sequence[Finding]) -> None:
        self._drop_weight()
        self._finish(Phase.INCONCLUSIVE, reason, self._facts(findings))

    def _drop_weight(self) -> float:
        """Bring the candidate to 0% and return when the server has confirmed it."""
        policy = TrafficPolicy(
            primary=self.state.primary, rollout=self.state.id, halted=True, fence=self._leader.token
        )
        deadline = self._clock() + self.state.plan.lease_s
        while True:
            try:
                self._server.set_traffic(self.state.model, policy.to_dict())
                if self._server.traffic(self.state.model)["weight"] == 0:
                    return self._clock()
            except CapacityError as error:
                if self._clock() >= deadline:  # the routers' lease has ended: they are at 0% by themselves
                    log.error("weight dropped by its lease", model=self.state.model, error=str(error))
                    return self._clock()
            self._sleep(0.02)

    # --- storing ---------------------------------------------------------------------------------------

    def _store(
        self, *, state: RolloutState | None = None, event: tuple[str, Mapping[str, Any]] | None = None
    ) -> None:
        progress = dataclasses.replace(
            state or self.state,
            epoch=self._feed.epoch,
            cursor=self._feed.cursor,
            guards=self._intake.guard_states(),
        )
        self.state = self._history.save(self._leader, progress, new_pairs=self._intake.unsaved, event=event)
        self._intake.saved()
        self._feed.saved()
        self._stored = self._clock()

    def _finish(self, phase: Phase, reason: str, facts: Mapping[str, Any]) -> None:
        ended = dataclasses.replace(self.state, phase=phase, reason=reason)
        while True:
            try:
                self._store(state=ended, event=(phase.value, {"reason": reason} | dict(facts)))
                break
            except sa.exc.OperationalError as error:  # the traffic is where it belongs; only the record waits
                log.warning("waiting for the database", model=ended.model, error=str(error))
                self._sleep(_BEAT_S)
        log.info(phase.value, model=ended.model, version=ended.candidate, reason=reason)

    def _facts(self, findings: Sequence[Finding]) -> dict[str, Any]:
        pairs = self._intake.evidence.first
        low, high = self._intake.evidence.interval()
        return {
            "requests": self._intake.observed,
            "step_requests": self._step_requests,
            "elapsed_s": round(self._clock() - self._began, 3),
            "pairs": {"wins": pairs.wins, "losses": pairs.losses, "ties": pairs.ties},
            "difference_points": [round(low, 3), round(high, 3)],
            "findings": [_finding_facts(finding) for finding in findings],
        }

    def _snapshot(self, verdict: Verdict, findings: Sequence[Finding]) -> Snapshot:
        evidence = self._intake.evidence
        return Snapshot(
            state=self.state,
            verdict=verdict,
            findings=tuple(findings),
            pairs=dataclasses.replace(evidence.first),
            interval=evidence.interval(),
            classical_p=evidence.classical_p(),
            step_requests=self._step_requests,
            observed=self._intake.observed,
            dropped=self._feed.dropped,
            missed=self._feed.missed,
            elapsed_s=self._clock() - self._began,
        )


def _finding_facts(finding: Finding) -> dict[str, Any]:
    facts = dataclasses.asdict(finding)
    # JSON has no infinity.
    return facts | {"verdict": finding.verdict.value, "e": min(finding.e, 1e300)}
