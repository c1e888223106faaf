"""A graph as text: one line a node, weight, input and output, in the same order and spelling every time."""

from collections.abc import Iterable, Iterator

import onnx_ir as ir

from burnish.graph.digest import tensor_digest
from burnish.graph.signature import Signature, TensorSpec

_SHOWN_ELEMENTS = 8  # of a tensor: more are summarised
_DIGEST_DIGITS = 12


def dump(model: ir.Model, signature: Signature) -> str:
    """Return a model as text that two versions of it can be compared by, line by line.

    Weights are summarised by dtype, shape and digest; documentation and metadata are left out.
    """
    return "\n".join(_lines(model, signature)) + "\n"


def shown_node(node: ir.Node) -> list[str]:
    """Return a node as text: one line, and one more for every line of a graph inside it."""
    outputs = ", ".join(value.name or "_" for value in node.outputs)
    inputs = ", ".join("_" if value is None else value.name or "_" for value in node.inputs)
    plain, inner = [], []
    for name, attribute in sorted(node.attributes.items()):
        if attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) and not attribute.is_ref():
            inner.append((name, attribute))
        else:
            plain.append(f"{name}={shown_attribute(attribute)}")
    attributes = f" {{{', '.join(plain)}}}" if plain else ""
    lines = [f"{outputs} = {operator_name(node)}({inputs}){attributes}"]
    for name, attribute in inner:
        lines += (f"  {line}" for line in _inner_lines(name, attribute))
    return lines


def operator_name(node: ir.Node) -> str:
    """Return an operator with its domain, unless that is ONNX's own."""
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def shown_attribute(attribute: ir.Attr) -> str:
    """Return an attribute's value as text."""
    if attribute.is_ref():
        return f"@{attribute.ref_attr_name}"
    value = attribute.value
    if attribute.type == ir.AttributeType.TENSOR:
        return shown_tensor(value)
    if attribute.type == ir.AttributeType.TENSORS:
        return f"[{', '.join(map(shown_tensor, value))}]"
    if attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS):
        return " ".join(line.strip() for line in _inner_lines(attribute.name, attribute))
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_plain, value))}]"
    return _plain(value)


def shown_tensor(tensor: ir.TensorProtocol) -> str:
    """Return a tensor as its dtype and shape, with its values when they are few, else with a digest."""
    kind = f"{_dtype(tensor.dtype)}[{', '.join(map(str, tensor.shape.numpy()))}]"
    if tensor.size <= _SHOWN_ELEMENTS:
        values = tensor.numpy().reshape(-1).tolist()
        return f"{kind} {{{', '.join(map(_plain, values))}}}"
    return f"{kind} sha256:{tensor_digest(tensor).hex()[:_DIGEST_DIGITS]}"


def shown_type(value: ir.Value) -> str:
    """Return a value's dtype and shape, as far as they are known."""
    dtype = _dtype(value.dtype) if value.dtype is not None else str(value.type or "?")
    if value.shape is None:
        return f"{dtype}[?]"
    return (
        f"{dtype}[{', '.join(str(dim) if isinstance(dim, int) else dim.value or '?' for dim in value.shape)}]"
    )


def shown_spec(spec: TensorSpec) -> str:
    """Return an input or output with its notes."""
    notes = [f"ragged {', '.join(map(str, spec.ragged))}"] if spec.ragged else []
    notes += [f"layout {spec.layout}"] if spec.layout is not None else []
    return f"{spec}  # {'; '.join(notes)}" if notes else str(spec)


def opsets(imports: Iterable[tuple[str, int]]) -> str:
    """Return the operator sets that are imported, in order."""
    return ", ".join(sorted(f"{domain or 'ai.onnx'} {version}" for domain, version in imports))


def _lines(model: ir.Model, signature: Signature) -> Iterator[str]:
    graph = model.graph
    yield f"opset {opsets(model.opset_imports.items())}"
    for title, specs in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        yield title
        yield from (f"  {shown_spec(spec)}" for spec in specs)
    yield "weights"
    yield from _weight_lines(graph)
    yield "nodes"
    yield from (f"  {line}" for node in graph for line in shown_node(node))
    for function in sorted(model.functions.values(), key=lambda item: item.identifier()):
        yield f"function {function.domain}.{function.name} ({', '.join(v.name or '' for v in function.inputs)})"
        yield from (f"  {line}" for node in function for line in shown_node(node))
        yield f"  return {', '.join(value.name or '' for value in function.outputs)}"


def _weight_lines(graph: ir.Graph) -> Iterator[str]:
    for name, value in sorted(graph.initializers.items()):
        if value.const_value is not None:
            yield f"  {name}: {shown_tensor(value.const_value)}"


def _inner_lines(name: str, attribute: ir.Attr) -> Iterator[str]:
    graphs = [attribute.as_graph()] if attribute.type == ir.AttributeType.GRAPH else attribute.as_graphs()
    for graph in graphs:
        yield f"{name} ({', '.join(value.name or '' for value in graph.inputs)})"
        yield from _weight_lines(graph)
        yield from (f"  {line}" for node in graph for line in shown_node(node))
        yield f"  return {', '.join(value.name or '' for value in graph.outputs)}"


def _dtype(dtype: ir.DataType) -> str:
    return {"FLOAT": "float32", "DOUBLE": "float64"}.get(dtype.name, dtype.name.lower())


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.9g}"  # enough to tell two float32 apart
    if isinstance(value, bytes):
        return repr(value.decode(errors="replace"))
    return repr(value) if isinstance(value, str) else str(value)
