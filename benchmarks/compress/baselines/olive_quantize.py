"""Olive's quantization passes for ONNX, with their defaults and with what its guide advises for CPUs like these.

Run it in the environment that environments.py made. Each pass is one Olive workflow over one float file.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from candidates import Start, add_arguments, attempt, pruned_files, start

os.environ.setdefault("OLIVE_DISABLE_TELEMETRY", "1")
from olive.data.component.dataset import BaseDataset
from olive.data.registry import Registry
from olive.workflows import run

TOOL = "olive"
DATA = "calibration"
ADVISED = {"per_channel": True, "reduce_range": True}
PASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "static": ("OnnxStaticQuantization, defaults", {"type": "OnnxStaticQuantization", "data_config": DATA}),
    "static-u8": (
        "OnnxStaticQuantization, uint8 activations, 7-bit weights per channel",
        {
            "type": "OnnxStaticQuantization",
            "data_config": DATA,
            "activation_type": "uint8",
            **ADVISED,
        },
    ),
    "dynamic": ("OnnxDynamicQuantization, defaults", {"type": "OnnxDynamicQuantization"}),
    "dynamic-channels": (
        "OnnxDynamicQuantization, 7-bit weights per channel",
        {"type": "OnnxDynamicQuantization", **ADVISED},
    ),
    "weights": ("OnnxBlockWiseRtnQuantization, defaults", {"type": "OnnxBlockWiseRtnQuantization"}),
}
AFTER_PRUNING = ("static-u8", "dynamic-channels")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--pruned", action="store_true", help="quantize what Torch-Pruning left, too")
    parser.add_argument("--passes", nargs="+", default=list(PASSES), choices=PASSES)
    arguments = parser.parse_args()
    begun = start(arguments)
    Registry.register_dataset("burnish_calibration")(partial(dataset, begun))
    for name in arguments.passes:
        how, settings = PASSES[name]
        attempt(begun, TOOL, name, how, partial(workflow, begun.float_file, settings))
    for pruned in pruned_files(begun.folder) if arguments.pruned else ():
        for name in set(arguments.passes) & set(AFTER_PRUNING):
            how, settings = PASSES[name]
            attempt(
                begun,
                TOOL,
                f"{pruned.name}-{name}",
                f"{how}, after Torch-Pruning ({pruned.how})",
                partial(workflow, pruned.file, settings),
                epochs=pruned.epochs,
            )


def workflow(file: Path, settings: dict[str, Any], path: Path) -> Path:
    """Run one pass over one file."""
    with tempfile.TemporaryDirectory() as scratch:
        done = run(
            {
                "input_model": {"type": "ONNXModel", "model_path": str(file)},
                "systems": {
                    "here": {
                        "type": "LocalSystem",
                        "accelerators": [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}],
                    }
                },
                "data_configs": [{"name": DATA, "load_dataset_config": {"type": "burnish_calibration"}}],
                "passes": {"quantize": settings},
                "host": "here",
                "target": "here",
                "cache_dir": f"{scratch}/cache",
                "output_dir": f"{scratch}/out",
                "log_severity_level": 2,
            }
        )
        best = done.get_best_candidate()
        if best is None:
            raise RuntimeError("Olive finished without a model; its log above says why")
        written = path.with_suffix(".onnx")
        written.write_bytes(Path(best.model_path).read_bytes())
    return written


def dataset(begun: Start, **_: Any) -> BaseDataset:
    """Return the calibration examples as Olive wants them: inputs of one example and a label that it ignores."""
    return BaseDataset(list(examples(begun)))


def examples(begun: Start) -> Iterator[Any]:
    split = begun.calibration
    for row in range(len(split)):
        yield {name: array[row] for name, array in split.inputs.items()}, 0


if __name__ == "__main__":
    main()
