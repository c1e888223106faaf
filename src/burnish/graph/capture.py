"""From a PyTorch module to one graph."""

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from burnish.errors import InputError, ShapeError, nearest
from burnish.graph import storing
from burnish.graph.graph import ComputeGraph
from burnish.graph.naming import rename_outside
from burnish.graph.other_sizes import check_other_sizes
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
    dynamic: Mapping[str, Mapping[int, str]] | None = None,
) -> ComputeGraph:
    """Capture a module's forward pass.

    Args:
        module: On the CPU; put into eval mode for the capture and restored afterwards.
        example_inputs: Arrays by the names that the graph's inputs shall have, in the order of forward's
            arguments. At least two rows, so that the leading dimension is not mistaken for a constant.
        output_names: Names of the graph's outputs, in order; None leaves them to the exporter.
        batch: Symbol of the leading dimension of every input; None when it is fixed.
        dynamic: Symbols of further axes by input and axis, such as ``{"tokens": {1: "length"}}``; equal symbols are
            equal sizes.

    Raises:
        ShapeError: ``dynamic`` names an input or an axis that does not exist.
        InputError: Neither exporter can trace the module (the text says what each could not do), or the module
            fixes an axis that shall vary.
        MissingExtraError: PyTorch or onnxscript is not installed.
    """
    torch = require("torch", extra="compress", need="capturing a module")
    require("onnxscript", extra="compress", need="capturing a module")
    wanted = _Wanted(list(example_inputs), _symbols(example_inputs, batch, dynamic or {}), output_names)
    tensors = tuple(torch.tensor(array) for array in example_inputs.values())
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with _quiet():
            try:
                graph = _by_dynamo(torch, module, tensors, wanted, batch)
            except Exception as error:  # the exporter raises many kinds; the other exporter may still do
                reason = _reason(error)
                log.info("dynamo export failed, trying TorchScript", reason=reason)
                graph = _by_torchscript(torch, module, tensors, wanted, reason)
                check_other_sizes(graph, module, example_inputs, wanted.symbols)
        return _checked(graph, wanted)
    finally:
        for part, training in modes.items():
            part.training = training


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the captured graph shall look like from outside."""

    inputs: list[str]
    symbols: dict[str, dict[int, str]]
    """By input and axis."""
    outputs: Sequence[str] | None


def _symbols(
    inputs: Mapping[str, Array], batch: str | None, dynamic: Mapping[str, Mapping[int, str]]
) -> dict[str, dict[int, str]]:
    for name, axes in dynamic.items():
        if name not in inputs:
            raise ShapeError(f"dynamic names {name!r}, which is no input", hint=nearest(name, inputs))
        for axis in axes:
            if not 0 <= axis < inputs[name].ndim:
                raise ShapeError(
                    f"dynamic names axis {axis} of {name!r}", hint=f"it has {inputs[name].ndim} axes"
                )
    leading = {} if batch is None else {0: batch}
    return {name: leading | dict(dynamic.get(name, {})) for name in inputs}


def _by_dynamo(
    torch: Any, module: "torch.nn.Module", tensors: tuple[Any, ...], wanted: _Wanted, batch: str | None
) -> ComputeGraph:
    dim = torch.export.Dim(batch, min=1, max=1 << 16) if batch is not None else None
    # A named Dim must hold for all sizes up to its bound. Other axes are often bounded by the module, such as a
    # length by its table of positions: for these the exporter finds the bound, and what it fixes is refused below.
    shapes = tuple(
        {axis: dim if symbol == batch else symbol for axis, symbol in axes.items()}
        for axes in wanted.symbols.values()
    )
    variadic = [parameter.kind.name for parameter in inspect.signature(module.forward).parameters.values()]
    nested = (shapes,) if variadic == ["VAR_POSITIONAL"] else shapes
    program = torch.onnx.export(
        module,
        tensors,
        dynamo=True,
        dynamic_shapes=nested if any(shapes) else None,
        opset_version=OPSET,
        verbose=False,
    )
    # names are given afterwards: the exporter does not see that an inner value has a wanted name already
    rename_outside(program.model, wanted.inputs, wanted.outputs)
    return _detached(program.model)


def _detached(model: ir.Model) -> ComputeGraph:
    """Let go of the exporter's references to the module's weights."""
    if storing.fits_one_message(model):
        return ComputeGraph(storing.to_bytes(model))
    with storing.as_file(model) as path:
        return ComputeGraph(path)


def _by_torchscript(
    torch: Any, module: "torch.nn.Module", tensors: tuple[Any, ...], wanted: _Wanted, reason: str
) -> ComputeGraph:
    # the tracer only warns when it freezes the branch that the example happened to take: a wrong graph
    warnings.simplefilter("error", torch.jit.TracerWarning)
    leading = next((axes[0] for axes in wanted.symbols.values() if 0 in axes), None)
    outputs = {name: {0: leading} for name in wanted.outputs or ()} if leading is not None else {}
    axes = {name: axes for name, axes in wanted.symbols.items() if axes} | outputs
    stream = io.BytesIO()
    try:
        torch.onnx.export(
            module,
            tensors,
            stream,
            dynamo=False,
            dynamic_axes=axes or None,
            input_names=wanted.inputs,
            output_names=list(wanted.outputs) if wanted.outputs is not None else None,
            opset_version=min(OPSET, 17),
        )
        return ComputeGraph(stream.getvalue())
    except Exception as error:
        raise InputError(
            f"{type(module).__name__} cannot be captured. torch.export: {reason}. TorchScript: {_reason(error)}",
            hint="avoid Python control flow that depends on tensor values in forward",
        ) from error


def _checked(graph: ComputeGraph, wanted: _Wanted) -> ComputeGraph:
    """Refuse a graph that has fixed what shall vary."""
    for spec in graph.signature.inputs:
        for axis, symbol in wanted.symbols.get(spec.name, {}).items():
            if spec.shape[axis] != symbol:
                raise InputError(
                    f"axis {axis} of {spec.name!r} shall vary as {symbol!r}, but the module works with "
                    f"{spec.shape[axis]} only",
                    hint="leave it out of dynamic, or derive sizes from the shape of the input",
                )
    return graph


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
