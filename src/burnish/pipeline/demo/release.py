"""The second half: the compressed model earns its traffic, and a broken one loses it."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import psutil

from burnish.client import AdminClient
from burnish.errors import GateError
from burnish.pipeline.demo.config import DemoConfig
from burnish.pipeline.demo.service import Serving, Traffic
from burnish.registry import Registry
from burnish.rollout.controller import Snapshot
from burnish.rollout.history import History, Phase, RolloutState
from burnish.rollout.launch import launch_rollout

Notify = Callable[[str], None]


@dataclass(slots=True)
class Track:
    """What was seen during one rollout, for the report; times count from its start."""

    began: float
    weights: list[dict[str, Any]] = field(default_factory=list)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    final: dict[str, Any] = field(default_factory=dict)

    def look(self, snapshot: Snapshot) -> None:
        """Note one look of the controller."""
        at = round(time.monotonic() - self.began, 3)
        self.weights.append({"t_s": at, "weight": snapshot.state.weight_percent / 100})
        self.evidence += [
            {"t_s": at, "series": finding.name, "e": min(finding.e, 1e300)} for finding in snapshot.findings
        ]

    def note(self, event: str) -> None:
        """Note an event of our own."""
        self.events.append({"t_s": round(time.monotonic() - self.began, 3), "event": event})


def roll_out(
    config: DemoConfig,
    *,
    model: str,
    candidate: int,
    registry: Registry,
    server: Serving,
    traffic: Traffic,
    notify: Notify,
    break_it: bool,
) -> Track:
    """Roll one version out under live, labelled traffic.

    Args:
        config: Settings.
        model: Name of the model.
        candidate: Version in the registry.
        registry: Where the versions and the rollout are.
        server: The server.
        traffic: Runs already.
        notify: Told what happens.
        break_it: Whether to let the candidate's engine hang from the middle of the ramp on.

    Raises:
        GateError: A sound candidate was not promoted, or a broken one was not rolled back.
    """
    plan = replace(config.rollout, timeout_s=config.patience_s)
    track = Track(time.monotonic())
    with AdminClient(server.admin) as admin:
        controller = launch_rollout(
            model, candidate=str(candidate), registry=registry, server=admin, plan=plan
        )
        last = -1

        fault = HangingEngine(server.pid, registry.source(model, candidate))

        def on_look(snapshot: Snapshot) -> None:
            nonlocal last
            track.look(snapshot)
            weight = snapshot.state.weight_percent
            if weight != last and snapshot.state.phase is Phase.RUNNING:
                last = weight
                notify(_line(snapshot))
                track.note(f"{weight}%" if weight else "shadow")
            if break_it and weight == config.fault_at_percent and not fault.planted:
                track.final["planted_s"] = time.monotonic() - track.began
                track.note("fault planted")
                fault.plant()
                notify(f"planted a fault: the engine of version {candidate} now hangs whenever it is started")

        with fault:
            state = controller.run(on_look)
    track.note(state.phase.value)
    _conclude(track, state, registry, traffic, break_it=break_it)
    notify(f"version {candidate}: {state.phase.value} ({state.reason})")
    return track


class HangingEngine:
    """A planted fault: every worker of one version is stopped (SIGSTOP), those too that the server starts anew.

    Args:
        server_pid: Process of the server.
        source: What the version is loaded from; its workers are told it on their command line.
    """

    def __init__(self, server_pid: int, source: str) -> None:
        self._server = psutil.Process(server_pid)
        self._source = source
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def planted(self) -> bool:
        """Whether the fault is at work."""
        return self._thread is not None

    def plant(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            for process in self._server.children():
                with contextlib.suppress(psutil.NoSuchProcess):  # the server has just replaced it
                    if any(self._source in argument for argument in process.cmdline()):
                        process.suspend()
            self._stop.wait(0.05)


def _conclude(
    track: Track, state: RolloutState, registry: Registry, traffic: Traffic, *, break_it: bool
) -> None:
    wanted = Phase.ABORTED if break_it else Phase.PROMOTED
    if state.phase is not wanted:
        raise GateError(
            f"version {state.candidate} ended as {state.phase.value}, not {wanted.value}: {state.reason}",
            hint="run again; on a busy machine raise patience_s",
        )
    last = History(registry.engine).events(state.id)[-1].facts
    failures = [at for at, _ in traffic.failures if at >= track.began]
    track.final |= {
        "version": state.candidate,
        "primary": state.primary,
        "phase": state.phase.value,
        "reason": state.reason,
        "pairs": last["pairs"],
        "difference_points": last["difference_points"],
        "findings": last["findings"],
        "requests": last["requests"],
        "failed_requests": len(failures),
    }
    if break_it:
        planted = track.began + track.final["planted_s"]
        track.final["alarm_to_zero_ms"] = last["alarm_to_zero_ms"]
        track.final["fault_to_alarm_s"] = last["alarm_s"] - planted


def _line(snapshot: Snapshot) -> str:
    pairs = snapshot.pairs
    return (
        f"weight {snapshot.state.weight_percent}%: {pairs.n} labelled pairs, {pairs.wins} won, {pairs.losses} lost; "
        + "; ".join(f"{f.name} e={f.e:.3g}" for f in snapshot.findings[:2])
    )
