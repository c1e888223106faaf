"""Applying rules until none matches any more.

Patterns are matched by onnxscript's rewriter. What is added here are the conditions that every rewrite has to
keep, whoever wrote the rule: all matched nodes lie in one graph, and a new weight takes the place of no other.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import onnx_ir as ir

from burnish.errors import InternalError
from burnish.graph.fusion import editing
from burnish.graph.fusion.library import pattern

Guard = Callable[[Sequence[ir.Node]], bool]


class Rule(Protocol):
    """One rewrite: looks at a node, and changes the graph around it or does not."""

    @property
    def name(self) -> str:
        """What the rule is called in reports."""

    def apply(self, model: ir.Model, graph: ir.Graph, node: ir.Node) -> bool:
        """Rewrite what ends in ``node`` and tell whether it did."""


@dataclass(frozen=True, slots=True)
class PatternRule:
    """A rule of onnxscript's rewriter, with a condition that the rule itself does not check."""

    name: str
    root: str
    """Operator of the node that a match ends in."""
    rule: Any
    guard: Guard = field(default=lambda _: True)
    """Told the matched nodes; False leaves them as they are."""

    def apply(self, model: ir.Model, graph: ir.Graph, node: ir.Node) -> bool:
        """Rewrite what ends in ``node`` and tell whether it did."""
        if node.op_type != self.root:
            return False
        match = self.rule.match(model, graph, node)
        if not match or any(one.graph is not graph for one in match.nodes) or not self.guard(match.nodes):
            return False
        made = self.rule.try_rewrite(model, graph, node)
        if made is None:
            return False
        for value in made.new_initializers:
            editing.register(graph, value)
        old = made.match.nodes if self.rule.remove_nodes else []
        outputs = made.match.outputs
        ir.convenience.replace_nodes_and_values(graph, node, old, made.new_nodes, outputs, made.new_outputs)
        return True


@dataclass(frozen=True, slots=True)
class NodeRule:
    """A rule that edits the graph around a node by itself, for what is no fixed pattern."""

    name: str
    edit: Callable[[ir.Graph, ir.Node], bool]

    def apply(self, model: ir.Model, graph: ir.Graph, node: ir.Node) -> bool:  # noqa: ARG002 - see Rule
        """Rewrite what ends in ``node`` and tell whether it did."""
        return self.edit(graph, node)


def rules(
    name: str, root: str, target: Callable[..., Any], write: Callable[..., Any], check: Callable[..., bool]
) -> list[Rule]:
    """Make the rules of one pattern: itself, and with the operands of its sums and products exchanged."""
    rule = pattern.RewriteRule(target, write, check, name=name)
    return [PatternRule(name, root, one) for one in rule.commute()]


def rewrite(model: ir.Model, wanted: Iterable[Rule]) -> Counter[str]:
    """Apply rules to a model and the graphs inside its nodes until none matches.

    Returns:
        How often each rule was applied, by its name.

    Raises:
        InternalError: The rules undo each other.
    """
    chosen = list(wanted)
    applied: Counter[str] = Counter()
    rounds = 10 + sum(1 for _ in model.graph.all_nodes())
    for _ in range(rounds):
        found = _round(model, chosen)
        if not found:
            return applied
        applied += found
        editing.tidy(model)
    raise InternalError(f"rules {', '.join(sorted(applied))} do not come to an end")


def _round(model: ir.Model, chosen: Sequence[Rule]) -> Counter[str]:
    found: Counter[str] = Counter()
    for graph in editing.graphs(model):
        for node in list(graph):
            for rule in chosen:
                if node.graph is not graph:  # an earlier rewrite took it out
                    break
                if rule.apply(model, graph, node):
                    found[rule.name] += 1
                    break
    return found
