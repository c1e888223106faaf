"""What differs between two graphs: signature, operator sets, weights and nodes; other names are no difference."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, zip_longest

import onnx_ir as ir

from burnish.graph.digest import tensor_digest
from burnish.graph.dump import operator_name, opsets, shown_attribute, shown_node, shown_spec, shown_tensor
from burnish.graph.graph import ComputeGraph
from burnish.graph.signature import TensorSpec


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        part: ``signature``, ``opset``, ``weight`` or ``node``.
        before: How the first graph has it; empty when it was added.
        after: How the second has it; empty when it was removed.
    """

    part: str
    before: str
    after: str

    @property
    def kind(self) -> str:
        """``added``, ``removed`` or ``changed``."""
        if not self.before:
            return "added"
        return "changed" if self.after else "removed"


def diff(first: ComputeGraph, second: ComputeGraph) -> tuple[Change, ...]:
    """Compare two graphs by structure; no difference means that they compute the same.

    A node has its counterpart in one that does the same with the same values; failing that, in one with the same
    operator whose result has the same name. Weights count as the same when their content is.
    """
    pairs = _Pairs(first.model.graph, second.model.graph)
    weights = pairs.weights()
    return (*_signature(first, second), *_opsets(first.model, second.model), *weights, *pairs.nodes())


def _signature(first: ComputeGraph, second: ComputeGraph) -> Iterator[Change]:
    for side in ("inputs", "outputs"):
        before: tuple[TensorSpec, ...] = getattr(first.signature, side)
        after: tuple[TensorSpec, ...] = getattr(second.signature, side)
        old, new = ({spec.name: shown_spec(spec) for spec in specs} for specs in (before, after))
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                yield Change("signature", _headed(side, old.get(name)), _headed(side, new.get(name)))
        if list(old) != list(new) and set(old) == set(new):
            yield Change("signature", f"{side}: {', '.join(old)}", f"{side}: {', '.join(new)}")


def _headed(side: str, text: str | None) -> str:
    return f"{side.removesuffix('s')} {text}" if text else ""


def _opsets(first: ir.Model, second: ir.Model) -> Iterator[Change]:
    before, after = opsets(first.opset_imports.items()), opsets(second.opset_imports.items())
    if before != after:
        yield Change("opset", before, after)


class _Pairs:
    """Which values and nodes of the second graph belong to which of the first."""

    def __init__(self, first: ir.Graph, second: ir.Graph) -> None:
        self._first, self._second = first, second
        self._keys: dict[ir.Value, object] = {}
        """Equal for values that correspond: an input's name, a weight's content, a number for a node's result."""
        for graph in (first, second):
            self._keys |= dict(_weights(graph).values())
            self._keys |= {value: ("input", value.name) for value in graph.inputs}
        self._numbers = count()
        self._free: dict[object, list[ir.Node]] = {}
        """Nodes of the second graph that have no partner yet, by all that they can be found by."""

    def weights(self) -> list[Change]:
        """Compare weights by content, and those without an equal by name."""
        old, new = _weights(self._first), _weights(self._second)
        shared = {digest for _, digest in old.values()} & {digest for _, digest in new.values()}
        before, after = (
            {name: value for name, (value, digest) in side.items() if digest not in shared}
            for side in (old, new)
        )
        for name in before.keys() & after.keys():  # told once: the nodes that read it do not differ as well
            self._keys[after[name]] = self._keys[before[name]]
        return [
            Change("weight", _shown_weight(before.get(name)), _shown_weight(after.get(name)))
            for name in dict.fromkeys([*before, *after])
        ]

    def nodes(self) -> list[Change]:
        """Compare nodes in the order of the first graph; those that only the second has come last."""
        waiting = dict.fromkeys(self._second)
        for node in waiting:
            self._offer(node, ("name", *_named(node)))
            self._offer_by_inputs(node)
        changes = []
        for node in self._first:
            partner = self._partner(node, waiting)
            if partner is None:
                changes.append(Change("node", _shown_node(node), ""))
            elif self._key(node) != self._key(partner):
                changes.append(Change("node", _shown_node(node), _shown_node(partner)))
            if partner is not None:
                del waiting[partner]
            self._pair_outputs(node, partner)
        return changes + [Change("node", "", _shown_node(node)) for node in waiting]

    def _partner(self, node: ir.Node, waiting: dict[ir.Node, None]) -> ir.Node | None:
        whole, inputs = self._key(node), ("inputs", operator_name(node), self._input_keys(node))
        for key in (whole, ("name", *_named(node)), inputs):
            found = [other for other in self._free.get(key, ()) if other in waiting]
            if found:
                return next((other for other in found if _named(other) == _named(node)), found[0])
        return None

    def _pair_outputs(self, node: ir.Node, partner: ir.Node | None) -> None:
        others = partner.outputs if partner is not None else ()
        for value, other in zip_longest(node.outputs, others):
            number = next(self._numbers)
            if value is not None:
                self._keys[value] = number
            if other is not None:
                self._keys[other] = number
                for consumer in other.consumers():
                    self._offer_by_inputs(consumer)

    def _offer_by_inputs(self, node: ir.Node) -> None:
        """Let a node of the second graph be found by its inputs, once all of them correspond to something."""
        if all(value is None or value in self._keys for value in node.inputs):
            self._offer(node, self._key(node))
            self._offer(node, ("inputs", operator_name(node), self._input_keys(node)))

    def _offer(self, node: ir.Node, key: object) -> None:
        self._free.setdefault(key, []).append(node)

    def _key(self, node: ir.Node) -> object:
        attributes = tuple((name, shown_attribute(value)) for name, value in sorted(node.attributes.items()))
        return "whole", operator_name(node), attributes, self._input_keys(node)

    def _input_keys(self, node: ir.Node) -> tuple[object, ...]:
        return tuple(
            None if value is None else self._keys.get(value, ("unknown", value.name)) for value in node.inputs
        )


def _weights(graph: ir.Graph) -> dict[str, tuple[ir.Value, object]]:
    return {
        name: (value, ("weight", tensor_digest(value.const_value)))
        for name, value in graph.initializers.items()
        if value.const_value is not None
    }


def _named(node: ir.Node) -> tuple[str, str | None]:
    return operator_name(node), node.outputs[0].name if node.outputs else None


def _shown_node(node: ir.Node) -> str:
    return "\n".join(shown_node(node))


def _shown_weight(value: ir.Value | None) -> str:
    if value is None or value.const_value is None:
        return ""
    return f"{value.name}: {shown_tensor(value.const_value)}"
