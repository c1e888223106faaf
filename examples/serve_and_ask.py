"""Serve a model in a process of its own, ask it, stop it.

Run it with ``python examples/serve_and_ask.py``.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import burnish

folder = Path(tempfile.mkdtemp(prefix="burnish-example-"))
task = burnish.load_task("digits")
example = task.split("test").take(np.arange(2))
graph = burnish.capture(task.build_model(), example.inputs, output_names=task.output_names)
graph.save(folder / "digits.onnx")

command = [sys.executable, "-m", "burnish", "serve", str(folder / "digits.onnx")]
ready = folder / "ready.json"
server = subprocess.Popen([*command, "--port", "0", "--admin-port", "0", "--ready-file", str(ready)])
try:
    while not ready.exists() and server.poll() is None:
        time.sleep(0.05)
    addresses = json.loads(ready.read_text())
    with burnish.Client(addresses["http"]) as client:
        print(client.metadata("digits"))
        answer = client.infer("digits", example.inputs)
        print("version", answer.version, "answers", answer.outputs["logits"].argmax(axis=1))
finally:
    server.terminate()
    print("server ended with", server.wait())
