"""Fake quantizers go into a traced network where the plan wants integers."""

from collections.abc import Iterator
from typing import Literal

from torch.fx import GraphModule, Node

from burnish.compress.qat.config import QatConfig
from burnish.compress.qat.constants import value_of
from burnish.compress.qat.fake_quant import ActivationQuantizer, FakeQuantizer, StepClock, WeightQuantizer
from burnish.compress.qat.operators import JOINS, MATMULS, NEVER_NEGATIVE, WEIGHTED, operand
from burnish.compress.qat.plan import Placement, has_weight, operands, source

ACTIVATION_BITS = 8
CLOCK = "step_clock"
"""Submodule that counts the training steps."""
Role = Literal["affine", "first", "second"]
"""Of an operand: of a layer, or of a product of activations."""


def insert_quantizers(
    traced: GraphModule, plan: Placement, config: QatConfig, *, weight_bits: int, freeze_at: int
) -> None:
    """Put fake quantizers before every integer kernel and behind those whose results stay integers, in place.

    A value has one quantizer, whoever reads it, and values that are made of the same numbers share it: two grids for
    one value would keep engines from fusing. The second operand of a product of activations has the grid of a weight,
    because that is what integer kernels multiply by. With ``int8`` every grid is symmetric about zero, as TensorRT
    reads no other.

    Args:
        traced: With batch normalisations folded.
        plan: Made for its graph.
        config: Settings.
        weight_bits: Of weights and of second operands.
        freeze_at: Training steps after which grids are fixed.
    """
    inserter = _Inserter(traced, config, weight_bits, StepClock(freeze_at))
    reads = [(node, operands(node)) for node in traced.graph.nodes if node in plan.quantized]
    grids = {value: _grid_of(value, plan) for _, values in reads for value in values}
    for value in [node for node in traced.graph.nodes if node in plan.results]:
        inserter.behind(value)
    for node, values in reads:
        for place, value in enumerate(values):
            inserter.before(node, place, value, grids[value])
        if has_weight(node):
            inserter.weight(node)
    inserter.clock_at_end()
    traced.graph.lint()
    traced.recompile()


def quantizers(traced: GraphModule) -> Iterator[tuple[Node, FakeQuantizer]]:
    """Yield every call of a fake quantizer in a network; several calls may share one."""
    for node in traced.graph.nodes:
        if node.op == "call_module":
            module = traced.get_submodule(str(node.target))
            if isinstance(module, FakeQuantizer):
                yield node, module


def _grid_of(value: Node, plan: Placement) -> Node:
    """Return the value whose grid serves this one."""
    whole = source(value)
    return whole if whole in plan.results else source(value, parts=False)


def _role(node: Node, place: int, value: Node) -> Role:
    """Return the grid that an operand needs.

    Products of activations have symmetric ones, as OpenVINO has no integer kernel for two operands of which one has
    a zero that is not 0; that of what is never negative is 0 on an affine grid too.
    """
    if node.target not in MATMULS or has_weight(node):
        return "affine"
    if place == 1:
        return "second"
    return "affine" if source(value).target in NEVER_NEGATIVE else "first"


class _Inserter:
    """Makes each quantizer once."""

    def __init__(self, traced: GraphModule, config: QatConfig, weight_bits: int, clock: StepClock) -> None:
        self.traced = traced
        self.config = config
        self.weight_bits = weight_bits
        self.clock = clock
        self.names: set[str] = set()
        self.calls: dict[tuple[Node, str], Node] = {}
        self.results: dict[Node, Node] = {}
        """Values that everyone reads on their grid, with the calls that put them there."""

    def clock_at_end(self) -> None:
        """Count each pass as a step once every quantizer has had its numbers."""
        self.traced.add_submodule(CLOCK, self.clock)
        with self.traced.graph.inserting_before(self.traced.graph.output_node()):
            self.traced.graph.call_module(CLOCK)

    def behind(self, value: Node) -> None:
        """Let everyone read a value on its grid."""
        call = self._call(value, self._activation(value, "affine"))
        value.replace_all_uses_with(call, delete_user_cb=lambda user: user is not call)
        self.results[value] = call

    def before(self, node: Node, place: int, value: Node, grid: Node) -> None:
        """Let one operand of a node be read on a grid."""
        role = _role(node, place, value)
        if value in self.results and role != "second":
            return  # everyone reads it so already
        call = self._call(self.results.get(value, value), self._activation(grid, role))
        if node.target in JOINS:
            node.replace_input_with(value, call)
        else:
            node.update_arg(WEIGHTED[node.target].data if has_weight(node) else place, call)

    def weight(self, node: Node) -> None:
        """Let a node multiply by a weight on its grid."""
        spec = WEIGHTED[node.target]
        weight = operand(node, spec.weight)
        name = f"weight_quantizers.{weight.name}_{spec.axis % 2}"
        if name not in self.names:
            self.names.add(name)
            quantizer = WeightQuantizer(
                value_of(self.traced, weight),
                axis=spec.axis if self.config.per_channel else None,
                bits=self.weight_bits,
                ranges=self.config.ranges,
                clock=self.clock,
            )
            self.traced.add_submodule(name, quantizer)
        node.update_arg(spec.weight, self._call(weight, name))

    def _activation(self, value: Node, role: Role) -> str:
        name = f"activation_quantizers.{value.name}_{role}"
        if name not in self.names:
            self.names.add(name)
            quantizer = ActivationQuantizer(
                symmetric=role != "affine" or self.config.activation == "int8",
                bits=self.weight_bits if role == "second" else ACTIVATION_BITS,
                momentum=self.config.momentum,
                # nothing would keep a learned range within 7 bits: an engine clips at 8
                ranges="ema" if role == "second" else self.config.ranges,
                clock=self.clock,
            )
            self.traced.add_submodule(name, quantizer)
        return name

    def _call(self, value: Node, name: str) -> Node:
        if (value, name) not in self.calls:
            with self.traced.graph.inserting_after(value):
                call = self.traced.graph.call_module(name, (value,))
            call.meta = {"val": value.meta["val"]} if "val" in value.meta else {}
            self.calls[value, name] = call
        return self.calls[value, name]
