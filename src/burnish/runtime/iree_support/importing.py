"""From ONNX to the MLIR that IREE compiles."""

import io
import warnings

import onnx

from burnish.errors import CompileError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.plugins import require
from burnish.runtime.importing import raised, refuse, specialized
from burnish.runtime.importing.refusals import nodes_of
from burnish.runtime.iree_support.refused import REFUSED

ENTRY = "main"
_OLDEST_OPSET = 17


def to_mlir(graph: ComputeGraph) -> bytes:
    """Return a graph as MLIR bytecode, with its weights, as one function named `ENTRY`.

    Raises:
        UnsupportedOpError: Names an operator that the importer or IREE does not know.
        CompileError: The importer refused the graph for another reason.
    """
    model = onnx.load_from_string(graph.to_bytes())
    refuse(model, REFUSED, engine="iree")
    model = raised(model, oldest=_OLDEST_OPSET, to=_OLDEST_OPSET, engine="iree")
    model.graph.name = ENTRY
    model = specialized(model, {})  # shapes stay free; what depends on no input is worked out
    _check_types(model)
    return _import(model)


def _check_types(model: onnx.ModelProto) -> None:
    """Refuse values without a type: the importer would take them for omitted ones."""
    graph = model.graph
    typed = {value.name for value in (*graph.value_info, *graph.output) if value.type.WhichOneof("value")}
    for node in graph.node:
        if not all(name in typed for name in node.output if name):
            raise UnsupportedOpError(
                f"the iree back end cannot tell what {node.op_type} gives: its type cannot be inferred",
                hint="try onnxruntime, openvino or torch",
            )
    for node in nodes_of(graph):
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.SPARSE_TENSOR:
                raise UnsupportedOpError("the iree back end takes no sparse constants")


def _import(model: onnx.ModelProto) -> bytes:
    importer = require("iree.compiler.extras.onnx_importer", extra="iree", need="the back end 'iree'")
    mlir = require("iree.compiler.ir", extra="iree", need="the back end 'iree'")
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            info = importer.ModelInfo(model)
            module = info.create_module(context=mlir.Context()).operation
            importer.NodeImporter.define_function(info.main_graph, module).import_all()
            module.write_bytecode(buffer)
    except Exception as error:  # the importer raises classes that share no base of their own
        raise CompileError(f"iree's importer refused the graph: {error}") from error
    return buffer.getvalue()
