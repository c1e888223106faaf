"""The shape of every value once the symbolic dimensions have sizes.

ONNX's own inference stops where a shape is computed by the graph itself (Shape, Gather, Concat, Reshape). Here every
value that follows from sizes and constants alone is computed on the way, so that such reshapes have one too.
"""

import math
from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir

from burnish.errors import ShapeError, nearest
from burnish.graph.signature import Array

_MOST_ELEMENTS = 1024  # of a value that is computed: shapes and indices are small, weights are left alone
RANDOM = frozenset(
    "Bernoulli Dropout Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike".split()
)
"""Operators that may draw random numbers."""


def sized_model(model: ir.Model, *, batch: int, sizes: Mapping[str, int]) -> ir.Model:
    """Return a copy of a model, weights shared, whose values have shapes of plain sizes wherever they follow.

    Args:
        model: Not modified. Its functions are inlined in the copy.
        batch: Size of every symbolic leading dimension of an input.
        sizes: Sizes of the other symbolic dimensions; they go before ``batch``.

    Raises:
        ShapeError: A symbolic dimension of an input has no size, or a size belongs to no dimension.

    Cost: one inference a node; no weight is copied or computed with.
    """
    # imported where it is used, as is the evaluator below: 15 MiB that a serving process does without
    from onnx_ir.passes.common import InlinePass, ShapeInferencePass

    sized = model.clone()
    if sized.functions:
        sized = InlinePass()(sized).model
    graph = sized.graph
    declared = {
        value: value.shape for node in graph.all_nodes() for value in node.outputs if value.shape is not None
    }
    _check_symbols(graph, declared, sizes)
    bound = _bind(graph, batch, sizes)
    for value in declared:  # an exporter's own symbols need not be the inputs'
        value.shape = None
    _infer(graph, declared, bound)
    if any(True for _ in graph.subgraphs()):
        ShapeInferencePass(check_type=False, strict_mode=False)(sized)
        _infer(graph, declared, bound)
    return sized


def static_shape(value: ir.Value) -> tuple[int, ...] | None:
    """Return a value's shape when all of it is known, else None."""
    shape = value.const_value.shape if value.const_value is not None else value.shape
    if shape is None or not all(isinstance(dim, int) for dim in shape):
        return None
    return tuple(int(dim) for dim in shape if isinstance(dim, int))


def _check_symbols(graph: ir.Graph, declared: Mapping[ir.Value, ir.Shape], sizes: Mapping[str, int]) -> None:
    """A misspelt symbol would leave the right one with the size of the batch."""
    shapes = [*declared.values(), *(value.shape for value in graph.inputs if value.shape is not None)]
    symbols = {
        dim.value for shape in shapes for dim in shape if isinstance(dim, ir.SymbolicDim) and dim.value
    }
    for name in sizes:
        if name not in symbols:
            raise ShapeError(f"no dimension of the graph is called {name!r}", hint=nearest(name, symbols))


