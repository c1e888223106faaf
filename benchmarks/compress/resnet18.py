"""ResNet-18 on CIFAR-10: how small it gets before it loses 1% of its accuracy, and what INT8 adds.

``python benchmarks/compress/resnet18.py --work FOLDER`` trains the network when it is not there yet, prunes it to 40%
of its parameters in steps, quantizes it, trains with quantization, and measures every candidate. It goes on where it
was interrupted. On two cores training and compressing take hours.
"""

import argparse
from pathlib import Path

from bases import resnet18
from kept import record_kept

from burnish.compress import CompressConfig, CompressResult, Option, TrainConfig, compress
from burnish.compress.pruning.prune import PruneConfig
from burnish.compress.qat import QatConfig
from burnish.evaluate.latency import BenchConfig

CONFIG = CompressConfig(
    steps=("prune", "quantize", "qat"),
    prune=PruneConfig(
        step=0.125,
        measure="parameters",
        target=0.6,
        rounding="multiple",
        round_to=16,
        floor_points=1.0,
        fine_tune=TrainConfig(epochs=2, batch_size=128, learning_rate=0.02, warmup=0.1),
    ),
    qat=QatConfig(train=TrainConfig(epochs=1, batch_size=128, learning_rate=0.004, warmup=0.1)),
    bench=BenchConfig(pause_s=0.2),
    batches=(1, 8),
)
COMMAND = "python benchmarks/compress/resnet18.py --work FOLDER"


def floats(result: CompressResult, original_parameters: int) -> list[tuple[float, Option]]:
    """Return every pruned float network with its share of parameters removed, on the first engine."""
    return [
        (1 - option.parameters / original_parameters, option)
        for option in result.options
        if option.candidate.startswith("pruned-")
        and option.kernels is None
        and option.backend == "onnxruntime"
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    work: Path = parser.parse_args().work
    task, model = resnet18(work)
    result = compress(model, task, CONFIG, work / "resnet18-compressed", notify=print)
    pruned = floats(result, sum(p.numel() for p in model.parameters()))
    for bar, least_removed, least_kept in (
        ("resnet18 pruned", 0.6, 0.99),
        ("resnet18 seed point", 0.4, 0.98),
    ):
        removed, option = min((one for one in pruned if one[0] >= least_removed), key=lambda one: one[0])
        record_kept(
            bar,
            option,
            removed,
            least_removed=least_removed,
            least_kept=least_kept,
            what="parameters",
            command=COMMAND,
        )


if __name__ == "__main__":
    main()
