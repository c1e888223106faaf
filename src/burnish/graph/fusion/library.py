"""The parts of onnxscript that fusion uses; without the package, importing them is an error that says so."""

from typing import Any

from burnish.plugins import require


def _part(name: str) -> Any:
    return require(f"onnxscript.{name}", extra="compress", need="fusing a graph")


pattern = _part("rewriter.pattern")
common = _part("rewriter.rules.common")
skip_layer_norm_rules = _part(
    "rewriter.ort_fusions.skip_normalization"
).skip_layer_normalization_ruleset.rules
bias_gelu_rules = _part("rewriter.ort_fusions.bias_gelu").bias_gelu_rules.rules
optimizer = _part("optimizer")
