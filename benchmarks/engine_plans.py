"""The memory plans that engines make themselves, and the tensors that each was made for."""

import json
import math
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import tvm
from tvm import relax

from burnish.graph import ComputeGraph
from burnish.graph.memory import Program, Step
from burnish.graph.signature import Array
from burnish.runtime.tvm_support.importing import prepared, to_relax

_ALLOCATES = "relax.builtin.alloc_tensor"
_STORES = "relax.memory.alloc_storage"


@dataclass(frozen=True)
class EnginePlan:
    """What an engine planned."""

    program: Program
    """The fused steps and their tensors, before the engine planned them."""
    planned_bytes: int
    """Memory that the engine reserves for these tensors."""


def tvm_plan(graph: ComputeGraph, shapes: dict[str, tuple[int, ...]]) -> EnginePlan:
    """Import, legalize and fuse as TVM's default pipeline does, then let `StaticPlanBlockMemory` plan."""
    module, _ = to_relax(prepared(graph.to_bytes()), shapes)
    passes = relax.transform
    lower = tvm.ir.transform.Sequential(
        [
            passes.DecomposeOpsForInference(),
            passes.LegalizeOps(),
            passes.AnnotateTIROpPattern(),
            passes.FoldConstant(),
            passes.FuseOps(),
            passes.FuseTIR(),
            passes.DeadCodeElimination(),
            passes.ToNonDataflow(),
            passes.RemovePurityChecking(),
            passes.CallTIRRewrite(),
        ]
    )
    with tvm.target.Target("llvm"):
        fused = lower(module)
        planned = passes.StaticPlanBlockMemory()(fused)
    return EnginePlan(_program(fused["main"]), _stored_bytes(planned["main"]))


def _program(function: relax.Function) -> Program:
    """Read the calls of a function in destination-passing style: the tensors that it allocates, and who uses them."""
    owner: dict[relax.Var, str] = {}
    sizes: dict[str, int] = {}
    written: set[str] = set()
    steps: list[Step] = []
    for binding in _bindings(function):
        value = binding.value
        if isinstance(value, relax.Call) and getattr(value.op, "name", "") == _ALLOCATES:
            name = f"t{len(sizes)}"
            owner[binding.var], sizes[name] = name, _tensor_bytes(binding.var)
        elif isinstance(value, relax.Call):
            used = list(dict.fromkeys(owner[arg] for arg in _vars(value) if arg in owner))
            fresh = tuple(name for name in used if name not in written)
            written |= set(fresh)
            old = tuple(name for name in used if name not in fresh)
            steps.append(Step(name=f"s{len(steps)}", op=str(value.op), reads=old, writes=fresh))
            if not fresh and len(old) == 1:  # a view, such as a reshape
                owner[binding.var] = old[0]
        else:
            names = [owner[var] for var in _vars(value) if var in owner]
            if names:
                owner[binding.var] = names[0]
    results = {owner[var] for var in _vars(function.body.body) if var in owner}
    return Program(
        steps=tuple(steps), sizes=sizes, inputs=frozenset(), weights=frozenset(), outputs=frozenset(results)
    )


def _bindings(function: relax.Function) -> Iterator[relax.Binding]:
    for block in function.body.blocks:
        yield from block.bindings


def _vars(expression: relax.Expr) -> list[relax.Var]:
    found: list[relax.Var] = []
    relax.analysis.post_order_visit(
        expression, lambda node: found.append(node) if isinstance(node, relax.Var) else None
    )
    return found


def _tensor_bytes(var: relax.Var) -> int:
    width = re.search(r"\d+", str(var.ty.dtype))
    return math.prod(int(dim) for dim in var.ty.shape) * (int(width.group()) // 8 if width else 1)


def _stored_bytes(function: relax.Function) -> int:
    total = 0
    for binding in _bindings(function):
        value = binding.value
        if isinstance(value, relax.Call) and getattr(value.op, "name", "") == _STORES:
            total += int(value.args[0].values[0])
    return total


def ort_plan_bytes(graph: ComputeGraph, inputs: dict[str, Array], *, optimize: bool) -> int:
    """Return the block that ONNX Runtime's memory pattern reserves for one run's values.

    The pattern is traced in the first run and used from the second on, where the block is in use before any kernel
    has asked for memory; the profile says how much is.
    """
    levels = onnxruntime.GraphOptimizationLevel
    with tempfile.TemporaryDirectory() as folder:
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        settings.graph_optimization_level = levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL
        settings.add_session_config_entry(
            "session.disable_prepacking", "1"
        )  # packed weights lie in the arena too
        settings.enable_profiling = True
        settings.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(graph.to_bytes(), settings, providers=["CPUExecutionProvider"])
        for _ in range(2):
            session.run(None, inputs)
        events = json.loads(Path(session.end_profiling()).read_text())
    kernels = [e["args"] for e in events if e["cat"] == "Node" and e["name"].endswith("kernel_time")]
    first, second = kernels[0], kernels[len(kernels) // 2]
    return _in_use_before(second) - _in_use_before(first)


def _in_use_before(kernel: dict[str, str]) -> int:
    return int(kernel["mem_bytes_requested_in_use"]) - int(kernel["mem_requested_in_use_delta"])
