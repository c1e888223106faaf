"""Plan the memory of a graph."""

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from burnish.errors import ConfigError
from burnish.graph.graph import ComputeGraph
from burnish.graph.memory.arena import live_bytes, place
from burnish.graph.memory.lowering import Workspace, lower
from burnish.graph.memory.order import reordered
from burnish.graph.memory.plan import Buffer, MemoryPlan
from burnish.graph.memory.program import Program
from burnish.graph.memory.storage import Storage, storages
from burnish.graph.memory.verify import verify_plan
from burnish.graph.shapes import sized_model


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanConfig:
    """What a plan may do."""

    alignment: int = 64
    """Every buffer starts at a multiple of this many bytes; 64 is a cache line and an AVX-512 register."""
    in_place: bool = True
    """Whether an element-wise operator may overwrite an input that nobody reads afterwards."""
    joins: bool = True
    """Whether inputs of a concatenation may be produced inside its output, where that helps."""
    reorder: bool = False
    """Whether steps may change places where that helps; the engine must then run them in the plan's order."""

    def __post_init__(self) -> None:
        if self.alignment < 1 or self.alignment & (self.alignment - 1):
            raise ConfigError(f"alignment is {self.alignment}", hint="give a power of two, such as 64")


def plan_memory(
    graph: ComputeGraph | ir.Model,
    *,
    batch: int = 1,
    sizes: Mapping[str, int] | None = None,
    config: PlanConfig | None = None,
    workspace: Workspace | None = None,
) -> MemoryPlan:
    """Plan where every intermediate value of a graph lies in one arena.

    Args:
        graph: What to plan; its nodes run in the order in which they stand.
        batch: Size of the leading symbolic dimension of the inputs.
        sizes: Sizes of other symbolic dimensions, such as ``{"tokens": 128}``.
        config: What the plan may do; None for the defaults.
        workspace: Tells how many bytes of scratch a node needs while it runs; None for no scratch.

    Returns:
        The plan, verified: no buffer is overwritten before its last reader.

    Raises:
        ShapeError: A symbolic dimension has no size.

    Cost: shape inference once, then quadratic in the number of values.
    """
    model = graph.model if isinstance(graph, ComputeGraph) else graph
    program = lower(sized_model(model, batch=batch, sizes=sizes or {}), workspace=workspace)
    return plan_program(program, batch=batch, config=config)


def plan_program(program: Program, *, batch: int = 1, config: PlanConfig | None = None) -> MemoryPlan:
    """Plan steps that are sized already; the smallest plan of those that ``config`` allows.

    Raises:
        InternalError: The plan does not hold, which is a defect of burnish.
    """
    config = config or PlanConfig()
    programs = [program, reordered(program)] if config.reorder else [program]
    joins = [False, True] if config.joins and any(step.joins for step in program.steps) else [False]
    planned = [(_plan(p, batch, config, joins=join), p) for p in programs for join in joins]
    plan, chosen = min(planned, key=lambda pair: pair[0].arena_bytes)
    verify_plan(plan, chosen)
    return plan


def _plan(program: Program, batch: int, config: PlanConfig, *, joins: bool) -> MemoryPlan:
    found = storages(program, in_place=config.in_place, joins=joins, alignment=config.alignment)
    scratch = [
        Storage("", step.workspace_bytes, index, index, ())
        for index, step in enumerate(program.steps)
        if step.workspace_bytes
    ]
    pieces = found + scratch
    sizes = [-(-piece.size_bytes // config.alignment) * config.alignment for piece in pieces]
    first, last = [piece.first for piece in pieces], [piece.last for piece in pieces]
    placement = place(sizes, first, last)
    live = live_bytes(sizes, first, last)
    computed = program.computed
    return MemoryPlan(
        batch=batch,
        steps=tuple(step.name for step in program.steps),
        operators=tuple(step.op for step in program.steps),
        buffers=_buffers(program, found, placement.offsets),
        arena_bytes=placement.arena_bytes,
        naive_bytes=sum(program.sizes[name] for name in computed),
        shared_bytes=sum(piece.size_bytes for piece in found),
        live_bytes=(*live, *[0] * (len(program.steps) - len(live))),
        strategy=placement.strategy,
        alignment=config.alignment,
        input_bytes=_total(program, program.inputs),
        output_bytes=_total(program, program.outputs),
        weight_bytes=_total(program, program.weights),
        unplanned=program.unplanned,
        opaque=program.opaque,
    )


def _buffers(program: Program, found: list[Storage], offsets: tuple[int, ...]) -> tuple[Buffer, ...]:
    born = {name: i for i, step in enumerate(program.steps) for name in step.writes}
    read = {name: i for i, step in enumerate(program.steps) for name in step.reads}
    return tuple(
        Buffer(
            name,
            start + inside,
            program.sizes[name],
            born[name],
            max(born[name], read.get(name, 0)),
            piece.root,
        )
        for piece, start in zip(found, offsets, strict=False)  # offsets of the scratch come after them
        for name, inside in piece.members
    )


def _total(program: Program, names: frozenset[str]) -> int:
    return sum(program.sizes.get(name, 0) for name in names)
