"""The published CIFAR-10 ResNet-44: half of its multiply-adds removed.

``python benchmarks/compress/resnet44.py --work FOLDER`` prunes and measures; it goes on where it was interrupted. The
weights saw all 50,000 training images, so half of the test images choose and the other half report.
"""

import argparse
from pathlib import Path

from bases import resnet44
from kept import record_points

from burnish.compress import CompressConfig, TrainConfig, compress
from burnish.compress.pruning.prune import PruneConfig
from burnish.evaluate.latency import BenchConfig

CONFIG = CompressConfig(
    steps=("prune", "quantize"),
    prune=PruneConfig(
        step=0.16,
        measure="macs",
        target=0.5,
        rounding="multiple",
        round_to=2,
        floor_points=1.5,
        fine_tune=TrainConfig(epochs=4, batch_size=128, learning_rate=0.02, warmup=0.1),
    ),
    bench=BenchConfig(pause_s=0.2),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    work: Path = parser.parse_args().work
    task, model = resnet44()
    result = compress(model, task, CONFIG, work / "resnet44-compressed", notify=print)
    on_engine = [
        option for option in result.options if option.backend == "onnxruntime" and option.kernels is None
    ]
    original = next(option.macs for option in on_engine if option.candidate == "float")
    removed, option = max(((1 - o.macs / original, o) for o in on_engine), key=lambda one: one[0])
    record_points(
        "resnet44 pruned",
        option,
        removed,
        least_removed=0.5,
        most_points=0.5,
        what="multiply-adds",
        command="python benchmarks/compress/resnet44.py --work FOLDER",
    )


if __name__ == "__main__":
    main()
