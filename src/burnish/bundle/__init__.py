"""What ships: a graph with its evidence, its runtime lock and a digest for every file."""

from burnish.bundle.bundle import Bundle
from burnish.bundle.manifest import EngineChoice, Manifest
from burnish.bundle.pack import PackRequest, pack
from burnish.bundle.runtime_lock import Difference, RuntimeLock, compare, current_lock

__all__ = [
    "Bundle",
    "Difference",
    "EngineChoice",
    "Manifest",
    "PackRequest",
    "RuntimeLock",
    "compare",
    "current_lock",
    "pack",
]
