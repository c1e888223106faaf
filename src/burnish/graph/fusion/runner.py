"""Running passes over a graph, each checked against its contract."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir
from onnx_ir.passes import PassError, PostconditionError, PreconditionError
from onnx_ir.passes.common import (
    InlinePass,
    LiftConstantsToInitializersPass,
    RemoveInitializersFromInputsPass,
    ShapeInferencePass,
)

from burnish.errors import BurnishError, InternalError, ParityError, UnsupportedOpError
from burnish.graph.agreement import largest_difference
from burnish.graph.fusion import editing
from burnish.graph.fusion.catalogue import chosen
from burnish.graph.fusion.contract import Contract, FusionPass
from burnish.graph.fusion.report import FusionReport, PassReport, compared, snapshot
from burnish.graph.graph import ComputeGraph
from burnish.graph.reference import Run, run_reference
from burnish.graph.signature import Array

TOLERANCE = 1e-4
"""Largest difference that a pass may make, relative to an output's largest value."""


@dataclass(frozen=True, slots=True)
class Fused:
    """A rewritten graph and what was done to it."""

    graph: ComputeGraph
    report: FusionReport


@dataclass(frozen=True, slots=True)
class Check:
    """How a pass's result is compared with the graph before any pass."""

    inputs: Mapping[str, Array]
    """Arrays by name."""
    run: Run = run_reference
    """Carries a model out; by default ONNX's reference evaluator."""
    tolerance: float = TOLERANCE
    """Largest difference, relative to an output's largest value."""


def fuse(
    graph: ComputeGraph,
    passes: Sequence[str] | None = None,
    *,
    target: str | None = None,
    check: Check | None = None,
) -> Fused:
    """Rewrite a graph into one that computes the same with fewer nodes.

    Functions of the model are inlined first, its constants become weights, and inputs that have a default value
    become constants too, as everywhere in burnish.

    Args:
        graph: Not modified; weights that no pass changes are shared.
        passes: Names of the passes to run, see `burnish.graph.fusion.PASSES`; None runs all that suit the target
            and lists those that the graph's opset is too old for in the report.
        target: Engine that will run the graph; it may then hold operators of that engine's own.
        check: How to compare the outputs after each pass that changed something; None leaves it out.

    Returns:
        The new graph, and the report.

    Raises:
        NotFoundError: A pass or a target does not exist.
        UnsupportedOpError: A named pass cannot run on this graph, such as for its opset.
        InputError: A named pass writes operators that not all engines have, and the target is not one of them.
        ParityError: A pass changed the outputs.
        InternalError: A pass broke its contract; the text names it and those that ran before it.
    """
    contracts = chosen(passes, target)
    model = prepared(graph)
    done: list[PassReport] = []
    skipped: dict[str, str] = {}
    expected = None if check is None else check.run(graph.model, check.inputs)
    for contract in contracts:
        reason = contract.missing(model)
        if reason and passes is None:
            skipped[contract.name] = reason
            continue
        done.append(_run(contract, model, done, check, expected))
    return Fused(ComputeGraph(model), FusionReport(tuple(done), skipped))


def steps(
    graph: ComputeGraph, passes: Sequence[str] | None = None, *, target: str | None = None
) -> Iterator[tuple[str, ComputeGraph]]:
    """Yield the graph as it was given, then after each pass that changed it, each time on its own.

    Arguments and errors are those of `fuse`.
    """
    yield "original", graph
    ran: list[str] = []
    for one in fuse(graph, passes, target=target).report.passes:
        ran.append(one.name)
        if one.changed:
            yield one.name, fuse(graph, ran, target=target).graph


def prepared(graph: ComputeGraph) -> ir.Model:
    """Return a copy of a graph's model in the form that passes require: no functions, constants as weights."""
    model = graph.model.clone()
    if model.functions:
        model = InlinePass()(model).model
    RemoveInitializersFromInputsPass()(model)
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    editing.put_in_order(model)
    _infer(model)
    return model


def _infer(model: ir.Model) -> None:
    """Fill in the shapes and dtypes that follow; where none does, rules that need them do not match.

    Symbols that an earlier inference made up are dropped first: what is known by now may say which they equal.
    """
    for node in model.graph.all_nodes():
        for value in node.outputs:
            if value.shape is not None and not value.is_graph_output():
                value.shape = ir.Shape(None if _made_up(dim) else dim for dim in value.shape)
    ShapeInferencePass(check_type=False, strict_mode=False, data_prop=True)(model)


def _made_up(dim: int | ir.SymbolicDim) -> bool:
    return isinstance(dim, ir.SymbolicDim) and (dim.value or "").startswith("unk__")


def _run(
    contract: Contract,
    model: ir.Model,
    done: Sequence[PassReport],
    check: Check | None,
    expected: Mapping[str, Array] | None,
) -> PassReport:
    before = snapshot(model)
    one = FusionPass(contract)
    try:
        one(model)
    except PreconditionError as error:
        raise UnsupportedOpError(
            f"pass {contract.name!r} cannot run: {_text(error)}", hint=_advice(contract, model)
        ) from error
    except (PostconditionError, PassError) as error:
        raise InternalError(
            f"pass {contract.name!r}{_after(done)} broke its contract: {_text(error)}"
        ) from error
    except BurnishError:
        raise
    except Exception as error:  # a rule met what its author did not think of: say whose it is
        raise InternalError(
            f"pass {contract.name!r}{_after(done)} failed: {type(error).__name__}: {error}",
            hint="leave the pass out",
        ) from error
    if one.applied:
        _infer(model)
    return compared(
        contract.name, one.applied, before, model, _compare(contract, model, done, check, expected)
    )


def _compare(
    contract: Contract,
    model: ir.Model,
    done: Sequence[PassReport],
    check: Check | None,
    expected: Mapping[str, Array] | None,
) -> float | None:
    if check is None or expected is None:
        return None
    error = largest_difference(expected, check.run(model, check.inputs))
    if error > check.tolerance:
        raise ParityError(
            f"pass {contract.name!r}{_after(done)} changed the outputs by {error:.2g} of their largest value, "
            f"more than {check.tolerance:g}",
            hint="leave the pass out",
        )
    return error


def _after(done: Sequence[PassReport]) -> str:
    changed = [one.name for one in done if one.changed]
    return f", run after {', '.join(changed)}," if changed else ""


def _advice(contract: Contract, model: ir.Model) -> str:
    if model.graph.opset_imports.get("", 1) < contract.opset:
        return f"convert the graph: graph.convert({contract.opset}), or --opset {contract.opset}"
    return "leave the pass out"


def _text(error: BaseException) -> str:
    return str(error.__cause__ or error)
