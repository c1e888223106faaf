"""Which operators left the device that was asked for."""

from collections import Counter
from collections.abc import Iterable

from burnish.graph import ComputeGraph
from burnish.runtime.backend import Placed

# Engines compute sizes on the processor on purpose: they are a handful of integers that steer the launch of
# the real work. By these names alone, though, a node is only believed where its results are integers.
_SIZE_OPERATORS = frozenset(
    "Add And Cast Ceil Concat ConstantOfShape Div Equal Expand Floor Gather Greater Less Max Min Mod Mul Neg "
    "Not Or Range ReduceMax ReduceMin ReduceProd ReduceSum Reshape Shape Size Slice Split Squeeze Sub "
    "Unsqueeze Where".split()
)
_SIZES = {"INT64", "INT32", "BOOL"}


def strays(graph: ComputeGraph, placement: Iterable[Placed]) -> dict[str, int]:
    """Return the operators that an accelerator left to the processor, and how many of each.

    Nodes that compute sizes do not count: those with integer results only, of operators that such
    computations use. A node that the engine renamed or made itself is judged by its operator alone.

    Args:
        graph: What was loaded.
        placement: As the session told it.
    """
    results = {
        node.name: {value.dtype.name for value in node.outputs if value.dtype is not None}
        for node in graph.model.graph.all_nodes()
        if node.name
    }
    left = Counter(
        placed.operator
        for placed in placement
        if placed.where.upper().startswith("CPU")
        and not (placed.operator in _SIZE_OPERATORS and results.get(placed.node, set()) <= _SIZES)
    )
    return dict(left.most_common())
