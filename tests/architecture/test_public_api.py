"""The public names: the same in both places, each real, and free to import."""

import subprocess
import sys

import pytest

import burnish
from burnish import api

# A name leaves this list only with a note in the changelog.
SNAPSHOT = {
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
}


def test_both_lists_equal_the_snapshot():
    assert burnish.__all__ == api.__all__
    assert set(burnish.__all__) == SNAPSHOT
    assert dir(burnish) == sorted(burnish.__all__)


@pytest.mark.parametrize("name", sorted(SNAPSHOT))
def test_every_name_is_real_and_documented(name):
    thing = getattr(burnish, name)
    assert thing is getattr(api, name)
    assert thing.__doc__


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_like_this"):
        burnish.nothing_like_this  # noqa: B018 - the access is the test


def test_import_brings_neither_numpy_nor_torch():
    probe = "import sys, burnish; sys.exit(' '.join({'numpy', 'torch', 'onnx'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
