"""What loops an operator runs: the sizes that decide how well a device keeps up with it."""

import math
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from burnish.graph.arithmetic import VIEWS
from burnish.graph.shapes import static_shape

Role = Literal[
    "conv",
    "depthwise",
    "matmul",
    "recurrent",
    "normalize",
    "softmax",
    "elementwise",
    "reduce",
    "pool",
    "move",
    "free",
]
"""Class of operators that use a device alike; ``free`` ones only relabel data or are computed beforehand."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loops:
    """Sizes of the loops of one operator; `burnish.hardware.work.Work` tells what each means."""

    count: int = 1
    m: int = 0
    n: int = 0
    k: int = 0
    kernel: int = 1
    stride: int = 1
    width: int = 0


CONVS = frozenset("Conv FusedConv NhwcFusedConv ConvInteger QLinearConv ConvTranspose".split())
MATMULS = frozenset(
    "MatMul FusedMatMul Gemm FusedGemm MatMulInteger QLinearMatMul DynamicQuantizeMatMul Einsum Attention "
    "MultiHeadAttention".split()
)
_RECURRENT = frozenset(("LSTM", "GRU", "RNN"))


def role_of(node: ir.Node, loops: Loops, *, flops: int) -> Role:
    """Return a node's class."""
    op = node.op_type
    if op in VIEWS or all(value is None or value.const_value is not None for value in node.inputs):
        return "free"
    if op in CONVS:
        return "depthwise" if loops.count > 1 and loops.n == 1 else "conv"
    if op in MATMULS:
        return "matmul"
    if op in _RECURRENT:
        return "recurrent"
    if "Softmax" in op:
        return "softmax"
    if "Normalization" in op and op != "BatchNormalization":
        return "normalize"
    if "Pool" in op and "Global" not in op:
        return "pool"
    if op.startswith(("Reduce", "Global", "Arg", "CumSum", "TopK")):
        return "reduce"
    return "elementwise" if flops else "move"


def loops_of(node: ir.Node, *, macs: int) -> Loops:
    """Return the sizes of a node whose inputs and first output have shapes of plain sizes."""
    shapes = [static_shape(value) or () if value is not None else () for value in node.inputs]
    out = static_shape(node.outputs[0]) or ()
    op = node.op_type
    if op in CONVS:
        return _convolution(node, shapes, out)
    if op in MATMULS:
        return _product(node, shapes, out, macs)
    if op in _RECURRENT and len(shapes[0]) == 3:
        steps, batch, size = shapes[0]
        if node.attributes.get_int("layout", 0):
            steps, batch = batch, steps
        directions, gates, hidden = shapes[2]
        return Loops(count=steps * directions, m=batch, n=gates, k=size + hidden)
    if "Pool" in op and "Global" not in op:
        return _window(node, out)
    if op.startswith(("Reduce", "Global", "Arg", "CumSum", "TopK")):
        return _reduction(shapes, out)
    if "Normalization" in op or "Softmax" in op:
        return _rows(node, shapes[0])
    return _runs(node, shapes, out)


