"""What a model computes, as one digest: names of inner values, nodes and weights do not count.

Every value has a digest of its own: a weight's is that of its content, an input's that of its position, a node's that
of its operator, attributes and inputs. A graph's digest covers its inputs and outputs by name and type, the digests
of its outputs, and those of all its nodes, sorted: the order in which independent nodes are written does not count,
how often something is computed does.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

import onnx_ir as ir

from burnish.errors import InputError
from burnish.graph.shapes import RANDOM
from burnish.graph.storing import raw

_Known = Mapping[ir.Value, bytes]
_TENSORS = (ir.AttributeType.TENSOR, ir.AttributeType.TENSORS)
_GRAPHS = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
_PLAIN = frozenset(
    getattr(ir.AttributeType, name) for name in ("FLOAT", "INT", "STRING", "FLOATS", "INTS", "STRINGS")
)


def model_digest(model: ir.Model) -> str:
    """Return ``sha256:`` and 64 hexadecimal digits; equal for models that compute the same in the same way.

    File names, documentation, producer and metadata do not count; names, dtypes and shapes of the model's inputs and
    outputs do, as do the versions of the operator sets that it uses.

    Raises:
        InputError: A value is used before it is computed.

    Cost: one pass over the weights.
    """
    hasher = _Hasher()
    functions = [hasher.function(function) for function in model.functions.values()]
    graph = hasher.graph(model.graph, {}, depth=0)
    opsets = _opsets(model.opset_imports, model.graph.all_nodes())
    return "sha256:" + _join("model", opsets, *sorted(functions), graph).hex()


def tensor_digest(tensor: ir.TensorProtocol) -> bytes:
    """Return the digest of a tensor's dtype, shape and content."""
    return _join(tensor.dtype.name, str(tuple(tensor.shape.numpy())), raw(tensor))


def _may_differ(node: ir.Node) -> bool:
    """Two random draws are not one, nor need two calls of an operator that ONNX does not define be."""
    return node.domain not in ("", "ai.onnx", "ai.onnx.ml") or node.op_type in RANDOM


class _Hasher:
    """Counts the nodes whose equals need not compute equally, so that one is told from another."""

    def __init__(self) -> None:
        self._unlike: Counter[bytes] = Counter()

    def function(self, function: ir.Function) -> bytes:
        known = {value: _join("input", "0", str(index)) for index, value in enumerate(function.inputs)}
        nodes = self._nodes(function, known, depth=0)
        name = repr((function.domain, function.name, function.overload))
        defaults = [self._attribute(attribute, known, 0) for attribute in function.attributes.values()]
        outputs = (_known(known, value) for value in function.outputs)
        opsets = _opsets(function.opset_imports, function.all_nodes())
        return _join("function", name, opsets, *defaults, "outputs", *outputs, *sorted(nodes))

    def graph(self, graph: ir.Graph, outer: _Known, *, depth: int) -> bytes:
        """Digest a graph: the model's, whose inputs and outputs have names that count, or one inside a node."""
        known = dict(outer)
        for value in graph.initializers.values():
            if value.const_value is not None:
                known[value] = _join("weight", tensor_digest(value.const_value))
        defaults = [
            known.get(value, b"") for value in graph.inputs
        ]  # a weight may be one that a caller overrides
        for index, value in enumerate(graph.inputs):
            known[value] = _join("input", str(depth), str(index))
        nodes = self._nodes(graph, known, depth=depth)
        outputs = [_known(known, value) for value in graph.outputs]
        parts = [
            _join("in", _outside(value) if depth == 0 else "", default)
            for value, default in zip(graph.inputs, defaults, strict=True)
        ]
        parts += [
            _join("out", _outside(value) if depth == 0 else "", digest)
            for value, digest in zip(graph.outputs, outputs, strict=True)
        ]
        return _join("graph", *parts, *sorted(nodes))

    def _nodes(self, nodes: Iterable[ir.Node], known: dict[ir.Value, bytes], *, depth: int) -> list[bytes]:
        """Digest nodes in their order, and add their outputs to the known values."""
        digests = []
        for node in nodes:
            inputs = [b"" if value is None else _known(known, value) for value in node.inputs]
            attributes = [
                self._attribute(attribute, known, depth) for _, attribute in sorted(node.attributes.items())
            ]
            given = "".join("1" if value.name else "0" for value in node.outputs)
            kind = repr((node.domain, node.op_type, node.overload))
            digest = _join("node", kind, given, *inputs, "attributes", *attributes)
            if _may_differ(node):
                self._unlike[digest] += 1
                digest = _join("unlike", str(self._unlike[digest]), digest)
            digests.append(digest)
            for index, value in enumerate(node.outputs):
                known[value] = _join("output", str(index), digest)
        return digests

    def _attribute(self, attribute: ir.Attr, known: _Known, depth: int) -> bytes:
        head = repr((attribute.name, attribute.type.name))
        value = attribute.value
        if attribute.is_ref():
            return _join("reference", head, attribute.ref_attr_name or "")
        if value is None:
            return _join("undefined", head)
        if attribute.type in _PLAIN:
            return _join("plain", head, repr(value))
        if attribute.type in _TENSORS:
            tensors = [value] if attribute.type == ir.AttributeType.TENSOR else value
            return _join("tensors", head, *map(tensor_digest, tensors))
        if attribute.type in _GRAPHS:
            graphs = [value] if attribute.type == ir.AttributeType.GRAPH else value
            return _join("graphs", head, *(self.graph(graph, known, depth=depth + 1) for graph in graphs))
        return _join("other", head, ir.to_proto(attribute).SerializeToString(deterministic=True))


def _known(known: _Known, value: ir.Value) -> bytes:
    if value not in known:
        raise InputError(
            f"value {value.name!r} is used before it is computed",
            hint="write the nodes in an order that can be run",
        )
    return known[value]


def _opsets(imports: Mapping[str, int], nodes: Iterable[ir.Node]) -> str:
    used = {node.domain for node in nodes}
    return repr(sorted((domain, version) for domain, version in imports.items() if domain in used))


def _outside(value: ir.Value) -> str:
    dims = (
        [dim if isinstance(dim, int) else dim.value for dim in value.shape]
        if value.shape is not None
        else None
    )
    return repr((value.name, str(value.type), dims))


def _join(*parts: str | bytes | memoryview) -> bytes:
    """Digest parts, each framed by its length, so that no two lists of parts look alike."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()
