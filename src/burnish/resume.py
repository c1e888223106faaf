"""A run of named steps in one folder: each is done once, and an interrupted run goes on where it stopped."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from burnish.errors import ArtifactError
from burnish.files import sha256_bytes, sync_directory, write_atomic
from burnish.logs import get_logger

log = get_logger(__name__)

_RESULT = "result.json"
Facts = dict[str, Any]


class Run:
    """Steps that leave folders behind.

    A step works in ``<root>/<name>.partial`` and that folder becomes ``<root>/<name>`` in one rename, so that
    a folder without the suffix is always whole. Its ``result.json`` holds the step's facts and a key made
    from the settings and the keys of the steps before: when any of these change, the step is done again.

    Args:
        root: Folder of the run; made when missing.
        settings: What the steps depend on, as plain data.
    """

    def __init__(self, root: Path, settings: Mapping[str, Any]) -> None:
        self.root = root
        self._key = sha256_bytes(json.dumps(settings, sort_keys=True, default=str).encode())
        root.mkdir(parents=True, exist_ok=True)

    def folder(self, name: str) -> Path:
        """Return the folder that a finished step left."""
        return self.root / name

    def is_done(self, name: str) -> bool:
        """Tell whether the next step, by this name, would be taken from an earlier run."""
        return self._finished(name, self._next_key(name)) is not None

    def step(self, name: str, work: Callable[[Path], Facts]) -> Facts:
        """Do a step, or return what it found when it was done before with the same settings.

        Args:
            name: Folder name, unique in the run.
            work: Gets the step's working folder, which may hold what an interrupted attempt left there, and
                returns facts as plain JSON data.

        Raises:
            ArtifactError: The record of a finished step cannot be read.
        """
        self._key = self._next_key(name)
        earlier = self._finished(name, self._key)
        if earlier is not None:
            log.info("step taken from an earlier run", step=name)
            return earlier
        partial, final = self.root / f"{name}.partial", self.root / name
        if final.exists():
            shutil.rmtree(final)
        self._claim(partial)
        facts = work(partial)
        write_atomic(partial / _RESULT, json.dumps({"key": self._key, "facts": facts}, indent=2).encode())
        partial.rename(final)
        sync_directory(self.root)
        return facts

    def _next_key(self, name: str) -> str:
        return sha256_bytes(f"{self._key}/{name}".encode())

    def _claim(self, partial: Path) -> None:
        """Keep what an interrupted attempt with the same key left; clear what another key left."""
        owner = partial / ".key"
        if partial.exists() and (not owner.exists() or owner.read_text() != self._key):
            shutil.rmtree(partial)
        partial.mkdir(exist_ok=True)
        write_atomic(owner, self._key.encode())

    def _finished(self, name: str, key: str) -> Facts | None:
        record = self.root / name / _RESULT
        if not record.exists():
            return None
        try:
            stored = json.loads(record.read_bytes())
            return dict(stored["facts"]) if stored["key"] == key else None
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{record} cannot be read: {error}", hint=f"remove {record.parent} and run again"
            ) from error
