"""Where every intermediate value of a graph lies in one arena, and how little memory that takes.

`plan_memory` goes through four small steps, each a module of its own: `lowering` reduces the graph to plain
steps, `storage` finds values that share bytes and how long each is needed, `arena` gives each an offset, and
`verify` replays the whole and proves that nothing is overwritten before its last reader.
"""

from burnish.graph.memory.lowering import Workspace, lower
from burnish.graph.memory.plan import Buffer, MemoryPlan
from burnish.graph.memory.planner import PlanConfig, plan_memory, plan_program
from burnish.graph.memory.program import Program, Step, View
from burnish.graph.memory.verify import verify_plan

__all__ = [
    "Buffer",
    "MemoryPlan",
    "PlanConfig",
    "Program",
    "Step",
    "View",
    "Workspace",
    "lower",
    "plan_memory",
    "plan_program",
    "verify_plan",
]
