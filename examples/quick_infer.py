"""Capture a network as one graph, run it on two engines, and compare what they say.

Run it with the extras ``compress`` and ``openvino``: ``python examples/quick_infer.py``.
"""

import numpy as np

import burnish


def main() -> None:
    """Print how far the two engines are apart."""
    task = burnish.load_task("digits")
    images = task.split("valid").take(np.arange(16)).inputs
    # untrained, to be quick: `burnish compress digits` trains
    graph = burnish.capture(task.build_model(), images, output_names=task.output_names)
    print(graph.signature, graph.digest)

    for backend in ("onnxruntime", "openvino"):
        logits = graph.infer(images, backend=backend)["logits"]
        print(f"{backend}: {logits.shape}, first row {np.round(logits[0, :3], 4)}")

    report = burnish.parity(graph, images, backends=["openvino"])
    for row in report.rows:
        print(f"{row.backend} against {report.reference}: at most {row.max_abs:.2g} apart")
    report.check()  # raises a ParityError when they disagree
    graph.close()


if __name__ == "__main__":
    main()
