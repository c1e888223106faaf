"""Rollouts as the database remembers them: where each stands, what happened, and every pair that counted."""

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast

import sqlalchemy as sa

from burnish.config import from_mapping
from burnish.errors import ConflictError, NotFoundError
from burnish.rollout.leadership import Leadership
from burnish.rollout.plan import RolloutPlan
from burnish.rollout.records import Outcome
from burnish.rollout.schema import events, metadata, pairs, rollouts


class Phase(StrEnum):
    """Where a rollout stands. All but the first are final, save that a promotion may be rolled back."""

    RUNNING = "running"
    PROMOTED = "promoted"
    ABORTED = "aborted"
    INCONCLUSIVE = "inconclusive"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutState:
    """One rollout, as stored."""

    id: str
    model: str
    primary: str
    candidate: str
    candidate_index: int
    """How many candidates have been tried against this primary, this one included; alpha is spent by it."""
    plan: RolloutPlan
    phase: Phase = Phase.RUNNING
    step: int = 0
    """0 is the shadow stage, k the k-th weight of the plan."""
    epoch: str = ""
    """Life of the server that the cursor belongs to."""
    cursor: int = 0
    """Last observation that has been taken in."""
    guards: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    """Why it ended."""
    created: str = ""
    updated: str = ""

    @property
    def weight_percent(self) -> int:
        """Percent of the traffic that the candidate should answer at this step."""
        return self.plan.steps[self.step - 1] if self.step and self.phase is Phase.RUNNING else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutEvent:
    """One line of the timeline."""

    at: str
    """Wall time in UTC, for people; no decision is taken by it."""
    kind: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """One labelled pair, as counted."""

    prediction_id: str
    user: str
    outcome: Outcome


class History:
    """Reads and writes the tables of rollouts.

    Every write of a running controller goes through a transaction that first confirms its leadership.

    Args:
        engine: The registry's engine; the tables are made when missing.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        metadata.create_all(engine)

    def begin(
        self, leader: Leadership, *, primary: str, candidate: str, plan: RolloutPlan
    ) -> tuple[RolloutState, bool]:
        """Start a rollout, or find the running one of the same candidate.

        Returns:
            The rollout, and whether it was running already.

        Raises:
            ConflictError: Another candidate is being rolled out, or the running one has another plan.
        """
        with self.engine.begin() as connection:
            leader.confirm(connection)
            running = _latest(connection, leader.model, running=True)
            if running is not None:
                _check_same(running, candidate, plan)
                return running, True
            tried = connection.execute(
                sa.select(sa.func.count()).where(
                    rollouts.c.model == leader.model, rollouts.c.primary_version == primary
                )
            ).scalar_one()
            state = RolloutState(
                id=uuid.uuid4().hex,
                model=leader.model,
                primary=primary,
                candidate=candidate,
                candidate_index=tried + 1,
                plan=plan,
                created=_now(),
                updated=_now(),
            )
            connection.execute(rollouts.insert().values(_row(state)))
            _add_event(connection, state.id, "started", {"primary": primary, "candidate": candidate})
        return state, False

    def save(
        self,
        leader: Leadership,
        state: RolloutState,
        *,
        new_pairs: Sequence[Pair] = (),
        event: tuple[str, Mapping[str, Any]] | None = None,
    ) -> RolloutState:
        """Store where a rollout stands, the pairs that brought it there and one event, all or nothing.

        Raises:
            ConflictError: The leadership is lost, or a pair has been counted before.
        """
        state = dataclasses.replace(state, updated=_now())
        with self.engine.begin() as connection:
            leader.confirm(connection)
            connection.execute(rollouts.update().where(rollouts.c.id == state.id).values(_row(state)))
            if new_pairs:
                rows = [dataclasses.asdict(pair) | {"rollout_id": state.id} for pair in new_pairs]
                connection.execute(pairs.insert(), rows)
            if event is not None:
                _add_event(connection, state.id, *event)
        return state

    def pairs(self, rollout_id: str) -> list[Pair]:
        """Return every pair that counted, in the order in which they did."""
        query = sa.select(pairs).where(pairs.c.rollout_id == rollout_id).order_by(pairs.c.position)
        with self.engine.connect() as connection:
            return [
                Pair(row.prediction_id, row.user, cast("Outcome", row.outcome))
                for row in connection.execute(query)
            ]

    def get(self, rollout_id: str) -> RolloutState:
        """Return one rollout.

        Raises:
            NotFoundError: There is none by this identity.
        """
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(rollouts).where(rollouts.c.id == rollout_id)).first()
        if row is None:
            raise NotFoundError(f"no rollout {rollout_id!r}")
        return _state(row)

    def latest(self, model: str) -> RolloutState:
        """Return a model's running rollout, or else its last one.

        Raises:
            NotFoundError: The model never had one.
        """
        with self.engine.connect() as connection:
            state = _latest(connection, model)
        if state is None:
            raise NotFoundError(
                f"model {model!r} has no rollout", hint=f"burnish rollout start {model} --candidate VERSION"
            )
        return state

    def rollouts(self, model: str) -> list[RolloutState]:
        """Return a model's rollouts, the newest first."""
        query = _ordered(sa.select(rollouts).where(rollouts.c.model == model))
        with self.engine.connect() as connection:
            return [_state(row) for row in connection.execute(query)]

    def events(self, rollout_id: str) -> list[RolloutEvent]:
        """Return the timeline of a rollout, the oldest first."""
        query = sa.select(events).where(events.c.rollout_id == rollout_id).order_by(events.c.id)
        with self.engine.connect() as connection:
            return [
                RolloutEvent(at=row.at, kind=row.kind, facts=row.facts) for row in connection.execute(query)
            ]


