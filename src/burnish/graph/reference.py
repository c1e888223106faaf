"""ONNX's own evaluator: slow, and right by definition."""

from collections.abc import Callable, Mapping

import onnx
import onnx_ir as ir

from burnish.errors import UnsupportedOpError
from burnish.graph.signature import Array
from burnish.graph.storing import to_bytes

Run = Callable[[ir.Model, Mapping[str, Array]], dict[str, Array]]
"""Carries a model out: arrays by name in, arrays by name out."""


def run_reference(model: ir.Model, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Run a model once on ONNX's reference evaluator.

    Args:
        model: What to run.
        inputs: Arrays by name, as the signature says.

    Raises:
        UnsupportedOpError: The evaluator lacks an operator of the model.
        InputError: The weights do not fit one ONNX message.
    """
    from onnx.reference import ReferenceEvaluator

    proto = onnx.ModelProto.FromString(to_bytes(model))
    try:
        results = ReferenceEvaluator(proto).run(None, dict(inputs))
    except Exception as error:  # the evaluator has no base class for what it lacks
        raise UnsupportedOpError(
            f"ONNX's reference evaluator cannot run the graph: {type(error).__name__}: {error}",
            hint="compare with an engine instead",
        ) from error
    return dict(zip((value.name for value in proto.graph.output), results, strict=True))
