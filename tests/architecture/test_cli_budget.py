"""`burnish --help` is quick because it imports no engine, no storage and no numbers."""

import subprocess
import sys
import time

BUDGET_S = 0.5
HEAVY = ("torch", "onnx", "onnx_ir", "onnxruntime", "numpy", "openvino", "sqlalchemy", "scipy", "sklearn")

_PROBE = """
import sys
from burnish.cli.main import app
try:
    app(["--help"])
except SystemExit as leaving:
    assert leaving.code == 0, leaving.code
heavy = [name for name in sys.argv[1:] if name in sys.modules]
sys.exit(f"imported: {heavy}" if heavy else 0)
"""


def test_help_leaves_heavy_packages_alone():
    done = subprocess.run([sys.executable, "-c", _PROBE, *HEAVY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Verbs:" in done.stdout


def test_help_answers_within_its_budget():
    command = [sys.executable, "-m", "burnish", "--help"]
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        taken.append(time.perf_counter() - begun)
    assert min(taken) < BUDGET_S
