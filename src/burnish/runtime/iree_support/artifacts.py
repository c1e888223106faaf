"""Compiled files that live as long as the process, so that opening a graph again compiles nothing."""

import os
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path

_LARGEST_BYTES = 1 << 30


class ArtifactCache:
    """Files by key in a folder of the process's own, the least recently used removed first.

    A file may be removed while a session still maps it: its bytes stay until the mapping goes.

    Args:
        suffix: Of the files, such as ``.vmfb``.
        largest_bytes: What the files may take together; the newest is kept whatever its size.
    """

    def __init__(self, *, suffix: str, largest_bytes: int = _LARGEST_BYTES) -> None:
        self._suffix = suffix
        self._largest_bytes = largest_bytes
        self._files: OrderedDict[Hashable, Path] = OrderedDict()
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._made = 0

    def get(self, key: Hashable, build: Callable[[], bytes]) -> Path:
        """Return the file of a key, writing it first when there is none; ``build`` gives its bytes."""
        with self._lock:
            known = self._files.get(key)
            if known is not None:
                self._files.move_to_end(key)
                return known
        data = build()  # outside the lock: it may take minutes
        with self._lock:
            if key in self._files:
                return self._files[key]
            path = self._new_file()
            path.write_bytes(data)
            self._files[key] = path
            self._shrink()
            return path

    def _new_file(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="burnish-compiled-"))
            weakref.finalize(self, _remove, self._folder, os.getpid())
        self._made += 1
        return self._folder / f"{self._made}{self._suffix}"

    def _shrink(self) -> None:
        while len(self._files) > 1 and self._total() > self._largest_bytes:
            self._files.popitem(last=False)[1].unlink(missing_ok=True)

    def _total(self) -> int:
        return sum(path.stat().st_size for path in self._files.values())


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child leaves its parent's files alone
        shutil.rmtree(folder, ignore_errors=True)
