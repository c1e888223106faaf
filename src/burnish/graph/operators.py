"""Whether every operator of a model exists in the opset that the model names."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

import onnx

from burnish.errors import InputError, UnsupportedOpError, nearest

NEWEST_OPSET = onnx.defs.onnx_opset_version()
_ALIASES = {"ai.onnx": ""}


def check_operators(proto: onnx.ModelProto, source: str) -> None:
    """Check the operators of a model's standard domains.

    An operator of a domain that ONNX does not define may be one that an engine brings; it is left alone.

    Raises:
        UnsupportedOpError: An operator does not exist, or not in this opset; the text names operator and domain.
        InputError: A node's domain is not among the imports of the model.
    """
    own = {(function.domain, function.name) for function in proto.functions}
    scopes = [(proto.graph.node, proto.opset_import)]
    scopes += [(function.node, function.opset_import) for function in proto.functions]
    for nodes, imports in scopes:
        opsets = {_ALIASES.get(item.domain, item.domain): item.version for item in imports}
        for node in _all_nodes(nodes):
            if (node.domain, node.op_type) not in own:
                _check_node(node, opsets, source)


def _all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _all_nodes(graph.node)


def _check_node(node: onnx.NodeProto, opsets: Mapping[str, int], source: str) -> None:
    domain = _ALIASES.get(node.domain, node.domain)
    if domain not in opsets:
        raise InputError(
            f"{source}: node {node.name!r} ({node.op_type}) is of domain {_shown(domain)!r}, "
            "which the model does not import",
            hint=f"add it to the model's opset_import; it has {', '.join(map(_shown, opsets))}",
        )
    if domain not in _standard() or opsets[domain] > NEWEST_OPSET:
        return
    version = opsets[domain]
    try:
        schema = onnx.defs.get_schema(node.op_type, version, domain)
    except onnx.defs.SchemaError as error:
        raise UnsupportedOpError(
            f"{source}: operator {node.op_type!r} of domain {_shown(domain)!r} does not exist in opset {version}",
            hint=_advice(node.op_type, domain, version),
        ) from error
    if schema.deprecated:
        raise UnsupportedOpError(
            f"{source}: operator {node.op_type!r} of domain {_shown(domain)!r} was taken out by opset {version}",
            hint="export the model again with a newer exporter",
        )


def _advice(name: str, domain: str, version: int) -> str:
    born = [
        s.since_version
        for s in onnx.defs.get_all_schemas_with_history()
        if (s.name, s.domain) == (name, domain)
    ]
    if born and min(born) > version:
        return f"it came with opset {min(born)}: export with that opset"
    return nearest(name, (s.name for s in onnx.defs.get_all_schemas() if s.domain == domain))


@cache
def _standard() -> set[str]:
    return {schema.domain for schema in onnx.defs.get_all_schemas()}


def _shown(domain: str) -> str:
    return domain or "ai.onnx"
