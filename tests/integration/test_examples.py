"""The examples run as they stand."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
EXPECTED = {
    "compress_a_model.py": "times smaller",
    "choose_a_device.py": "best: nvidia-jetson-orin-nano-8gb",
    "quick_infer.py": "openvino against onnxruntime: at most",
    "one_graph_many_engines.py": "6 operators became Gemm, Softmax",
    "serve_and_ask.py": "doubled: [[2.0, 4.0, 6.0]]",
}


def test_every_example_is_run_here():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_example_runs(name, tmp_path):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert EXPECTED[name] in done.stdout
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
    if name == "serve_and_ask.py":
        assert "exit code 0" in done.stdout