def _convolution(node: ir.Node, shapes: list[Shape], out: Shape) -> Loops:
    source, weight = shapes[0], shapes[3 if node.op_type == "QLinearConv" else 1]
    groups = node.attributes.get_int("group", 1)
    kernel, stride = math.prod(weight[2:]), max(node.attributes.get_ints("strides", (1,)) or (1,))
    if node.op_type == "ConvTranspose":  # a product whose columns are then added up where windows overlap
        positions, n, k = source[0] * math.prod(source[2:]), weight[1] * kernel, weight[0] // groups
        return Loops(count=groups, m=positions, n=n, k=k, kernel=kernel, stride=stride, width=source[-1])
    last = node.domain == "com.microsoft" and node.op_type == "NhwcFusedConv"
    image = out[1:-1] if last else out[2:]
    return Loops(
        count=groups,
        m=out[0] * math.prod(image),
        n=max(1, weight[0] // groups),
        k=weight[1] * kernel,
        kernel=kernel,
        stride=stride,
        width=image[-1] if image else 1,
    )


def _product(node: ir.Node, shapes: list[Shape], out: Shape, macs: int) -> Loops:
    if node.op_type in (
        "Attention",
        "MultiHeadAttention",
    ):  # two products: of queries and keys, then with values
        rows = out[-2] if len(out) > 1 else 1
        heads = math.prod(out[:-2]) if len(out) == 4 else out[0] * _heads(node)
        columns = out[-1] if len(out) == 4 else max(1, out[-1] * out[0] // heads)
        return Loops(count=2 * heads, m=rows, n=columns, k=macs // max(1, 2 * heads * rows * columns))
    m, n = (out[-2] if len(out) > 1 else 1), (out[-1] if out else 1)
    count, k = math.prod(out[:-2]), macs // max(1, math.prod(out))
    if len(shapes) > 1 and len(shapes[1]) == 2:  # one matrix for the whole stack
        return Loops(m=m * count, n=n, k=k)
    return Loops(count=count, m=m, n=n, k=k)


def _heads(node: ir.Node) -> int:
    name = "num_heads" if node.domain == "com.microsoft" else "q_num_heads"
    return node.attributes.get_int(name, 1)


def _window(node: ir.Node, out: Shape) -> Loops:
    kernel = math.prod(node.attributes["kernel_shape"].as_ints())
    stride = max(node.attributes.get_ints("strides", (1,)) or (1,))
    return Loops(m=math.prod(out[:2]), n=math.prod(out[2:]), kernel=kernel, stride=stride, width=out[-1])


def _reduction(shapes: list[Shape], out: Shape) -> Loops:
    """What is summed lies ``stride`` apart."""
    size, results = math.prod(shapes[0]), max(1, math.prod(out))
    inner = 1
    for have, left in zip(reversed(shapes[0]), reversed(out), strict=False):
        if have != left:
            break
        inner *= have
    return Loops(m=results, n=max(1, size // results), stride=inner)


def _rows(node: ir.Node, shape: Shape) -> Loops:
    if node.op_type == "InstanceNormalization":  # over each channel's image
        n = math.prod(shape[2:])
        return Loops(m=math.prod(shape[:2]), n=max(1, n))
    axis = node.attributes.get_int("axis", -1)
    axis += len(shape) if axis < 0 else 0
    each = shape[axis : axis + 1] if "Softmax" in node.op_type else shape[axis:]
    n = max(1, math.prod(each))
    return Loops(m=max(1, math.prod(shape) // n), n=n)


def _runs(node: ir.Node, shapes: list[Shape], out: Shape) -> Loops:
    """Return how many runs of elements there are, and how many that lie side by side make one."""
    op, size = node.op_type, max(1, math.prod(out))
    if op == "Transpose":
        run = _kept(node, shapes[0])
    elif op in ("Concat", "Split", "Slice", "Gather", "GatherND", "Pad", "Expand", "Tile"):
        run = _side_by_side(node, shapes, out)
    elif op in ("Resize", "Upsample", "DepthToSpace", "SpaceToDepth"):
        run = 1
    elif op in ("ReorderInput", "ReorderOutput"):
        run = math.prod(out[2:])
    else:
        run = _alike([shape for shape in shapes if math.prod(shape) > 1], out)
    return Loops(m=max(1, size // max(1, run)), n=max(1, run))


def _kept(node: ir.Node, shape: Shape) -> int:
    order = node.attributes.get_ints("perm", tuple(reversed(range(len(shape)))))
    moving = [axis for axis in order or () if shape[axis] > 1]
    run = 1
    for axis, place in zip(reversed(moving), sorted(moving, reverse=True), strict=True):
        if axis != place:
            break
        run *= shape[axis]
    return run


def _side_by_side(node: ir.Node, shapes: list[Shape], out: Shape) -> int:
    """Return the elements from the last axis that changes on."""
    source = shapes[0]
    if node.op_type == "Gather":
        axis = node.attributes.get_int("axis", 0)
        return math.prod(source[axis:][1:]) if axis >= 0 else math.prod(source[len(source) + axis :][1:])
    changed = [axis for axis, (a, b) in enumerate(zip(source, out, strict=False)) if a != b]
    last = max(changed, default=0)
    return math.prod(min(a, b) for a, b in zip(source[last:], out[last:], strict=False))


def _alike(shapes: list[Shape], out: Shape) -> int:
    """Return the elements of the last axes over which each operand either varies or stays the same."""
    run, pattern = 1, None
    for axis in range(1, len(out) + 1):
        if out[-axis] == 1:
            continue
        now = tuple(len(shape) >= axis and shape[-axis] == out[-axis] for shape in shapes)
        if pattern is not None and now != pattern:
            break
        pattern = now
        run *= out[-axis]
    return run
