"""The Python face, equal to the command line: one name for each thing that a verb does.

======================  =============================================================
verb                    here
======================  =============================================================
``burnish capture``     `capture`, `load`
``burnish graph``       `ComputeGraph`
``burnish fuse``        `fuse`
``burnish memory``      `plan_memory`
``burnish infer``       `ComputeGraph.infer`, `open_session`, `SessionOptions`
``burnish parity``      `parity`
``burnish bench``       `benchmark`
``burnish compress``    `load_task`, `train_task`, `compress_model`
``burnish bundle``      `pack`, `Bundle`
``burnish registry``    `Registry`
``burnish serve``       `serve_models`, `Client`
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
    from burnish.compress import compress as compress_model
    from burnish.compress import train_task
    from burnish.evaluate.latency import benchmark
    from burnish.evaluate.task import load_task
    from burnish.graph import ComputeGraph, load
    from burnish.graph.capture import capture
    from burnish.graph.fusion import fuse
    from burnish.graph.memory import plan_memory
    from burnish.pipeline.demo import run_demo
    from burnish.registry import Registry
    from burnish.rollout.launch import launch_rollout
    from burnish.runtime.backend import SessionOptions
    from burnish.runtime.parity import parity
    from burnish.runtime.session import open_session
    from burnish.server import serve as serve_models

__all__ = [
    "AdminClient",
    "Bundle",
    "BurnishError",
    "Client",
    "ComputeGraph",
    "Registry",
    "SessionOptions",
    "UnsupportedDeviceError",
    "benchmark",
    "capture",
    "compress_model",
    "fuse",
    "launch_rollout",
    "load",
    "load_task",
    "open_session",
    "pack",
    "parity",
    "plan_memory",
    "run_demo",
    "serve_models",
    "train_task",
]

# No name here may be that of a room (`burnish.compress`, `burnish.serve`): importing the room would replace it.
_HOMES = {
    "AdminClient": "burnish.client:AdminClient",
    "Bundle": "burnish.bundle:Bundle",
    "Client": "burnish.client:Client",
    "ComputeGraph": "burnish.graph:ComputeGraph",
    "Registry": "burnish.registry:Registry",
    "SessionOptions": "burnish.runtime.backend:SessionOptions",
    "benchmark": "burnish.evaluate.latency:benchmark",
    "capture": "burnish.graph.capture:capture",
    "compress_model": "burnish.compress.run:compress",
    "fuse": "burnish.graph.fusion:fuse",
    "launch_rollout": "burnish.rollout.launch:launch_rollout",
    "load": "burnish.graph:load",
    "load_task": "burnish.evaluate.task:load_task",
    "open_session": "burnish.runtime.session:open_session",
    "pack": "burnish.bundle.packing:pack",
    "parity": "burnish.runtime.parity:parity",
    "plan_memory": "burnish.graph.memory:plan_memory",
    "run_demo": "burnish.pipeline.demo:run_demo",
    "serve_models": "burnish.server:serve",
    "train_task": "burnish.compress.train:train_task",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute)
