"""From ONNX to the Relax module that TVM compiles."""

import contextlib
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from burnish.errors import CompileError, UnsupportedOpError
from burnish.plugins import require
from burnish.runtime.importing import raised, refuse, specialized
from burnish.runtime.tvm_support.refused import REFUSED

_OLDEST_OPSET = 13
_CONVERT_TO = 18
_MISSING = re.compile(r"not supported for frontend ONNX: (.+)")
_FAILED = re.compile(r"Error converting operator (\w+)")
_UNSETTLED = "tvm cannot take Expand to a shape that the inputs' values tell"
_HINT = "try onnxruntime, openvino or torch"


class _FrontendError(Exception):
    """What the frontend raised, and what it printed before."""

    def __init__(self, cause: Exception, said: str) -> None:
        missing, failed = _MISSING.search(str(cause)), _FAILED.search(said)
        self.missing = missing.group(1) if missing else ""
        self.failed = failed.group(1) if failed else ""
        super().__init__(last_line(cause))


def prepared(data: bytes) -> onnx.ModelProto:
    """Parse a model, refuse what the frontend gets wrong, and raise an old opset.

    Raises:
        UnsupportedOpError: Names the operators that the frontend gets wrong, or whose domain it does not know.
    """
    model = onnx.load_from_string(data)
    refuse(model, REFUSED, engine="tvm")
    given = {value.name for value in model.graph.input}
    if any(node.op_type == "Expand" and node.input[1] in given for node in model.graph.node):
        raise UnsupportedOpError(_UNSETTLED, hint=_HINT)
    return raised(model, oldest=_OLDEST_OPSET, to=_CONVERT_TO, engine="tvm")


def check_operators(model: onnx.ModelProto) -> None:
    """Check that the frontend has every operator, where the shapes of the inputs are not known yet.

    Raises:
        UnsupportedOpError: Names those that it lacks.
    """
    try:
        _import(model)
    except _FrontendError as error:
        if error.missing:  # all else may come of the free shapes alone
            raise _refused(error) from error


def to_relax(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> tuple[Any, list[bool]]:
    """Return a model as a Relax module for inputs of the given shapes, and which outputs are constants.

    Raises:
        UnsupportedOpError: Names the operator that the frontend lacks, or cannot take as it is used.
        CompileError: The frontend refused the model for another reason.
    """
    fixed = specialized(model, shapes)
    _settle_expands(fixed.graph)
    constants = {tensor.name for tensor in fixed.graph.initializer}
    try:
        module = _import(fixed)
    except _FrontendError as error:
        raise _refused(error) from error
    return module, [value.name in constants for value in fixed.graph.output]


def _import(model: onnx.ModelProto) -> Any:
    frontend = require("tvm.relax.frontend.onnx", extra="tvm", need="the back end 'tvm'")
    said = io.StringIO()  # the frontend prints which operator failed
    try:
        with contextlib.redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return frontend.from_onnx(model)
    except Exception as error:  # the frontend raises whatever its Python happens to raise
        raise _FrontendError(error, said.getvalue()) from error


def _refused(error: _FrontendError) -> CompileError | UnsupportedOpError:
    if error.missing:
        return UnsupportedOpError(f"tvm's frontend has no {error.missing}", hint=_HINT)
    if error.failed:
        return UnsupportedOpError(f"tvm's frontend cannot take {error.failed} as it is: {error}", hint=_HINT)
    return CompileError(f"tvm's frontend refused the graph: {error}", hint=_HINT)


def _settle_expands(graph: onnx.GraphProto) -> None:
    """Give every Expand the shape that it ends with: the frontend takes a 1 in it for a size of 1.

    Raises:
        UnsupportedOpError: The shape of one depends on the inputs' values.
    """
    constants = {tensor.name for tensor in graph.initializer}
    ends = {value.name: value.type.tensor_type.shape.dim for value in (*graph.value_info, *graph.output)}
    for node in [node for node in graph.node if node.op_type == "Expand"]:
        dims = ends.get(node.output[0], ())
        if node.input[1] not in constants or not all(dim.HasField("dim_value") for dim in dims):
            raise UnsupportedOpError(_UNSETTLED, hint=_HINT)
        sizes = [dim.dim_value for dim in dims]
        shape = onnx.numpy_helper.from_array(np.array(sizes, np.int64), f"{node.output[0]}_settled")
        node.input[1] = shape.name
        graph.initializer.append(shape)


def last_line(error: Exception) -> str:
    """Return the end of an error's text: TVM's begins with a trace of its own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
