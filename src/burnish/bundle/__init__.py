"""What ships: a graph with its evidence, its runtime lock and a digest for every file."""

from typing import TYPE_CHECKING, Any

from burnish.bundle.bundle import Bundle
from burnish.bundle.manifest import EngineChoice, Manifest, Measured
from burnish.bundle.runtime_lock import Difference, RuntimeLock, compare, current_lock, enforce

if TYPE_CHECKING:
    from burnish.bundle.packing import PackRequest, pack
    from burnish.bundle.verify import Verification, verify_bundle

__all__ = [
    "Bundle",
    "Difference",
    "EngineChoice",
    "Manifest",
    "Measured",
    "PackRequest",
    "RuntimeLock",
    "Verification",
    "compare",
    "current_lock",
    "enforce",
    "pack",
    "verify_bundle",
]

# These run engines: a registry, which only moves bundles about, must not pay for their import.
_LAZY = {
    "PackRequest": "burnish.bundle.packing",
    "pack": "burnish.bundle.packing",
    "Verification": "burnish.bundle.verify",
    "verify_bundle": "burnish.bundle.verify",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
