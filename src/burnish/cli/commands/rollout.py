"""Shadow, promote step by step on valid evidence, roll back."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

from burnish.cli import render
from burnish.cli.exit_codes import exit_code_of
from burnish.cli.options import RegistryOption
from burnish.client import AdminClient
from burnish.errors import ConfigError, GateError
from burnish.registry import Registry
from burnish.rollout import operator
from burnish.rollout.controller import Snapshot
from burnish.rollout.history import History, Phase, RolloutEvent, RolloutState
from burnish.rollout.launch import launch_rollout
from burnish.rollout.plan import load_plan
from burnish.units import format_count

app = typer.Typer(no_args_is_help=True, help=__doc__, add_completion=False, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="Name of the model.")]
ServerOption = Annotated[
    str, typer.Option("--server", help="Admin address of the server.", envvar="BURNISH_ADMIN_URL")
]
_REGISTRY = Path(".burnish/registry")
_SERVER = "http://127.0.0.1:8001"


@app.command()
def start(
    name: Name,
    candidate: Annotated[str, typer.Option(help="Version or alias in the registry.")],
    registry: RegistryOption = _REGISTRY,
    server: ServerOption = _SERVER,
    file: Annotated[Path | None, typer.Option(help="Rollout file (TOML); flags win over it.")] = None,
    criterion: Annotated[str | None, typer.Option(help="superior or noninferior.")] = None,
    margin: Annotated[float | None, typer.Option(help="Points that a non-inferior one may lose.")] = None,
    alpha: Annotated[float | None, typer.Option(help="Chance of a false promotion.")] = None,
    steps: Annotated[str | None, typer.Option(help="Percent of the traffic, such as 10,25,50,100.")] = None,
    shadow_share: Annotated[float | None, typer.Option(help="Share of mirrored requests, 0 to 1.")] = None,
    min_pairs: Annotated[int | None, typer.Option(help="Labelled pairs before the first step.")] = None,
    min_requests: Annotated[int | None, typer.Option(help="Canary requests at each step.")] = None,
    max_pairs: Annotated[int | None, typer.Option(help="Labelled pairs before giving up.")] = None,
    soak_s: Annotated[float | None, typer.Option(help="Seconds at 100% before the promotion.")] = None,
    timeout_s: Annotated[float | None, typer.Option(help="Seconds before giving up.")] = None,
    as_json: render.JsonOption = False,
) -> None:
    """Roll a candidate out, or resume its rollout. Ctrl-C sets its weight to 0 and leaves it resumable.

    Exit code 0 when promoted, 3 when aborted or undecided.
    """
    plan = load_plan(
        file,
        criterion=criterion,
        margin=margin,
        alpha=alpha,
        steps=None if steps is None else _parse_steps(steps),
        shadow_share=shadow_share,
        min_pairs=min_pairs,
        min_requests=min_requests,
        max_pairs=max_pairs,
        soak_s=soak_s,
        timeout_s=timeout_s,
    )
    if margin is not None and plan.criterion == "superior":
        raise ConfigError(
            "command line: --margin has no meaning for a superior candidate", hint="--criterion noninferior"
        )
    store = Registry(registry)
    with AdminClient(server) as client, _terminable():
        controller = launch_rollout(name, candidate=candidate, registry=store, server=client, plan=plan)
        with _live_view(as_json) as on_look:
            state = controller.run(on_look)
    _show(History(store.engine), state, as_json=as_json)
    if state.phase is not Phase.PROMOTED:
        raise typer.Exit(exit_code_of(GateError(state.reason)))


@app.command()
def status(name: Name, registry: RegistryOption = _REGISTRY, as_json: render.JsonOption = False) -> None:
    """Show where a model's last rollout stands, and on what evidence."""
    history = History(Registry(registry).engine)
    _show(history, history.latest(name), as_json=as_json)


@app.command()
def history(name: Name, registry: RegistryOption = _REGISTRY, as_json: render.JsonOption = False) -> None:
    """Show every rollout of a model with its timeline, the newest first."""
    store = History(Registry(registry).engine)
    found = store.rollouts(name)
    if as_json:
        render.emit_json([_document(store, state) for state in found])
        return
    rows = [
        (state.created, f"{state.primary} > {state.candidate}", state.phase.value, event.at, *_line(event))
        for state in found
        for event in store.events(state.id)
    ]
    render.table(f"Rollouts of {name}", ("started", "versions", "phase", "at", "event", "facts"), rows)


@app.command()
def abort(
    name: Name,
    registry: RegistryOption = _REGISTRY,
    server: ServerOption = _SERVER,
    reason: Annotated[str, typer.Option(help="Kept in the history.")] = "aborted by hand",
    as_json: render.JsonOption = False,
) -> None:
    """Stop a running rollout: the primary serves everything. Doing it twice changes nothing."""
    with AdminClient(server) as client:
        _show_stopped(
            operator.abort(name, registry=Registry(registry), server=client, reason=reason), as_json=as_json
        )


