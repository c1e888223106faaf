"""Start or resume a rollout, after checking all that can be checked before any traffic moves."""

import os
import socket

from burnish.errors import ConflictError, NotFoundError, ShapeError
from burnish.graph.signature import Signature
from burnish.logs import get_logger
from burnish.registry import ModelVersion, Registry
from burnish.rollout.alias import RegistryAlias
from burnish.rollout.controller import Controller
from burnish.rollout.history import History, Phase
from burnish.rollout.leadership import take_leadership
from burnish.rollout.plan import RolloutPlan
from burnish.rollout.ports import Server

log = get_logger(__name__)


def launch_rollout(
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
    chosen = registry.get(f"{model}@{candidate}")
    candidate = str(chosen.version)
    primary = _running_primary(history, model, candidate) or str(policy["primary"])
    if candidate == primary:
        raise ConflictError(f"version {candidate!r} of {model!r} is the primary already")
    serving = registry.get(f"{model}@{primary}")
    _check_signature(serving, chosen)
    loaded = _loaded(server, model)
    _check_digest(serving, loaded)
    _check_digest(chosen, loaded)
    alias = RegistryAlias(registry, model)
    alias.require(primary, candidate)
    source = registry.source(model, candidate)
    leader = take_leadership(
        registry.engine, model, holder=holder_name(), lease_s=plan.lease_s, above=int(policy["fence"])
    )
    try:
        state, resumed = history.begin(leader, primary=primary, candidate=candidate, plan=plan)
        controller = Controller(
            state, source=source, leader=leader, history=history, server=server, alias=alias
        )
        if resumed:
            log.info("resuming", model=model, rollout=state.id, step=state.step)
        if policy["halted"] and policy["rollout"] == state.id:
            controller.complete_abort()
            return controller
        if candidate not in loaded:
            server.load(model, candidate, source)
        if alias.version() == candidate:
            controller.complete_promotion()
        return controller
    except BaseException:
        leader.release()
        raise


def holder_name() -> str:
    """Name this process for people who read who leads."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _running_primary(history: History, model: str, candidate: str) -> str:
    """Return the primary of the candidate's running rollout; after a crash the server's may be another."""
    try:
        state = history.latest(model)
    except NotFoundError:
        return ""
    return state.primary if state.phase is Phase.RUNNING and state.candidate == candidate else ""


def _loaded(server: Server, model: str) -> dict[str, str]:
    """Return the digests of the versions that the server has loaded."""
    return {
        str(version["version"]): str(version["digest"])
        for found in server.models()["models"]
        if found["name"] == model
        for version in found["versions"]
    }


def _check_digest(version: ModelVersion, loaded: dict[str, str]) -> None:
    digest = loaded.get(str(version.version), version.digest)
    if digest != version.digest:
        raise ConflictError(
            f"the server's version {version.version} of {version.name!r} has digest {digest}, "
            f"the registry's has {version.digest}",
            hint="serve the model from this registry",
        )


def _check_signature(primary: ModelVersion, candidate: ModelVersion) -> None:
    old, new = (Signature.from_dict(version.manifest.signature) for version in (primary, candidate))
    for side, before, after in (("inputs", old.inputs, new.inputs), ("outputs", old.outputs, new.outputs)):
        if before != after:
            raise ShapeError(
                f"{candidate.reference} has other {side} than {primary.reference}: "
                f"{', '.join(map(str, after))} instead of {', '.join(map(str, before))}",
                hint="a version with another signature is another model: give it another name",
            )
