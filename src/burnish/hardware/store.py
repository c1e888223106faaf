"""What was measured on this machine, kept in the user's cache folder so that it is measured once."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from burnish.errors import InputError
from burnish.files import write_atomic
from burnish.logs import get_logger

T = TypeVar("T")

log = get_logger(__name__)

_FORMAT = 1
"""To be counted up when the meaning of what is kept changes: older files are then measured again."""


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """A measurement with what tells whether it is good enough for another question."""

    value: T
    date: str
    """Day on which it was measured, UTC, as ISO 8601 writes it."""
    effort: float
    """What went into it, such as rounds or seconds: a question that asks for more is measured anew."""
    format: int = 0


class ProbeStore:
    """Measurements by machine and kind, one JSON file each.

    Args:
        machine: Text that tells one machine, with its engines, from another.
        folder: Where the files lie; None for ``burnish/hardware`` in the user's cache folder.
    """

    def __init__(self, machine: str, folder: Path | None = None) -> None:
        self._machine = machine
        self._folder = folder or cache_folder() / "hardware"

    def load(self, kind: str, cls: type[T]) -> T | None:
        """Return what was measured on this machine; None when nothing that can be read was."""
        try:
            return msgspec.json.decode(self._path(kind).read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError):
            return None  # it is only a cache: what cannot be read is measured again

    def save(self, kind: str, measured: object) -> Path:
        """Keep a measurement in place of an older one.

        Where nothing can be written, a warning says so once: it is only a cache, and the value is there.
        """
        path = self._path(kind)
        try:
            write_atomic(path, msgspec.json.format(msgspec.json.encode(measured), indent=2) + b"\n")
        except InputError as error:
            _warn_once(self._folder, str(error.__cause__ or error))
        return path

    def known(self, kind: str, cls: type[T], *, effort: float = 0.0) -> Kept[T] | None:
        """Return what `once` keeps; None where that is nothing, of an older format, or took less effort."""
        kept = self.load(kind, Kept[cls])  # type: ignore[valid-type]
        return kept if kept is not None and kept.format == _FORMAT and kept.effort >= effort else None

    def once(
        self,
        kind: str,
        cls: type[T],
        measure: Callable[[], T],
        *,
        effort: float = 0.0,
        refresh: bool = False,
    ) -> Kept[T]:
        """Return a measurement, made only where none is known.

        Args:
            kind: Name of the measurement.
            cls: What it is.
            measure: Makes it.
            effort: What the measurement takes, such as rounds or seconds.
            refresh: Whether to measure in any case.
        """
        kept = None if refresh else self.known(kind, cls, effort=effort)
        if kept is None:
            kept = Kept(measure(), datetime.now(UTC).date().isoformat(), effort, _FORMAT)
            self.save(kind, kept)
        return kept

    def forget(self, kind: str) -> None:
        """Remove a measurement, if there is one.

        Raises:
            InputError: It is there and cannot be removed.
        """
        path = self._path(kind)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be removed: {error.strerror or error}",
                hint="XDG_CACHE_HOME names another cache folder",
            ) from error

    def _path(self, kind: str) -> Path:
        digest = hashlib.sha256(self._machine.encode()).hexdigest()[:16]
        return self._folder / f"{kind}-{digest}.json"


@cache
def _warn_once(folder: Path, reason: str) -> None:
    log.warning("measurements are not kept and will be made again", folder=str(folder), reason=reason)


def cache_folder() -> Path:
    """Return the folder of what can be measured or made again: ``$XDG_CACHE_HOME/burnish``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "burnish"
