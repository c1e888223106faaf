"""What was measured on this machine, kept in the user's cache folder so that it is measured once."""

import hashlib
import os
from pathlib import Path
from typing import TypeVar

import msgspec

from burnish.files import write_atomic

T = TypeVar("T")


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
        """Keep a measurement in place of an older one."""
        path = self._path(kind)
        write_atomic(path, msgspec.json.format(msgspec.json.encode(measured), indent=2) + b"\n")
        return path

    def _path(self, kind: str) -> Path:
        digest = hashlib.sha256(self._machine.encode()).hexdigest()[:16]
        return self._folder / f"{kind}-{digest}.json"


def cache_folder() -> Path:
    """Return the folder of what can be measured or made again: ``$XDG_CACHE_HOME/burnish``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "burnish"
