"""Several real processes on one registry, and writers killed at any point of push and alias."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from burnish.bundle import Bundle, EngineChoice, PackRequest, pack
from burnish.registry import Registry
from burnish.testing import graphs

SCRIPT = Path(__file__).with_name("registry_writers.py")


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Bundle:
    request = PackRequest(
        name="m",
        engine=EngineChoice(backend="onnxruntime"),
        golden_inputs={"x": np.ones((1, 3), np.float32)},
    )
    return pack(tmp_path_factory.mktemp("base") / "m.burnish", graphs.double(), request)


def run(root, base, mode, *numbers):
    command = [sys.executable, str(SCRIPT), str(root), str(base.path), mode, *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_two_processes_push_at_once_into_a_registry_that_neither_has_made(tmp_path, base):
    each = 20
    result = run(tmp_path / "registry", base, "push", each)
    assert result["versions"] == 2 * each
    with Registry(tmp_path / "registry") as registry:
        assert len({version.digest for version in registry.versions("m")}) == 2 * each


def test_two_processes_move_one_alias_and_every_move_counts(tmp_path, base):
    """Compare-and-swap: no move is lost, so the generation is the number of moves."""
    with Registry(tmp_path / "registry") as registry:
        registry.push(base)
        request = PackRequest(
            name="m", engine=base.manifest.engine, golden_inputs=base.golden()[0], hyper_parameters={"n": 2}
        )
        registry.push(pack(tmp_path / "second", graphs.double(), request))
    each = 30
    result = run(tmp_path / "registry", base, "count", each)
    with Registry(tmp_path / "registry") as registry:
        alias = registry.alias("m", "counter")
    assert alias is not None
    assert alias.generation == 2 * each
    assert result["audited"] == 2 + 2 * each


def test_two_processes_lay_out_one_version_at_once(tmp_path, base):
    with Registry(tmp_path / "registry") as registry:
        registry.push(base)
        run(tmp_path / "registry", base, "source")
        assert Bundle.open(registry.source("m", 1)).digest == base.digest
    assert not list((tmp_path / "registry" / "bundles").glob(".*"))


def test_writers_killed_at_any_point_break_nothing(tmp_path, base):
    """Two writers are killed in each round; afterwards all that is registered is whole and accounted for."""
    rounds = run(tmp_path / "registry", base, "kill", 25, 7)
    counts = [each["versions"] for each in rounds]
    assert counts == sorted(counts), "a registered version disappeared"
    assert counts[-1] > 0, "no writer ever got as far as a version"
    with Registry(tmp_path / "registry") as registry:  # and it goes on working
        registry.push(base)
        assert registry.get("m").digest == base.digest
