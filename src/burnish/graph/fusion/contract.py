"""What a pass demands of a graph, what it leaves behind, and the check of both."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir
from onnx_ir.passes import InPlacePass, PassResult, PostconditionError, PreconditionError

from burnish.graph.fusion import editing

Apply = Callable[[ir.Model], Counter[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One pass: what it does, and what holds before and after it.

    Every pass requires a graph that is in order, an opset that has what it writes, and what `unmet` says. Every
    pass ensures that inputs and outputs keep their names and dtypes, and that the graph is in order and has no more
    nodes than before. Rules are applied until none matches, so that none of their patterns is left.
    """

    name: str
    """One word or two, joined by a hyphen."""
    about: str
    """What it does, in one line."""
    apply: Apply
    """Changes the model; returns how often each of its rules did."""
    opset: int = 1
    """Oldest opset that has the operators which it writes."""
    engines: tuple[str, ...] = ()
    """Engines that have the operators which it writes; none named means all."""
    unmet: Callable[[ir.Model], str] = lambda _: ""
    """Says what else is missing from a model; empty when nothing is."""

    @property
    def portable(self) -> bool:
        """Whether every engine can load what it writes."""
        return not self.engines

    def missing(self, model: ir.Model) -> str:
        """Say why the pass cannot run on a model; empty when it can."""
        opset = model.graph.opset_imports.get("", 1)
        if opset < self.opset:
            return f"it writes operators of opset {self.opset}, and the graph is in opset {opset}"
        return self.unmet(model)


class FusionPass(InPlacePass):
    """Runs one contract, once, and checks it.

    Args:
        contract: The pass.

    Attributes:
        applied: How often each rule was applied, by its name; filled by the call.
    """

    def __init__(self, contract: Contract) -> None:
        super().__init__()
        self.contract = contract
        self.applied: Counter[str] = Counter()
        self._before = (0, _outside_of(None))

    def requires(self, model: ir.Model) -> None:
        """Check what must hold before; raises onnx_ir's PreconditionError."""
        reason = self.contract.missing(model) or disorder(model)
        if reason:
            raise PreconditionError(reason)

    def call(self, model: ir.Model) -> PassResult:
        """Apply the pass."""
        self._before = (_size(model), _outside_of(model))
        self.applied = self.contract.apply(model)
        editing.tidy(model)
        return PassResult(model, modified=bool(self.applied))

    def ensures(self, model: ir.Model) -> None:
        """Check what must hold after; raises onnx_ir's PostconditionError."""
        size, outside = self._before
        if _outside_of(model) != outside:
            raise PostconditionError(f"it changed inputs or outputs from {outside} to {_outside_of(model)}")
        if _size(model) > size:
            raise PostconditionError(f"it left {_size(model)} nodes of {size}")
        if reason := disorder(model):
            raise PostconditionError(reason)


def disorder(model: ir.Model) -> str:
    """Say which node of a model reads what nothing before it gives; empty when all is in order."""
    return _disorder(model.graph, set())


def _disorder(graph: ir.Graph, outer: set[ir.Value]) -> str:
    known = outer | set(graph.inputs) | set(graph.initializers.values())
    for node in graph:
        for value in node.inputs:
            if value is not None and value not in known:
                return f"{node.op_type} {node.name!r} reads {value.name!r}, which nothing before it gives"
        for attribute in node.attributes.values():
            inner = attribute.value if attribute.type is ir.AttributeType.GRAPHS else [attribute.value]
            for one in inner if attribute.type in _WITH_GRAPHS else ():
                if reason := _disorder(one, known):
                    return reason
        known |= set(node.outputs)
    lost = [value.name for value in graph.outputs if value not in known]
    return f"nothing gives the outputs {lost}" if lost else ""


_WITH_GRAPHS = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)


def _size(model: ir.Model) -> int:
    return sum(1 for _ in model.graph.all_nodes())


def _outside_of(model: ir.Model | None) -> list[str]:
    values = [] if model is None else [*model.graph.inputs, *model.graph.outputs]
    return [f"{value.name}: {value.type}" for value in values]
