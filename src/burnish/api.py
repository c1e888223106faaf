"""The Python face, equal to the command line: one name for each thing that a verb does.

======================  =============================================================
verb                    here
======================  =============================================================
``burnish capture``     `capture`, `load`
``burnish infer``       `ComputeGraph.infer`, `open_session`
``burnish bench``       `benchmark`, `parity`
``burnish compress``    `load_task`, `train_task`, `compress`
``burnish bundle``      `pack`, `Bundle`
``burnish registry``    `Registry`
``burnish serve``       `serve`, `Client`
``burnish rollout``     `launch_rollout`, `AdminClient`
``burnish demo``        `run_demo`
======================  =============================================================

What needs an extra is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from burnish.errors import BurnishError, UnsupportedDeviceError

if TYPE_CHECKING:
    from burnish.bundle import Bundle, pack
    from burnish.client import AdminClient, Client
    from burnish.compress import compress, train_task
    from burnish.evaluate.latency import benchmark
    from burnish.evaluate.task import load_task
    from burnish.graph import ComputeGraph, load
    from burnish.graph.capture import capture
    from burnish.pipeline.demo import run_demo
    from burnish.registry import Registry
    from burnish.rollout.launch import launch_rollout
    from burnish.runtime.parity import parity
    from burnish.runtime.session import open_session
    from burnish.server import serve

__all__ = [
    "AdminClient",
    "Bundle",
    "BurnishError",
    "Client",
    "ComputeGraph",
    "Registry",
    "UnsupportedDeviceError",
    "benchmark",
    "capture",
    "compress",
    "launch_rollout",
    "load",
    "load_task",
    "open_session",
    "pack",
    "parity",
    "run_demo",
    "serve",
    "train_task",
]

_HOMES = {
    "AdminClient": "burnish.client",
    "Bundle": "burnish.bundle",
    "Client": "burnish.client",
    "ComputeGraph": "burnish.graph",
    "Registry": "burnish.registry",
    "benchmark": "burnish.evaluate.latency",
    "capture": "burnish.graph.capture",
    "compress": "burnish.compress.run",
    "launch_rollout": "burnish.rollout.launch",
    "load": "burnish.graph",
    "load_task": "burnish.evaluate.task",
    "open_session": "burnish.runtime.session",
    "pack": "burnish.bundle.packing",
    "parity": "burnish.runtime.parity",
    "run_demo": "burnish.pipeline.demo",
    "serve": "burnish.server",
    "train_task": "burnish.compress.train",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
