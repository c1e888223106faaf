"""ONNX operators as torch functions, for the back end that carries a graph out node by node.

Each function takes the node, for its attributes, and the input tensors (None for an omitted one, a numpy array
where `host.STEERING` says that it reads numbers and they are known on the host), and returns one tensor or a
tuple. Semantics: the ONNX operator specification, opset 13 and later. These modules import
torch: only the torch back end loads them, and only when it opens a graph.
"""

from burnish.runtime.torch_ops import elementwise, host, neural, quantized, reducing, shaping
from burnish.runtime.torch_ops.node import Function, Node

TABLE: dict[str, Function] = {
    **elementwise.TABLE,
    **shaping.TABLE,
    **reducing.TABLE,
    **neural.TABLE,
    **quantized.TABLE,
}

# How many outputs the functions give where the operator may have more than one.
_OUTPUTS = {"Split": 1 << 16, "MaxPool": 2, "Dropout": 2, "LayerNormalization": 3, "TopK": 2}
_OUTPUTS |= {"DynamicQuantizeLinear": 3}
# Attributes that change what an operator means, and the values of them that are known.
_KNOWN_VALUES: dict[tuple[str, str], tuple[object, ...]] = {
    ("BatchNormalization", "training_mode"): (0,),
    ("DequantizeLinear", "block_size"): (0,),
    ("QuantizeLinear", "block_size"): (0,),
    ("MaxPool", "storage_order"): (0,),
    ("Pad", "mode"): ("constant", "reflect", "edge"),
    ("ScatterElements", "reduction"): ("none", "add", "mul", "max", "min"),
    ("ScatterND", "reduction"): ("none",),
}


def refusal(node: Node) -> str:
    """Say why a node cannot be carried out; empty when it can."""
    if node.domain not in ("", "ai.onnx"):
        return f"{node.domain}::{node.op}"
    if node.op not in TABLE and node.op not in host.OF_SIZES:
        return node.op
    if sum(map(bool, node.outputs)) > 1 and len(node.outputs) > _OUTPUTS.get(node.op, 1):
        return f"{node.op} with {len(node.outputs)} outputs"
    if node.op == "Dropout" and len(node.inputs) > 2 and node.inputs[2]:
        return "Dropout that may train"
    for (op, attribute), known in _KNOWN_VALUES.items():
        if op == node.op and node.get(attribute, known[0]) not in known:
            return f"{op} with {attribute}={node.get(attribute)!r}"
    return ""
