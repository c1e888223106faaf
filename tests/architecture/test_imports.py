"""The layers hold, and a serving box stays small."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKSHOP = ("torch", "torch_pruning", "sklearn", "altair", "burnish.compress", "burnish.pipeline")


def test_import_contracts_hold():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", ["burnish.server", "burnish.registry", "burnish.rollout.launch"])
def test_serving_side_imports_nothing_of_the_workshop(module):
    probe = f"import sys, {module}; sys.exit(' '.join(set({WORKSHOP!r}) & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
