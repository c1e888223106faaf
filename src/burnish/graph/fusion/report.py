"""What fusing changed, pass by pass."""

from collections import Counter
from dataclasses import dataclass

import onnx_ir as ir


@dataclass(frozen=True, slots=True)
class PassReport:
    """What one pass did.

    Nodes are named ``operator name``.
    """

    name: str
    matched: dict[str, int]
    """How often each of its rules was applied."""
    removed: tuple[str, ...]
    """Nodes that are no longer there."""
    added: tuple[str, ...]
    """Nodes that were not there."""
    before: dict[str, int]
    """Nodes by operator before the pass, those inside control flow included."""
    after: dict[str, int]
    """Nodes by operator after the pass."""
    error: float | None = None
    """Largest difference of an output from what the graph gave before any pass, relative to the output's largest
    value; None where it was not compared."""

    @property
    def changed(self) -> bool:
        """Whether the pass did anything."""
        return bool(self.matched)

    @property
    def nodes(self) -> tuple[int, int]:
        """Number of nodes before and after."""
        return sum(self.before.values()), sum(self.after.values())


@dataclass(frozen=True, slots=True)
class FusionReport:
    """What all passes did, in the order in which they ran."""

    passes: tuple[PassReport, ...]
    skipped: dict[str, str]
    """Passes that could not run, and why."""

    @property
    def changed(self) -> tuple[PassReport, ...]:
        """The passes that did something."""
        return tuple(one for one in self.passes if one.changed)

    def __str__(self) -> str:
        lines = []
        for one in self.passes:
            first, last = one.nodes
            what = ", ".join(f"{count} x {rule}" for rule, count in one.matched.items()) or "nothing to do"
            lines.append(
                f"{one.name}: {what} ({first} -> {last} nodes)" if one.changed else f"{one.name}: {what}"
            )
        lines += [f"{name}: skipped, {reason}" for name, reason in self.skipped.items()]
        return "\n".join(lines)


Snapshot = dict[int, tuple[ir.Node, str]]


def snapshot(model: ir.Model) -> Snapshot:
    """Remember the nodes of a model, so that what a pass does to them can be told."""
    return {id(node): (node, f"{node.op_type} {node.name or ''}".strip()) for node in model.graph.all_nodes()}


def compared(
    name: str, matched: Counter[str], before: Snapshot, model: ir.Model, error: float | None
) -> PassReport:
    """Make the report of one pass from what the nodes were before it and are now."""
    after = snapshot(model)
    return PassReport(
        name=name,
        matched=dict(matched.most_common()),
        removed=tuple(label for key, (_, label) in before.items() if key not in after),
        added=tuple(label for key, (_, label) in after.items() if key not in before),
        before=_by_operator(before),
        after=_by_operator(after),
        error=error,
    )


def _by_operator(nodes: Snapshot) -> dict[str, int]:
    return dict(Counter(label.partition(" ")[0] for _, label in nodes.values()).most_common())
