"""Start or resume a rollout, after checking all that can be checked before any traffic moves."""

import os
import socket
from typing import Any

from burnish.errors import ConflictError, NotFoundError, ShapeError
from burnish.logs import get_logger
from burnish.registry import Registry

from burnish.rollout.controller import Controller
from burnish.rollout.history import History, RolloutState
from burnish.rollout.leadership import Leadership, take_leadership
from burnish.rollout.plan import RolloutPlan
from burnish.rollout.ports import Server

log = get_logger(__name__)


def launch(
    model: str,
    *,
    candidate: str,
    registry: Registry,
    server: Server,
    plan: RolloutPlan,
) -> Controller:
    """Make the controller of a new rollout, or of the running one of the same candidate.

    When this returns, the candidate is loaded, warm and checked on the server, and no traffic has moved.

    Args:
        model: Name of the model, in the registry and on the server.
        candidate: Version in the registry.
        registry: Holds the versions, and the rollout's state.
        server: Serves the primary.
        plan: What the candidate must show.

    Raises:
        NotFoundError: The version is not in the registry, or the server does not serve the model.
        ConflictError: The candidate is the primary already, or another rollout or controller is at work.
        ShapeError: The candidate takes or gives other tensors than the primary.
    """
    policy = server.traffic(model)
    history = History(registry.engine)
    primary = _stored_primary(history, model, candidate) or str(policy["primary"])
    _check_candidate(registry, model, primary, candidate)
    leader = take_leadership(
        registry.engine, model, holder=holder_name(), lease_s=plan.lease_s, above=int(policy["fence"])
    )
    try:
        state, resumed = history.begin(leader, primary=primary, candidate=candidate, plan=plan)
        if resumed:
            log.info("resuming", model=model, rollout=state.id, step=state.step)
        return _prepare(state, leader, history, registry, server, policy)
    except BaseException:
        leader.release()
        raise


def holder_name() -> str:
    """Name this process for people who read who leads."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _prepare(
    state: RolloutState,
    leader: Leadership,
    history: History,
    registry: Registry,
    server: Server,
    policy: dict[str, Any],
) -> Controller:
    model, candidate = state.model, state.candidate
    source = registry.source(model, candidate)
    alias = RegistryAlias(registry, model)
    controller = Controller(state, source=source, leader=leader, history=history, server=server, alias=alias)
    if policy.get("halted") and policy.get("rollout") == state.id:
        controller.complete_abort()
        return controller
    server.load(model, candidate, source)
    if alias.version() == candidate:
        controller.complete_promotion()
    return controller


def _stored_primary(history: History, model: str, candidate: str) -> str:
    """Return the primary of the running rollout, which after a crash may differ from the live policy's."""
    try:
        state = history.latest(model)
    except NotFoundError:
        return ""
    return state.primary if state.weight_percent and state.candidate == candidate else ""


def _check_candidate(registry: Registry, model: str, primary: str, candidate: str) -> None:
    version = registry.get(f"{model}@{candidate}")
    if primary == candidate:
        raise ConflictError(f"version {candidate!r} of {model!r} is the primary already")
