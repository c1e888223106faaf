"""One graph on two engines: capture a network, run it, compare.

Run it with ``python examples/quick_infer.py``.
"""

import numpy as np

import burnish

task = burnish.load_task("digits")
images = task.split("test").take(np.arange(4))
graph = burnish.capture(task.build_model(), images.inputs, output_names=task.output_names)
print(graph)

for backend in ("onnxruntime", "openvino"):
    logits = graph.infer(images.inputs, device="cpu", backend=backend)["logits"]
    print(f"{backend:12} says", logits.argmax(axis=1), "(the network is untrained)")

report = burnish.parity(graph, images.inputs, backends=["onnxruntime", "openvino"])
report.check()
print(f"largest difference: {report.rows[0].max_abs:.1e}")
