"""What there is to draw: one box a node, input and output; one edge a value and consumer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx_ir as ir

from burnish.graph.cost import GraphCost, NodeCost
from burnish.graph.dump import shown_attribute, shown_tensor, shown_type
from burnish.graph.shapes import static_shape
from burnish.units import format_bytes, format_count

_KINDS = {
    "multiply": "Conv ConvInteger ConvTranspose QLinearConv FusedConv Gemm FusedGemm MatMul FusedMatMul "
    "MatMulInteger QLinearMatMul Einsum Attention MultiHeadAttention LSTM GRU RNN",
    "activate": "Relu LeakyRelu PRelu Elu Selu Celu Gelu FastGelu BiasGelu Sigmoid HardSigmoid HardSwish Swish Mish "
    "Softmax LogSoftmax Softplus Tanh Erf Clip",
    "normalize": "BatchNormalization LayerNormalization InstanceNormalization GroupNormalization RMSNormalization "
    "SkipLayerNormalization LRN",
    "pool": "MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean ReduceSum ReduceMax ReduceMin",
    "move": "Reshape Transpose Concat Split Slice Gather Squeeze Unsqueeze Flatten Expand Tile Pad Cast Shape "
    "Identity Constant ConstantOfShape Where Range Resize",
    "quantize": "QuantizeLinear DequantizeLinear DynamicQuantizeLinear",
}
_KIND_OF = {op: kind for kind, ops in _KINDS.items() for op in ops.split()}


@dataclass(slots=True)
class Box:
    """One box.

    Attributes:
        kind: Decides its colour: ``input``, ``output``, or what its operator does.
        title: The operator, or the name of an input or output.
        rows: Weights and small constants, as name and text.
        facts: What the reader is told about it on request, as name and text.
        share: Its part of all operations, 0 to 1.
    """

    kind: str
    title: str
    rows: list[tuple[str, str]] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Edge:
    """One value on its way from a box to another, by their numbers."""

    source: int
    target: int
    label: str


@dataclass(frozen=True, slots=True)
class Scene:
    """All boxes, each after those that lead to it, and all edges."""

    boxes: list[Box]
    edges: list[Edge]


def scene_of(sized: ir.Model, cost: GraphCost) -> Scene:
    """Describe a model whose values have shapes, and what its nodes cost."""
    graph = sized.graph
    costs = {node.index: node for node in cost.nodes}
    boxes: list[Box] = []
    made: dict[ir.Value, int] = {}
    edges: list[Edge] = []
    for value in graph.inputs:
        if value.name not in graph.initializers:
            made[value] = len(boxes)
            boxes.append(Box("input", value.name or "", facts=[("type", shown_type(value))]))
    for index, node in enumerate(graph):
        if node.op_type == "Constant" and not node.domain:
            continue  # shown in the boxes that use it
        number = len(boxes)
        boxes.append(_box(node, costs.get(index), cost.flops))
        edges += (
            Edge(made[value], number, _label(value))
            for value in dict.fromkeys(_needed(node))
            if value in made
        )
        made |= dict.fromkeys(node.outputs, number)
    for value in graph.outputs:
        if value in made:
            edges.append(Edge(made[value], len(boxes), _label(value)))
        boxes.append(Box("output", value.name or "", facts=[("type", shown_type(value))]))
    return Scene(boxes, edges)


def _box(node: ir.Node, cost: NodeCost | None, flops: int) -> Box:
    box = Box(_KIND_OF.get(node.op_type, "compute"), node.op_type)
    for value, name in zip(node.inputs, _input_names(node), strict=True):
        constant = ir.convenience.get_const_tensor(value) if value is not None else None
        if constant is not None:
            box.rows.append((name, shown_tensor(constant)))
    box.facts = [("name", node.name or "")] if node.name else []
    box.facts += [("domain", node.domain)] if node.domain else []
    box.facts += [(name, shown_attribute(attribute)) for name, attribute in sorted(node.attributes.items())]
    box.facts += [("gives", f"{value.name}: {shown_type(value)}") for value in node.outputs if value.name]
    if cost is None:
        box.facts.append(("cost", "not known"))
        return box
    box.share = cost.flops / flops if flops else 0.0
    box.facts += [
        ("operations", f"{format_count(cost.flops)} ({box.share:.1%})"),
        ("memory traffic", format_bytes(cost.bytes)),
        ("operations a byte", f"{cost.intensity:.2f}"),
        ("parameters", format_count(cost.parameters)),
    ]
    return box


def _input_names(node: ir.Node) -> list[str]:
    """Return what the operator calls its inputs, such as W and B."""
    names: Mapping[int, str] = dict(enumerate(_formal_names(node)))
    return [names.get(index, str(index)) for index in range(len(node.inputs))]


def _formal_names(node: ir.Node) -> list[str]:
    import onnx

    try:
        return [item.name for item in onnx.defs.get_schema(node.op_type, node.domain).inputs]
    except onnx.defs.SchemaError:
        return []


def _needed(node: ir.Node) -> list[ir.Value]:
    """Return the values that a node reads, those of graphs inside it included."""
    values = [value for value in node.inputs if value is not None]
    for attribute in node.attributes.values():
        graphs = []
        if attribute.type == ir.AttributeType.GRAPH:
            graphs = [attribute.as_graph()]
        elif attribute.type == ir.AttributeType.GRAPHS:
            graphs = list(attribute.as_graphs())
        for graph in graphs:
            values += (value for inner in graph.all_nodes() for value in inner.inputs if value is not None)
    return values


def _label(value: ir.Value) -> str:
    shape = static_shape(value)
    return "\N{MULTIPLICATION SIGN}".join(map(str, shape)) if shape else ""
