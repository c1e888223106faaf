"""Parts that other packages may add, found by entry point and imported only when chosen."""

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from burnish.errors import MissingExtraError, NotFoundError, nearest


@cache
def entries(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, without importing any of them."""
    return {entry.name: entry for entry in entry_points(group=group)}


def load(group: str, name: str) -> Any:
    """Import and return the object behind one entry point.

    Args:
        group: Entry-point group, such as ``burnish.backends``.
        name: Name inside the group.

    Raises:
        NotFoundError: The group has no such name; the hint holds the nearest one.
    """
    found = entries(group)
    if name not in found:
        kind = group.rpartition(".")[2].removesuffix("s")
        raise NotFoundError(f"unknown {kind} {name!r}", hint=nearest(name, found))
    return found[name].load()


def is_installed(package: str) -> bool:
    """Tell whether a top-level package can be imported, without importing it."""
    return find_spec(package) is not None


def require(package: str, *, extra: str, need: str) -> ModuleType:
    """Import an optional package.

    Args:
        package: Importable name, which may be dotted.
        extra: The extra of burnish that brings it.
        need: What it is needed for, for the error's text.

    Raises:
        MissingExtraError: The package is not installed; the hint is the pip command.
    """
    if not is_installed(package.partition(".")[0]):
        raise MissingExtraError(package, extra=extra, need=need)
    return import_module(package)
