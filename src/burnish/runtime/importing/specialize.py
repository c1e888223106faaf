"""A model for one set of input shapes, with everything worked out that no longer depends on the inputs.

Arithmetic on shapes (Shape, Gather, Concat, Reshape) is where importers differ from the standard most often.
With fixed input shapes nearly all of it is constant, so that an importer sees a plain network.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from burnish.graph.signature import Array

# A folded value may be no larger than this many elements, unless its inputs were as large.
_LARGEST_FOLD = 1 << 16
_NEVER_FOLDED = frozenset(
    "RandomNormal RandomNormalLike RandomUniform RandomUniformLike Bernoulli Multinomial Dropout".split()
)


def specialized(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """Return a copy of a model whose inputs have the given shapes, constants folded, dead nodes removed.

    Args:
        model: What to specialize; not modified.
        shapes: The shape of every input, by name; empty to fold what does not depend on them.

    Cost: one shape inference a round, usually two or three rounds.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    for value in graph.input:
        if value.name in shapes:
            _set_shape(value, shapes[value.name])
    declared = {value.name: value.type.tensor_type for value in model.graph.output}
    for value in graph.output if shapes else ():  # inference tells them anew, now without symbols
        value.type.tensor_type.ClearField("shape")
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    while True:
        del graph.value_info[:]
        result = _inferred(result)
        graph = result.graph
        if not _fold(result, constants):
            break
    for value in graph.output:
        if not value.type.tensor_type.HasField("shape"):
            value.type.tensor_type.CopyFrom(declared[value.name])
    _drop_unused(graph)
    return result


def _set_shape(value: onnx.ValueInfoProto, shape: Sequence[int]) -> None:
    value.type.tensor_type.ClearField("shape")
    dims = value.type.tensor_type.shape
    dims.SetInParent()
    for size in shape:
        dims.dim.add().dim_value = size


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError):
        return model  # the engine's importer says what is wrong, in its own words


def _fold(model: onnx.ModelProto, constants: dict[str, Array]) -> bool:
    """Turn every node that depends on constants and known shapes alone into initializers."""
    graph = model.graph
    known = {value.name: _sizes(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    kept, folded = [], False
    for node in graph.node:
        values = _values(node, model, constants, known)
        if values is None:
            kept.append(node)
            continue
        folded = True
        for name, array in values.items():
            constants[name] = array
            graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    if folded:
        del graph.node[:]
        graph.node.extend(kept)
    return folded


def _sizes(value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    if not value.type.tensor_type.HasField("shape"):
        return None
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value for dim in dims) if all(dim.HasField("dim_value") for dim in dims) else None


def _values(
    node: onnx.NodeProto,
    model: onnx.ModelProto,
    constants: Mapping[str, Array],
    known: Mapping[str, tuple[int, ...] | None],
) -> dict[str, Array] | None:
    """Return what a node gives, when that is known."""
    if (
        node.domain
        or node.op_type in _NEVER_FOLDED
        or any(a.HasField("g") or a.graphs for a in node.attribute)
    ):
        return None
    given = {name: constants.get(name) for name in node.input if name}
    if node.op_type in ("Shape", "Size"):
        shape = known.get(node.input[0])
        # a stand-in of the right shape that takes no memory
        given = {node.input[0]: None if shape is None else np.broadcast_to(np.float32(0), shape)}
    if any(array is None for array in given.values()):
        return None
    try:
        outputs = _evaluator(node, model).run(None, given)
    except Exception:  # what the reference cannot do is left for the engine to do, or to refuse
        return None
    names = [name for name in node.output if name]
    allowed = max([_LARGEST_FOLD, *(array.size for array in given.values() if array is not None)])
    arrays = [np.asarray(value) for value in outputs]
    if any(array.size > allowed or array.dtype.kind in "OSU" for array in arrays):
        return None
    return dict(zip(names, arrays, strict=True))


def _evaluator(node: onnx.NodeProto, model: onnx.ModelProto) -> ReferenceEvaluator:
    names = [name for name in node.output if name]
    graph = onnx.helper.make_graph(
        [node],
        "fold",
        [onnx.helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(node.input) if name],
        [onnx.helper.make_empty_tensor_value_info(name) for name in names],
    )
    return ReferenceEvaluator(
        onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    )


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and constants that no output depends on."""
    used = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if used & set(node.output):
            kept.append(node)
            used.update(node.input)
            used.update(_captured(node))
    del graph.node[:]
    graph.node.extend(reversed(kept))
    initializers = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(initializers)


def _captured(node: onnx.NodeProto) -> set[str]:
    """Return the names that the graphs inside a node may read from outside."""
    names: set[str] = set()
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            names.update(value.name for value in inner.output)
            for child in inner.node:
                names.update(child.input)
                names |= _captured(child)
    return names
