"""Parts are found by name, imported late, and missed politely."""

import subprocess
import sys

import pytest

from burnish import plugins
from burnish.errors import MissingExtraError, NotFoundError


def test_listing_imports_no_engine():
    probe = (
        "import sys; from burnish import plugins; assert plugins.entries('burnish.backends');"
        "sys.exit(' '.join({'onnxruntime', 'torch', 'openvino', 'numpy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_unknown_name_tells_the_nearest():
    with pytest.raises(NotFoundError, match="unknown backend 'onnxruntme'") as caught:
        plugins.load("burnish.backends", "onnxruntme")
    assert caught.value.hint == "did you mean 'onnxruntime'?"


def test_empty_group():
    assert plugins.entries("burnish.no_such_group") == {}
    with pytest.raises(NotFoundError, match="none is known here"):
        plugins.load("burnish.no_such_group", "x")


def test_installed_or_not():
    assert plugins.is_installed("json")
    assert not plugins.is_installed("no_such_package_anywhere")


def test_require_returns_the_module():
    import json.decoder

    assert plugins.require("json.decoder", extra="x", need="this test") is json.decoder


def test_missing_extra_names_the_command():
    with pytest.raises(MissingExtraError, match="drawing a chart needs the package") as caught:
        plugins.require("no_such_package_anywhere.part", extra="compress", need="drawing a chart")
    assert caught.value.hint == "pip install 'burnish[compress]'"