@app.command()
def rollback(
    name: Name,
    registry: RegistryOption = _REGISTRY,
    server: ServerOption = _SERVER,
    reason: Annotated[str, typer.Option(help="Kept in the history.")] = "rolled back by hand",
    as_json: render.JsonOption = False,
) -> None:
    """Bring back the primary from before the last rollout, running or promoted."""
    with AdminClient(server) as client:
        _show_stopped(
            operator.rollback(name, registry=Registry(registry), server=client, reason=reason),
            as_json=as_json,
        )


def _parse_steps(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(
            f"command line: --steps {text!r} is no list of whole numbers", hint="such as 10,25,50,100"
        ) from error


@contextmanager
def _terminable() -> Iterator[None]:
    """Let a polite SIGTERM end the block as Ctrl-C does."""

    def stop(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _live_view(quiet: bool) -> Iterator[Callable[[Snapshot], None] | None]:
    if quiet:
        yield None
        return
    with Live(console=render.err, refresh_per_second=4, transient=True) as live:
        yield lambda snapshot: live.update(_view(snapshot))


def _view(snapshot: Snapshot) -> Table:
    state = snapshot.state
    stage = f"{state.weight_percent}%" if state.step else "shadow"
    low, high = snapshot.interval
    view = Table(
        title=f"{state.model}: {state.primary} > {state.candidate}, {stage}, {snapshot.verdict.value}",
        caption=(
            f"{format_count(snapshot.observed)} requests, {snapshot.pairs.n} labelled pairs, "
            f"accuracy {low:+.2f} to {high:+.2f} points (95%, at any time), "
            f"{snapshot.dropped} mirrors dropped, {snapshot.missed} missed, {snapshot.elapsed_s:.0f} s"
        ),
        title_justify="left",
        caption_justify="left",
        header_style="bold",
    )
    for column in ("test", "says", "evidence", "needs", "p", "because"):
        view.add_column(column, justify="right" if column in ("evidence", "needs", "p") else "left")
    for finding in snapshot.findings:
        tested = finding.threshold > 0
        view.add_row(
            finding.name,
            finding.verdict.value,
            f"{finding.e:.3g}" if tested else "",
            f"{finding.threshold:.4g}" if tested else "",
            f"{finding.p:.2g}" if tested else "",
            finding.detail,
        )
    return view


def _show(history: History, state: RolloutState, *, as_json: bool) -> None:
    if as_json:
        render.emit_json(_document(history, state))
        return
    stage = f" at {state.weight_percent}%" if state.phase is Phase.RUNNING else ""
    render.table(
        f"{state.model}: version {state.candidate} against {state.primary}: {state.phase.value}{stage}",
        ("at", "event", "facts"),
        [(event.at, *_line(event)) for event in history.events(state.id)],
    )
    if state.reason:
        render.out.print(state.reason, markup=False)


def _document(history: History, state: RolloutState) -> dict[str, Any]:
    document = render.plain(state)
    del document["guards"]
    document["weight_percent"] = state.weight_percent
    document["events"] = render.plain(history.events(state.id))
    return dict(document)


def _line(event: RolloutEvent) -> tuple[str, str]:
    """Return an event's kind and its facts in a few words."""
    facts = event.facts
    parts = []
    if "weight_percent" in facts:
        parts.append(f"to {facts['weight_percent']}%")
    if "alarm_to_zero_ms" in facts:
        parts.append(f"{facts['alarm_to_zero_ms']:.1f} ms from alarm to 0%")
    if "reason" in facts:
        parts.append(str(facts["reason"]))
    if "pairs" in facts:
        parts.append("{wins} wins, {losses} losses, {ties} ties".format(**facts["pairs"]))
    if facts.get("findings"):
        parts.append(f"p = {facts['findings'][0]['p']:.2g}")
    if "candidate" in facts:
        parts.append(f"{facts['primary']} > {facts['candidate']}")
    return event.kind, "; ".join(parts)


def _show_stopped(stopped: operator.Stopped, *, as_json: bool) -> None:
    state = stopped.state
    if as_json:
        render.emit_json(
            {
                "model": state.model,
                "primary": state.primary,
                "phase": state.phase.value,
                "changed": stopped.changed,
                "to_zero_ms": round(stopped.to_zero_ms, 3),
            }
        )
    elif stopped.changed:
        render.out.print(
            f"{state.model}: version {state.primary} serves everything "
            f"after {stopped.to_zero_ms:.1f} ms; {state.phase.value}"
        )
    else:
        render.out.print(f"{state.model}: nothing to do, the last rollout is {state.phase.value}")
