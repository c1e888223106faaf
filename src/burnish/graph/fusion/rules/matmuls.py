"""A product of matrices and the bias after it."""

from collections import Counter
from collections.abc import Sequence

import onnx_ir as ir

from burnish.graph.fusion.contract import Contract
from burnish.graph.fusion.library import common
from burnish.graph.fusion.rewriting import PatternRule, rewrite
from burnish.graph.fusion.values import FLOATS, dims, same_dim, standard

_RULES = {
    "Transposes + MatMul + bias": common.transpose_ab_matmul_add_to_gemm_rule,
    "Transpose + MatMul + bias": common.transpose_a_matmul_add_to_gemm_rule,
    "MatMul of Transpose + bias": common.transpose_b_matmul_add_to_gemm_rule,
    "MatMul + bias": common.matmul_add_to_gemm_rule,
}


def _bias_fits(nodes: Sequence[ir.Node]) -> bool:
    """Tell whether the other operand of the matched Add broadcasts to the product, and never the product to it.

    The library's rules look at the ranks of the factors alone.
    """
    add = next(node for node in nodes if standard(node, "Add"))
    product = next(node for node in nodes if standard(node, "MatMul")).outputs[0]
    bias = next((value for value in add.inputs if value is not product), None)
    size, other = dims(product), dims(bias)
    if bias is None or product.dtype not in FLOATS or bias.dtype != product.dtype:
        return False
    if size is None or other is None or len(size) != 2 or len(other) > 2:
        return False
    return all(b == 1 or same_dim(a, b) for a, b in zip(reversed(size), reversed(other), strict=False))


def _gemm(model: ir.Model) -> Counter[str]:
    wanted = [
        PatternRule(name, "Add", one, _bias_fits)
        for name, rule in _RULES.items()
        for one in rule.commute()  # the bias may come first
    ]
    return rewrite(model, wanted)


PASSES = (
    Contract(
        name="gemm",
        about="write the product of two matrices, its transposes and its bias as one Gemm",
        apply=_gemm,
        opset=11,  # before it, a Gemm needs its bias, and broadcasting is by attributes
    ),
)