def _latest(connection: sa.Connection, model: str, *, running: bool = False) -> RolloutState | None:
    query = sa.select(rollouts).where(rollouts.c.model == model)
    if running:
        query = query.where(rollouts.c.phase == Phase.RUNNING.value)
    row = connection.execute(_ordered(query).limit(1)).first()
    return None if row is None else _state(row)


def _ordered(query: sa.Select[Any]) -> sa.Select[Any]:
    # By the order of their first events, for wall clocks may jump.
    first = sa.select(sa.func.min(events.c.id)).where(events.c.rollout_id == rollouts.c.id).scalar_subquery()
    return query.order_by(first.desc())


def _check_same(running: RolloutState, candidate: str, plan: RolloutPlan) -> None:
    stop = f"burnish rollout abort {running.model}"
    if running.candidate != candidate:
        raise ConflictError(
            f"version {running.candidate!r} of {running.model!r} is being rolled out", hint=f"{stop} first"
        )
    if running.plan != plan:
        raise ConflictError(
            f"the rollout of {running.model!r} version {candidate!r} is running with another plan",
            hint=f"resume it with the same plan, or {stop} first: a test keeps its rules while it runs",
        )


def _row(state: RolloutState) -> dict[str, Any]:
    return {
        "id": state.id,
        "model": state.model,
        "primary_version": state.primary,
        "candidate_version": state.candidate,
        "candidate_index": state.candidate_index,
        "plan": dataclasses.asdict(state.plan),
        "phase": state.phase.value,
        "step": state.step,
        "epoch": state.epoch,
        "cursor": state.cursor,
        "guards": dict(state.guards),
        "reason": state.reason,
        "created": state.created,
        "updated": state.updated,
    }


def _state(row: sa.Row[Any]) -> RolloutState:
    return RolloutState(
        id=row.id,
        model=row.model,
        primary=row.primary_version,
        candidate=row.candidate_version,
        candidate_index=row.candidate_index,
        plan=from_mapping(RolloutPlan, row.plan, source=f"plan of rollout {row.id}"),
        phase=Phase(row.phase),
        step=row.step,
        epoch=row.epoch,
        cursor=row.cursor,
        guards=row.guards,
        reason=row.reason,
        created=row.created,
        updated=row.updated,
    )


def _add_event(connection: sa.Connection, rollout_id: str, kind: str, facts: Mapping[str, Any]) -> None:
    connection.execute(events.insert().values(rollout_id=rollout_id, at=_now(), kind=kind, facts=dict(facts)))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
