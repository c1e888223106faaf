"""From one version of ONNX's operator set to another."""

import re

import onnx
import onnx_ir as ir
from onnx import version_converter

from burnish.errors import InputError, UnsupportedOpError
from burnish.graph.onnx_io import parse_model
from burnish.graph.operators import NEWEST_OPSET
from burnish.graph.storing import to_bytes

OLDEST_OPSET = 7
"""The oldest version that ONNX's converter reaches."""
_NO_ADAPTER = re.compile(r"No (?:Adapter (?:From|To) Version \$?\d+ for|Previous Version of) (?P<op>\w+)")


def convert_model(model: ir.Model, opset: int) -> ir.Model:
    """Return a model in another opset of ONNX's own domain; other domains keep theirs.

    Raises:
        UnsupportedOpError: An operator has no equivalent in this version.
        InputError: There is no such version, or the weights do not fit one ONNX message.
    """
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise InputError(
            f"there is no conversion to opset {opset}", hint=f"from {OLDEST_OPSET} to {NEWEST_OPSET}"
        )
    if model.functions:  # the converter drops them
        from onnx_ir.passes.common import InlinePass

        model = InlinePass()(model.clone()).model
    proto = onnx.ModelProto.FromString(to_bytes(model))
    present = _opset(proto)
    if present == opset:
        return model
    try:
        converted = version_converter.convert_version(proto, opset)
    except (RuntimeError, ValueError, IndexError) as error:  # the converter has no exceptions of its own
        raise UnsupportedOpError(
            f"the graph cannot go from opset {present} to {opset}: {_reason(error)}",
            hint="try an opset nearer to its own, or export the model again",
        ) from error
    del converted.metadata_props[:]
    converted.metadata_props.extend(proto.metadata_props)
    return parse_model(converted.SerializeToString(), source=f"the graph in opset {opset}")


def _opset(proto: onnx.ModelProto) -> int:
    return next((item.version for item in proto.opset_import if item.domain in ("", "ai.onnx")), 1)


def _reason(error: Exception) -> str:
    missing = _NO_ADAPTER.search(str(error))
    if missing:
        return f"operator {missing['op']!r} of domain 'ai.onnx' has no conversion that far"
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
