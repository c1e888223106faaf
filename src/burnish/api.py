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
``burnish hardware``    `this_device`, `calibrate`, `estimate_latency`, `evaluate_devices`
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
    from burnish.evaluate.calibration import calibrate
    from burnish.evaluate.device_choice import choose_devices
    from burnish.evaluate.devices import EvaluateOptions, cost_model_for, evaluate_devices
    from burnish.evaluate.latency import benchmark
    from burnish.evaluate.predicting import predict as estimate_latency
    from burnish.evaluate.task import load_task
    from burnish.evaluate.this_device import this_device
    from burnish.graph import ComputeGraph, load
    from burnish.graph.capture import capture
    from burnish.graph.fusion import fuse
    from burnish.graph.memory import plan_memory
    from burnish.hardware.catalog import devices
    from burnish.hardware.device import Device
    from burnish.hardware.tco import CostOptions
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
    "CostOptions",
    "Device",
    "EvaluateOptions",
    "Registry",
    "SessionOptions",
    "UnsupportedDeviceError",
    "benchmark",
    "calibrate",
    "capture",
    "choose_devices",
    "compress_model",
    "cost_model_for",
    "devices",
    "estimate_latency",
    "evaluate_devices",
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
    "this_device",
    "train_task",
]

# No name here may be that of a room (`burnish.compress`, `burnish.serve`): importing the room would replace it.
_HOMES = {
    "AdminClient": "burnish.client:AdminClient",
    "Bundle": "burnish.bundle:Bundle",
    "Client": "burnish.client:Client",
    "ComputeGraph": "burnish.graph:ComputeGraph",
    "CostOptions": "burnish.hardware.tco:CostOptions",
    "Device": "burnish.hardware.device:Device",
    "EvaluateOptions": "burnish.evaluate.devices:EvaluateOptions",
    "Registry": "burnish.registry:Registry",
    "SessionOptions": "burnish.runtime.backend:SessionOptions",
    "benchmark": "burnish.evaluate.latency:benchmark",
    "calibrate": "burnish.evaluate.calibration:calibrate",
    "capture": "burnish.graph.capture:capture",
    "choose_devices": "burnish.evaluate.device_choice:choose_devices",
    "compress_model": "burnish.compress.recipe.run:compress",
    "cost_model_for": "burnish.evaluate.devices:cost_model_for",
    "devices": "burnish.hardware.catalog:devices",
    "estimate_latency": "burnish.evaluate.predicting:predict",
    "evaluate_devices": "burnish.evaluate.devices:evaluate_devices",
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
    "this_device": "burnish.evaluate.this_device:this_device",
    "train_task": "burnish.compress.training.train:train_task",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute)
