"""Quantization-aware training: from a float network and its task to a graph of integers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from burnish.compress.qat.config import QatConfig
from burnish.compress.qat.export import difference, export
from burnish.compress.qat.prepare import prepare
from burnish.compress.qat.trace import place
from burnish.compress.quantize.ranges import Histogram
from burnish.compress.reporter import SILENT, Reporter
from burnish.compress.training.device import training_device
from burnish.compress.training.train import Epoch, train
from burnish.evaluate.task import Task
from burnish.graph import ComputeGraph


@dataclass(frozen=True, slots=True)
class QatResult:
    """A network that learnt to be rounded."""

    graph: ComputeGraph
    """QuantizeLinear and DequantizeLinear around every integer kernel; the batch varies."""
    network: nn.Module
    """What was trained, with its rounding in floating point, in eval mode."""
    epochs: tuple[Epoch, ...]
    layers: tuple[str, ...]
    """Layers and products that became integer kernels."""
    floats: Mapping[str, str]
    """Why a layer or product stays in floating point, by name."""
    histograms: Mapping[str, Histogram]
    """What calibration saw, by name of the activation."""
    difference: float
    """How far the graph's answers on ONNX Runtime are from the network's: root of the mean squared difference, as a
    share of that of the answers. What saturates in the engine shows here."""


def quantize_aware(
    model: nn.Module,
    task: Task,
    config: QatConfig,
    *,
    teacher: nn.Module | None = None,
    checkpoint: Path | None = None,
    reporter: Reporter = SILENT,
) -> QatResult:
    """Train a network with the rounding of its integers in place, and export it with integers.

    Args:
        model: Trained float network, whole or with channels cut; not changed.
        task: Data, loss and score.
        config: How.
        teacher: Float network whose answers are imitated; None takes the model itself.
        checkpoint: Where training is kept; an interrupted one goes on from there to the same result.
        reporter: Told what happens.

    Raises:
        InputError: The network cannot be traced, there is no calibration data, or numbers are not finite.
        UnsupportedOpError: The network has nothing that can be quantized.
        NotFoundError: ``keep_float`` names what is not there.
        ArtifactError: The checkpoint belongs to another network or other settings.

    Cost: training, which the rounding makes about as slow again, and the export, seconds to a minute.

    References:
        Jacob et al. 2018, arXiv:1712.05877.
    """
    prepared = prepare(model, task, config)
    reporter.line(
        f"integers in {len(prepared.layers)} layers and products, calibrated by {config.calibration}"
    )
    for name, reason in prepared.floats.items():
        reporter.line(f"{name} stays in floating point: {reason}")
    place(prepared.network, training_device(config.train.device))
    try:
        epochs = train(
            prepared.network,
            task,
            config.train,
            teacher=teacher if teacher is not None else model,
            checkpoint=checkpoint,
            on_step=reporter.steps("train with integers", config.train.epochs),
        )
    finally:
        place(prepared.network, torch.device("cpu"))
    graph = export(prepared.network, task, config)
    apart = difference(graph, prepared.network, task)
    reporter.line(f"the file's answers are {apart:.2%} from those of the network that was trained")
    return QatResult(
        graph=graph,
        network=prepared.network,
        epochs=tuple(epochs),
        layers=prepared.layers,
        floats=prepared.floats,
        histograms=prepared.histograms,
        difference=apart,
    )
