"""From a PyTorch module to one graph."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from burnish.errors import InputError
from burnish.graph.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.logs import get_logger
from burnish.plugins import require

if TYPE_CHECKING:
    import torch

log = get_logger(__name__)

OPSET = 20


def capture(
    module: "torch.nn.Module",
    example_inputs: Mapping[str, Array],
    *,
    output_names: Sequence[str] | None = None,
    batch: str | None = "batch",
) -> ComputeGraph:
    """Capture a module's forward pass.

    Args:
        module: On the CPU; put into eval mode for the capture and restored afterwards.
        example_inputs: Arrays by the names that the graph's inputs shall have, in the order of forward's
            arguments. At least two rows, so that the leading dimension is not mistaken for a constant.
        output_names: Names of the graph's outputs, in order; None leaves them to the exporter.
        batch: Symbol of the leading dimension of every input; None when all dimensions are fixed.

    Raises:
        InputError: Neither exporter can trace the module; the text says what each could not do.
        MissingExtraError: PyTorch or onnxscript is not installed.
    """
    torch = require("torch", extra="compress", need="capturing a module")
    require("onnxscript", extra="compress", need="capturing a module")
    tensors = tuple(torch.tensor(array) for array in example_inputs.values())
    names = list(example_inputs)
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with _quiet():
            try:
                return _by_dynamo(torch, module, tensors, names, output_names, batch)
            except Exception as error:  # the exporter raises many kinds; the other exporter may still do
                reason = _reason(error)
                log.info("dynamo export failed, trying TorchScript", reason=reason)
            try:
                return _by_torchscript(torch, module, tensors, names, output_names, batch)
            except Exception as error:
                raise InputError(
                    f"{type(module).__name__} cannot be captured. torch.export: {reason}. "
                    f"TorchScript: {_reason(error)}",
                    hint="avoid Python control flow that depends on tensor values in forward",
                ) from error
    finally:
        for part, training in modes.items():
            part.training = training


def _by_dynamo(
    torch: Any,
    module: "torch.nn.Module",
    tensors: tuple[Any, ...],
    names: list[str],
    output_names: Sequence[str] | None,
    batch: str | None,
) -> ComputeGraph:
    dynamic = None
    if batch is not None:
        dim = torch.export.Dim(batch, min=1, max=1 << 16)
        dynamic = tuple({0: dim} for _ in tensors)
    program = torch.onnx.export(
        module,
        tensors,
        dynamo=True,
        dynamic_shapes=dynamic,
        input_names=names,
        output_names=list(output_names) if output_names is not None else None,
        opset_version=OPSET,
        verbose=False,
    )
    # a trip through bytes lets go of the exporter's references to the module's weights
    return ComputeGraph(ir.serde.serialize_model(program.model).SerializeToString())


def _by_torchscript(
    torch: Any,
    module: "torch.nn.Module",
    tensors: tuple[Any, ...],
    names: list[str],
    output_names: Sequence[str] | None,
    batch: str | None,
) -> ComputeGraph:
    # the tracer only warns when it freezes the branch that the example happened to take: a wrong graph
    warnings.simplefilter("error", torch.jit.TracerWarning)
    stream = io.BytesIO()
    every = [*names, *(output_names or ())]
    torch.onnx.export(
        module,
        tensors,
        stream,
        dynamo=False,
        dynamic_axes={name: {0: batch} for name in every} if batch is not None else None,
        input_names=names,
        output_names=list(output_names) if output_names is not None else None,
        opset_version=min(OPSET, 17),
    )
    return ComputeGraph(stream.getvalue())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress, advice and dumps out of the user's terminal.

    What it has to say about a failure is in the exception.
    """
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx")]
    talkers: list[logging.Logger | logging.Handler] = [*loggers]
    talkers += (handler for logger in loggers for handler in logger.handlers)
    levels = [(talker, talker.level) for talker in talkers]
    nowhere = io.StringIO()
    for item, _ in levels:
        item.setLevel(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for item, level in levels:
            item.setLevel(level)


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:  # the exporters wrap what went wrong in pages of advice
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
