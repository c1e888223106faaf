"""MiniLM-L6 fine-tuned on SST-2: how small and how fast it gets for a point of accuracy.

``python benchmarks/compress/minilm.py --work FOLDER --model ENCODER`` fine-tunes the encoder when that is not done
yet, prunes heads and features in steps, distils, quantizes (dynamic INT8, 4-bit embedding tables), trains with
quantization, and measures every candidate at batch 1 and 8. It goes on where it was interrupted. On two cores this
takes hours.

The dev split has 872 sentences, so that the interval of a difference is about a point wide on either side: the floor
of the steps is set below the bar, and the bar itself is read from the test split.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from bases import MINILM, minilm
from kept import ISSUE, record_points
from record import record

from burnish.compress import CompressConfig, CompressResult, Option, compress
from burnish.compress.pruning.prune import PruneConfig
from burnish.compress.qat import QatConfig
from burnish.compress.quantize import QuantScheme
from burnish.compress.recipe.candidates import FLOAT
from burnish.evaluate.latency import BenchConfig

FINE_TUNE = replace(MINILM, epochs=1, distill_weight=0.9)
CONFIG = CompressConfig(
    steps=("prune", "distil", "quantize", "qat"),
    prune=PruneConfig(
        step=0.25,
        target=0.5,
        importance="l1",
        rounding="multiple",
        round_to=2,
        floor_points=4.0,
        fine_tune=FINE_TUNE,
    ),
    finalists=1,
    distil=replace(FINE_TUNE, epochs=2),
    quantize=QuantScheme(method="dynamic", embedding_bits=4),
    qat=QatConfig(train=replace(FINE_TUNE, learning_rate=2e-5), embedding_bits=4),
    bench=BenchConfig(pause_s=0.2),
    batches=(1, 8),
    floor_points=3.0,
)
COMMAND = "python benchmarks/compress/minilm.py --work FOLDER --model ENCODER"


def smallest(result: CompressResult) -> Option:
    """Return the smallest file on the engine where it is fastest."""
    least = min(option.size_bytes for option in result.options)
    return min(
        (option for option in result.options if option.size_bytes == least),
        key=lambda option: option.latency.median_ms,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    given = parser.parse_args()
    task, model = minilm(given.work, given.model)
    result = compress(model, task, CONFIG, given.work / "minilm-compressed", notify=print)
    best = smallest(result)
    original = next(option.size_bytes for option in result.options if option.candidate == FLOAT)
    gone = 1 - best.size_bytes / original
    for bar, least, most in (("minilm", 0.85, 1.0), ("minilm seed point", 0.75, 1.2)):
        record_points(
            bar, best, gone, least_removed=least, most_points=most, what="file's bytes", command=COMMAND
        )
    for timing in best.timings:
        record(
            ISSUE,
            f"minilm speed batch {timing.batch}",
            value=timing.eager_speedup.value,
            low=timing.eager_speedup.low,
            high=timing.eager_speedup.high,
            target=f"at least 4 times as fast as PyTorch eager at batch {timing.batch}",
            unit="times faster",
            met=timing.eager_speedup.value >= 4,
            command=COMMAND,
        )


if __name__ == "__main__":
    main()