def _bind(graph: ir.Graph, batch: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """Give the inputs their sizes; return the size of every symbol."""
    bound = dict(sizes)
    inputs = [value for value in graph.inputs if value.shape is not None]
    for value in inputs:
        dim = value.shape[0] if value.shape else None
        if isinstance(dim, ir.SymbolicDim) and dim.value is not None:
            bound.setdefault(dim.value, batch)
    for value in inputs:
        value.shape = ir.Shape(
            dim if isinstance(dim, int) else _size(value.name, axis, dim.value, batch, bound)
            for axis, dim in enumerate(value.shape or ())
        )
    return bound


def _size(name: str | None, axis: int, symbol: str | None, batch: int, bound: Mapping[str, int]) -> int:
    if symbol is not None and symbol in bound:
        return bound[symbol]
    if axis == 0:
        return batch
    raise ShapeError(
        f"input {name!r}: dimension {axis} ({symbol or 'unnamed'}) has no size",
        hint=f"give it one: --size {symbol}=N, or sizes in Python" if symbol else "name it in the model",
    )


def _infer(graph: ir.Graph, declared: Mapping[ir.Value, ir.Shape], bound: Mapping[str, int]) -> None:
    known = {value: _small(value.const_value) for value in graph.initializers.values()}
    for node in graph:
        _infer_types(node, known, graph.opset_imports)
        for value in node.outputs:
            if static_shape(value) is None and value in declared:  # an operator that onnx cannot infer
                value.shape = _substituted(declared[value], bound)
        _infer_own(node)
        named = (value for value in node.outputs if value.name)
        known |= zip(named, _computed(node, known, graph.opset_imports), strict=False)


def _substituted(shape: ir.Shape, bound: Mapping[str, int]) -> ir.Shape:
    return ir.Shape(
        bound.get(dim.value, dim) if isinstance(dim, ir.SymbolicDim) and dim.value is not None else dim
        for dim in shape
    )


def _infer_types(node: ir.Node, known: Mapping[ir.Value, Array | None], opsets: Mapping[str, int]) -> None:
    inputs = {value.name: value for value in node.inputs if value is not None}
    if any(attribute.type in _WITH_GRAPHS for attribute in node.attributes.values()):
        return
    try:
        schema = onnx.defs.get_schema(node.op_type, opsets.get(node.domain, 1), node.domain)
        found = onnx.shape_inference.infer_node_outputs(
            schema,
            ir.to_proto(node),
            {name: ir.to_proto(value).type for name, value in inputs.items() if name},
            {
                name: onnx.numpy_helper.from_array(array)
                for name, value in inputs.items()
                if name and (array := known.get(value)) is not None
            },
            opset_imports=[onnx.helper.make_opsetid(domain, version) for domain, version in opsets.items()],
        )
    except (onnx.defs.SchemaError, onnx.shape_inference.InferenceError, ValueError):
        return  # its outputs stay unknown, which the caller sees
    for value in node.outputs:
        inferred = found.get(value.name or "")
        if inferred is not None:
            shape = ir.serde.deserialize_type_proto_for_shape(inferred)
            value.type = ir.serde.deserialize_type_proto_for_type(inferred) or value.type
            value.shape = shape if shape is not None else value.shape


def _infer_own(node: ir.Node) -> None:
    """Infer what operators of ONNX Runtime's own give, as far as that is like their first input."""
    if node.domain == "com.microsoft" and node.op_type in _LIKE_FIRST and node.inputs[0] is not None:
        for position in _LIKE_FIRST[node.op_type]:
            value = node.outputs[position] if position < len(node.outputs) else None
            if value is not None and value.name and static_shape(value) is None:
                value.shape, value.type = node.inputs[0].shape, node.inputs[0].type


_LIKE_FIRST = {
    **dict.fromkeys(("BiasGelu", "FastGelu", "Gelu", "QuickGelu"), (0,)),
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), (0, 3)),
}
_WITH_GRAPHS = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)


def _computed(
    node: ir.Node, known: Mapping[ir.Value, Array | None], opsets: Mapping[str, int]
) -> list[Array | None]:
    """Return the outputs that sizes and small constants determine."""
    if node.domain not in ("", "ai.onnx") or node.op_type in RANDOM:
        return []
    if node.op_type == "Constant":
        return [_small(ir.convenience.get_const_tensor(node.outputs[0]))]
    if node.op_type in ("Shape", "Size"):
        return [_measured(node)]
    from onnx.reference import ReferenceEvaluator

    given = {value.name or "": known.get(value) for value in node.inputs if value is not None}
    inputs = {name: array for name, array in given.items() if array is not None}
    if not inputs or len(inputs) < len(given) or not all(map(_is_small, node.outputs)):
        return []
    graph = onnx.helper.make_graph(
        [ir.to_proto(node)],
        "one",
        [onnx.helper.make_empty_tensor_value_info(name) for name in inputs],
        [onnx.helper.make_empty_tensor_value_info(value.name) for value in node.outputs if value.name],
    )
    try:
        results = ReferenceEvaluator(graph, opsets=dict(opsets)).run(None, inputs)
    except Exception:  # it lacks an operator or a dtype, each in its own way: the value stays unknown
        return []
    return list(results)


def _measured(node: ir.Node) -> Array | None:
    value = node.inputs[0]
    shape = static_shape(value) if value is not None else None
    if shape is None:
        return None
    if node.op_type == "Size":
        return np.array(math.prod(shape), np.int64)
    start = node.attributes.get_int("start", 0)
    end = node.attributes.get_int("end", len(shape))
    return np.array(shape[start:end], np.int64)


def _is_small(value: ir.Value) -> bool:
    shape = static_shape(value)
    return shape is not None and math.prod(shape) <= _MOST_ELEMENTS


def _small(tensor: ir.TensorProtocol | None) -> Array | None:
    if tensor is None or tensor.size > _MOST_ELEMENTS:
        return None
    return tensor.numpy()
