"""Serve a small model in a process of its own, ask it over the Open Inference Protocol, and stop it.

Run it with burnish alone, no extra: ``python examples/serve_and_ask.py``.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnx.parser

from burnish import Client

MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
double (float[batch, 3] x) => (float[batch, 3] y) { y = Add(x, x) }
"""
PATIENCE_S = 60.0


def main() -> None:
    """Start, ask and stop a server."""
    with tempfile.TemporaryDirectory() as folder:
        model, ready = Path(folder) / "double.onnx", Path(folder) / "ready.json"
        onnx.save(onnx.parser.parse_model(MODEL), model)
        command = [sys.executable, "-m", "burnish", "serve", str(model)]
        command += ["--port", "0", "--admin-port", "0", "--ready-file", str(ready)]
        with subprocess.Popen(command) as server:
            try:
                ask(wait_until_ready(server, ready))
            finally:
                server.terminate()  # it finishes what is under way
        print(f"the server left with exit code {server.returncode}")


def wait_until_ready(server: subprocess.Popen[bytes], ready: Path) -> str:
    """Return the server's address once every model is loaded, warm and checked."""
    deadline = time.monotonic() + PATIENCE_S
    while not ready.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("the server did not become ready")
        time.sleep(0.05)
    return str(json.loads(ready.read_text())["http"])


def ask(url: str) -> None:
    """Send one request and print the answer."""
    with Client(url) as client:
        print(client.metadata("double")["inputs"])
        answer = client.infer("double", {"x": np.array([[1, 2, 3]], np.float32)})
        print(f"doubled: {answer.outputs['y'].tolist()} by version {answer.version}")


if __name__ == "__main__":
    main()
