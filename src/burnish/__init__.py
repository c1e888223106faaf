"""Take a trained network to a fast, small, versioned, safely rolled-out service.

The public names are those of `burnish.api`. They are imported when they are first used, so that ``import
burnish`` is quick, and a serving box, which has neither PyTorch nor the rest of the workshop, is one all the same.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from burnish.api import (
        AdminClient,
        Bundle,
        BurnishError,
        Client,
        ComputeGraph,
        CostOptions,
        Device,
        EvaluateOptions,
        Registry,
        SessionOptions,
        UnsupportedDeviceError,
        benchmark,
        calibrate,
        capture,
        choose_devices,
        compress_model,
        cost_model_for,
        devices,
        estimate_latency,
        evaluate_devices,
        fuse,
        launch_rollout,
        load,
        load_task,
        open_session,
        pack,
        parity,
        plan_memory,
        run_demo,
        serve_models,
        this_device,
        train_task,
    )

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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'burnish' has no attribute {name!r}")
    return getattr(import_module("burnish.api"), name)


def __dir__() -> list[str]:
    return __all__
