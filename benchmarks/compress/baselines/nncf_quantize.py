"""NNCF's quantization: after training on ONNX and on OpenVINO's form, weights alone, and in training.

Run it in the environment that environments.py made. NNCF compiles a C++ extension for training at its first use:
that needs a compiler and, on a busy machine, more than the minute that it allows by default.
"""

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from candidates import Start, add_arguments, attempt, pruned_files, start

from burnish.compress.pruning.prune import PruneConfig
from burnish.compress.training.train import TrainConfig, train
from burnish.evaluate.task import Split

os.environ.setdefault("NNCF_EXTENSION_LOAD_TIMEOUT", "0")  # none
import nncf
import onnx
import openvino

TOOL = "nncf"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument(
        "--transformer", action="store_true", help="tell NNCF that the model is a transformer"
    )
    parser.add_argument("--pruned", action="store_true", help="quantize what Torch-Pruning left, too")
    parser.add_argument("--train", type=json.loads, default={}, help="TrainConfig of QAT, as JSON")
    parser.add_argument("--no-qat", action="store_true")
    arguments = parser.parse_args()
    begun = start(arguments)
    settings = {"model_type": nncf.ModelType.TRANSFORMER} if arguments.transformer else {}
    for name, (how, work) in WAYS.items():
        attempt(begun, TOOL, name, how, partial(work, begun, begun.float_file, settings))
    for pruned in pruned_files(begun.folder) if arguments.pruned else ():
        for name in AFTER_PRUNING:
            how, work = WAYS[name]
            attempt(
                begun,
                TOOL,
                f"{pruned.name}-{name}",
                f"{how}, after Torch-Pruning ({pruned.how})",
                partial(work, begun, pruned.file, settings),
                epochs=pruned.epochs,
            )
    if not arguments.no_qat:
        config = replace(PruneConfig().fine_tune, seed=arguments.seed, **arguments.train)
        how = f"quantization-aware training, {config.epochs} epochs"
        work = partial(in_training, begun, config, settings)
        attempt(begun, TOOL, "qat", how, work, epochs=config.epochs)


def quantize_onnx(begun: Start, file: Path, settings: dict[str, Any], path: Path) -> Path:
    quantized = nncf.quantize(onnx.load(file), arrays(begun), subset_size=begun.samples, **settings)
    onnx.save(quantized, path.with_suffix(".onnx"))
    return path.with_suffix(".onnx")


def quantize_openvino(begun: Start, file: Path, settings: dict[str, Any], path: Path) -> Path:
    model = openvino.Core().read_model(file)
    return save(nncf.quantize(model, arrays(begun), subset_size=begun.samples, **settings), path)


def compress_weights(_: Start, file: Path, __: dict[str, Any], path: Path) -> Path:
    return save(
        nncf.compress_weights(openvino.Core().read_model(file), mode=nncf.CompressWeightsMode.INT8_SYM), path
    )


def in_training(begun: Start, config: TrainConfig, settings: dict[str, Any], path: Path) -> Path:
    """Train with NNCF's fake quantization, and convert by the way that its guide shows."""
    examples = nncf.Dataset(list(begun.calibration.batches(1)), tensors)
    model = nncf.quantize(begun.fresh(), examples, subset_size=begun.samples, **settings)
    train(model, begun.task, config)
    stripped = nncf.strip(model, example_input=begun.example)
    names = list(begun.calibration.inputs)
    converted = openvino.convert_model(
        stripped,
        example_input=begun.example,
        input=[(-1, *tensor.shape[1:]) for tensor in begun.example],
    )
    for port, name in zip(converted.inputs, names, strict=True):
        port.set_names({name})
    for port, name in zip(converted.outputs, begun.task.output_names, strict=True):
        port.set_names({name})
    return save(converted, path)


def arrays(begun: Start) -> nncf.Dataset:
    return nncf.Dataset([dict(batch.inputs) for batch in begun.calibration.batches(1)])


def tensors(batch: Split) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(array) for array in batch.inputs.values())


def save(model: openvino.Model, path: Path) -> Path:
    file = path.with_suffix(".xml")
    openvino.save_model(model, file, compress_to_fp16=False)
    return file


Work = Callable[[Start, Path, dict[str, Any], Path], Path]
WAYS: dict[str, tuple[str, Work]] = {
    "ptq-onnx": ("nncf.quantize on ONNX", quantize_onnx),
    "ptq-openvino": ("nncf.quantize on OpenVINO's form", quantize_openvino),
    "weights": ("nncf.compress_weights to INT8", compress_weights),
}
AFTER_PRUNING = ("ptq-onnx", "ptq-openvino")

if __name__ == "__main__":
    main()
