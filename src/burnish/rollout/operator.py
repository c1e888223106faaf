"""What a person may do to a rollout at any moment: stop it, or undo it.

Both move the traffic first and ask the database afterwards. They need no consent of a running controller:
they outbid its fencing token, so that neither routers nor database listen to it any more.
"""

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from burnish.errors import CapacityError
from burnish.logs import get_logger
from burnish.registry import Registry
from burnish.rollout.alias import RegistryAlias
from burnish.rollout.history import History, Phase, RolloutState
from burnish.rollout.leadership import take_leadership
from burnish.rollout.ports import Server
from burnish.rollout.traffic import TrafficPolicy

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What stopping or undoing a rollout did."""

    state: RolloutState
    changed: bool
    """False when there was nothing to do."""
    to_zero_ms: float
    """From the request until the server confirmed that the candidate gets no traffic."""


def abort(model: str, *, registry: Registry, server: Server, reason: str = "aborted by hand") -> Stopped:
    """Stop a running rollout: the primary serves everything. When none is running, nothing happens.

    Raises:
        NotFoundError: The model never had a rollout, or is not served.
        CapacityError: The traffic is at the primary, but the database did not take the record.
    """
    return _stop(model, Phase.RUNNING, registry, server, reason)


def rollback(
    model: str, *, registry: Registry, server: Server, reason: str = "rolled back by hand"
) -> Stopped:
    """Bring back the primary from before the last rollout, whether that is running or was promoted.

    The old version is still loaded unless an operator unloaded it, so that this is a switch and not a load.

    Raises:
        NotFoundError: The model never had a rollout, or is not served.
        ConflictError: The registry's alias was moved by somebody else meanwhile.
        CapacityError: The traffic is at the old primary, but the database did not take the record.
    """
    state = History(registry.engine).latest(model)
    if state.phase is Phase.PROMOTED:
        return _stop(model, Phase.PROMOTED, registry, server, reason)
    return abort(model, registry=registry, server=server, reason=reason)


def _stop(model: str, before: Phase, registry: Registry, server: Server, reason: str) -> Stopped:
    history = History(registry.engine)
    state = history.latest(model)
    asked = time.monotonic()
    fence = _send_home(state, before, server)
    to_zero_ms = 1000 * (time.monotonic() - asked)
    if state.phase is not before:
        return Stopped(state=state, changed=False, to_zero_ms=to_zero_ms)
    try:
        leader = take_leadership(
            registry.engine, model, holder="operator", lease_s=state.plan.lease_s, above=fence, force=True
        )
        alias = RegistryAlias(registry, model)
        if alias.version() == state.candidate:
            alias.move(state.primary)
        # Read again: the controller may have stored a step, or a promotion, before it lost its token.
        now = history.get(state.id)
        after = Phase.ROLLED_BACK if now.phase is Phase.PROMOTED else Phase.ABORTED
        ended = dataclasses.replace(now, phase=after, reason=reason)
        facts = {"reason": reason, "alarm_to_zero_ms": round(to_zero_ms, 3)}
        ended = history.save(leader, ended, event=(after.value, facts))
        leader.release()
    except sa.exc.OperationalError as error:
        raise CapacityError(
            f"{model!r} is served by version {state.primary!r} alone, but this could not be stored: {error}",
            hint="run the same command again when the database is back",
        ) from error
    log.info(after.value, model=model, version=state.candidate, reason=reason)
    return Stopped(state=ended, changed=True, to_zero_ms=to_zero_ms)


def _send_home(state: RolloutState, before: Phase, server: Server) -> int:
    """Give all traffic to the old primary, unless it has it; return the fencing token in force."""
    live = server.traffic(state.model)
    fence = int(live["fence"])
    if state.phase is not before or _is_home(live, state):
        return fence
    policy = TrafficPolicy(primary=state.primary, rollout=state.id, halted=True, fence=fence + 1)
    server.set_traffic(state.model, policy.to_dict())
    return fence + 1


def _is_home(live: dict[str, Any], state: RolloutState) -> bool:
    return bool(live["primary"] == state.primary and live["halted"] and live["weight"] == 0)
