"""What each layer of a network costs at each width, as the engine itself shows it, measured once on a machine.

Engines compute channels in blocks, so that their latency over the width is a staircase. Where its steps lie depends
on the engine, the numbers, the layer and the processor: the width of the vector units is only a first guess.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from burnish.compress.pruning.layer_shapes import LayerShape
from burnish.compress.pruning.width_probe import probe
from burnish.compress.target_engine import EngineConfig
from burnish.errors import BackendError, MissingExtraError, UnsupportedOpError
from burnish.evaluate.undisturbed import timed
from burnish.files import write_atomic
from burnish.hardware.store import ProbeStore
from burnish.logs import get_logger
from burnish.runtime.machine import fingerprint

log = get_logger(__name__)

_FORMAT = 1
"""Of what is kept: the next one, when the small graphs are drawn otherwise."""
_BUDGET_S, _ENOUGH = 0.08, 20
"""Of timing one layer, and the undisturbed calls after which it ends sooner."""
_DISTURBED = 0.05
"""Error above which a time serves this run alone: another one may find the machine less busy."""
_TOGETHER = 20
"""Layers that are timed in turns, and then saved."""


@dataclass(frozen=True, slots=True)
class LayerTime:
    """Measured time of one layer by itself."""

    seconds: float
    error: float
    """As a share of the time."""


_Times = dict[str, LayerTime | None]
"""By the key of a layer's shape; None for a layer that cannot be timed by itself."""


@dataclass(frozen=True, slots=True)
class WidthTable:
    """Measured times by the key of a layer's shape, on one machine, in one engine."""

    times: Mapping[str, LayerTime]

    def time(self, shapes: Iterable[LayerShape]) -> LayerTime | None:
        """Return the time of several layers together; None where one of them was not measured."""
        found = [self.times.get(shape.key) for shape in shapes]
        known = [time for time in found if time is not None]
        if len(known) < len(found) or not known:
            return None
        seconds = sum(time.seconds for time in known)
        squares: float = sum((time.error * time.seconds) ** 2 for time in known)
        return LayerTime(seconds, squares**0.5 / seconds)


def measure_widths(
    shapes: Iterable[LayerShape],
    engine: EngineConfig,
    *,
    journal: Path | None = None,
    cache: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> WidthTable:
    """Return what layers cost in an engine on this machine, measured where that is not known yet.

    Args:
        shapes: The layers, each at every width that is of interest.
        engine: Where, in which numbers and with how many examples a call.
        journal: File that keeps what was measured beside a run, and wins over the machine's cache: a run that goes on
            after an interruption decides by the numbers that it began with.
        cache: Folder of the machine's cache; None for the user's.
        on_progress: Told how many layers are measured and how many there are to measure.

    Raises:
        MissingExtraError: The engine is not installed.

    A layer that the engine cannot run by itself is left out of the table, and logged. The journal keeps that too, so
    that a run tries it once; another run may find another version of the engine.

    Cost: about 0.2 s for each layer that is not known.
    """
    engine = engine.settled()
    store = ProbeStore(_machine(engine), cache)
    kind = f"widths-{_FORMAT}-{engine.backend}-{engine.precision}"
    known: _Times = dict(store.load(kind, dict[str, LayerTime]) or {})
    known |= _read(journal, engine)
    wanted = {shape.key: shape for shape in shapes}
    missing = {key: shape for key, shape in wanted.items() if key not in known}
    measured: _Times = {}

    def save() -> None:
        # another process may have added to the cache meanwhile
        lasting = {key: time for key, time in measured.items() if time and time.error <= _DISTURBED}
        store.save(kind, (store.load(kind, dict[str, LayerTime]) or {}) | lasting)
        _write(journal, engine, {key: known[key] for key in wanted if key in known})

    for done in range(0, len(missing), _TOGETHER):
        some = dict(list(missing.items())[done : done + _TOGETHER])
        found = _measured(some, engine)
        measured |= found
        known |= found
        save()
        if on_progress is not None:
            on_progress(done + len(some), len(missing))
    if journal is not None and not missing:
        save()
    return WidthTable({key: time for key in wanted if (time := known.get(key)) is not None})


def _measured(shapes: Mapping[str, LayerShape], engine: EngineConfig) -> _Times:
    """Time each layer twice with all others in between: where other work disturbed one, the two tell."""
    first = {key: _timed(shape, engine) for key, shape in shapes.items()}
    again = {key: _timed(shapes[key], engine) for key in reversed(first) if first[key] is not None}
    return {key: time and _combined(time, again[key] or time) for key, time in first.items()}


def _combined(one: LayerTime, other: LayerTime) -> LayerTime:
    """Return the less disturbed of two measurements, with an error that covers half the way to the other."""
    fast, slow = sorted((one, other), key=lambda time: time.seconds)
    return LayerTime(fast.seconds, max(fast.error, (slow.seconds / fast.seconds - 1) / 2))


def _timed(shape: LayerShape, engine: EngineConfig) -> LayerTime | None:
    graph, feeds = probe(shape, engine.batch, engine.precision)
    try:
        with engine.open(graph) as session:
            took = timed(partial(session.run, feeds), budget_s=_BUDGET_S, enough=_ENOUGH)
    except MissingExtraError:
        raise  # no layer could be timed, and widths would be rounded without a measurement
    except (UnsupportedOpError, BackendError) as error:
        log.warning("a layer cannot be timed by itself", layer=shape.key, reason=error.message)
        return None
    return LayerTime(took.seconds, took.error)


def _machine(engine: EngineConfig) -> str:
    return f"{fingerprint()!r} batch {engine.batch} threads {engine.threads}"


def _section(engine: EngineConfig) -> str:
    """Name what a journal's numbers hold for: not for another machine that goes on with the run."""
    digest = hashlib.sha256(_machine(engine).encode()).hexdigest()[:16]
    return f"{engine.backend} {engine.precision} {digest}"


def _read(journal: Path | None, engine: EngineConfig) -> _Times:
    return _sections(journal).get(_section(engine), {})


def _write(journal: Path | None, engine: EngineConfig, times: _Times) -> None:
    if journal is None:
        return
    sections = _sections(journal)
    merged = sections | {_section(engine): sections.get(_section(engine), {}) | times}
    if merged != sections:
        write_atomic(journal, msgspec.json.format(msgspec.json.encode(merged), indent=2) + b"\n")


def _sections(journal: Path | None) -> dict[str, _Times]:
    if journal is None or not journal.exists():
        return {}
    try:
        return msgspec.json.decode(journal.read_bytes(), type=dict[str, _Times])
    except msgspec.DecodeError as error:
        log.warning("widths are measured anew", file=str(journal), reason=str(error))
        return {}
