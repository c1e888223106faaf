"""Show a graph and its cost, draw it, dump it, compare two, convert its opset."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from burnish.cli.commands.capture import parse_sizes, show_signature
from burnish.cli.options import SizeOption
from burnish.cli.render import JsonOption, emit_json, err, out, table
from burnish.errors import BackendError, ParityError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.agreement import largest_difference
from burnish.graph.cost import Cost, GraphCost, NodeCost
from burnish.graph.signature import Array
from burnish.units import format_bytes, format_count

app = typer.Typer(help=__doc__, no_args_is_help=True, rich_markup_mode=None)

Model = Annotated[Path, typer.Argument(help="ONNX file.")]
Batch = Annotated[int, typer.Option(help="Size of the leading dimension.", min=1)]
_TOLERANCE = 1e-4  # of the largest magnitude of an output: float32 in another order of operations
_COLUMNS = ["operations", "share", "traffic", "operations/byte", "parameters"]


@app.command()
def show(
    model: Model,
    batch: Batch = 1,
    size: SizeOption = None,
    sort: Annotated[
        Literal["flops", "bytes", "order"], typer.Option(help="What the nodes are sorted by.")
    ] = "flops",
    top: Annotated[int, typer.Option(help="How many nodes to show; 0 for all.", min=0)] = 10,
    picture: Annotated[
        Path | None, typer.Option("--out", help="Draw the graph into a .svg, .html or .dot file as well.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show what each operator and each node costs, and draw the graph."""
    graph = ComputeGraph(model)
    sizes = parse_sizes(size or [])
    cost = graph.cost(batch, sizes=sizes)
    if picture is not None:
        from burnish.graph.picture import draw

        draw(graph, picture, batch=batch, sizes=sizes)
    nodes = _sorted(cost.nodes, sort)[: top or None]
    if json:
        emit_json(_facts(graph, cost, nodes, batch, picture))
        return
    show_signature(graph)
    operators = [(c.op, c.count, *_cells(c, cost)) for c in cost.by_operator()]
    table(
        f"by operator, batch {batch}",
        ["operator", "nodes", *_COLUMNS],
        operators,
        numeric=["nodes", *_COLUMNS],
    )
    rows = [(node.index, node.op, node.name, *_cells(node, cost)) for node in nodes]
    title = f"{len(rows)} of {len(cost.nodes)} nodes, by {sort}"
    table(title, ["#", "operator", "name", *_COLUMNS], rows, numeric=["#", *_COLUMNS])
    total = f"{format_count(cost.flops)} operations, {format_bytes(cost.bytes)} of traffic"
    out.print(f"in all: {total}, {format_count(graph.parameters)} parameters", highlight=False)
    if cost.uncosted:
        counted = ", ".join(f"{count} {op}" for op, count in cost.uncosted.items())
        err.print(f"not costed: {counted}", highlight=False, soft_wrap=True)
    if picture is not None:
        err.print(f"drawn to {picture}", highlight=False, soft_wrap=True)


@app.command()
def dump(model: Model, json: JsonOption = False) -> None:
    """Print a graph as text, the same every time, that two versions can be compared by line by line."""
    from burnish.graph.dump import dump as dump_model

    graph = ComputeGraph(model)
    text = dump_model(graph.model, graph.signature)
    if json:
        emit_json({"digest": graph.digest, "lines": text.splitlines()})
    else:
        typer.echo(text, nl=False)


@app.command()
def diff(
    first: Annotated[Path, typer.Argument(help="ONNX file.")],
    second: Annotated[Path, typer.Argument(help="ONNX file that it is compared with.")],
    json: JsonOption = False,
) -> None:
    """Tell what differs between two graphs; names of inner values do not count. Leaves with 1 when anything does."""
    from burnish.graph.diff import diff as compare

    changes = compare(ComputeGraph(first), ComputeGraph(second))
    if json:
        listed = [{"part": c.part, "kind": c.kind, "before": c.before, "after": c.after} for c in changes]
        emit_json({"same": not changes, "changes": listed})
    else:
        for change in changes:
            typer.echo(f"{change.part} {change.kind}")
            for mark, text in (("-", change.before), ("+", change.after)):
                for line in text.splitlines():
                    typer.echo(f"  {mark} {line}")
        typer.echo(f"{len(changes)} differences" if changes else "the same")
    if changes:
        raise typer.Exit(1)


@app.command()
def convert(
    model: Model,
    opset: Annotated[int, typer.Option(help="Version of ONNX's operator set to convert to.")],
    result: Annotated[Path, typer.Option("--out", help="Where to write the converted graph.")],
    batch: Batch = 2,
    size: SizeOption = None,
    json: JsonOption = False,
) -> None:
    """Convert a graph to another opset, and write it only when it still gives the same answers."""
    from burnish.graph.samples import random_inputs

    graph = ComputeGraph(model)
    converted = graph.convert(opset)
    inputs = random_inputs(graph.signature, batch=batch, sizes=parse_sizes(size or []))
    difference = largest_difference(_answers(graph, inputs), _answers(converted, inputs))
    if difference > _TOLERANCE:
        raise ParityError(
            f"in opset {opset} the graph gives other answers: they differ by {difference:.2g} of their magnitude",
            hint="nothing was written; export the model again with this opset",
        )
    converted.save(result)
    if json:
        emit_json({"path": result, "opset": opset, "digest": converted.digest, "difference": difference})
    else:
        out.print(f"opset {opset}, answers within {difference:.2g} of their magnitude", highlight=False)
        err.print(f"written to {result} ({converted.digest})", highlight=False, soft_wrap=True)


def _sorted(nodes: Sequence[NodeCost], key: str) -> list[NodeCost]:
    if key == "order":
        return list(nodes)
    return sorted(nodes, key=lambda node: -node.flops if key == "flops" else -node.bytes)


def _cells(cost: Cost, whole: GraphCost) -> tuple[str, ...]:
    share = f"{cost.flops / whole.flops:.1%}" if whole.flops else ""
    return (
        format_count(cost.flops),
        share,
        format_bytes(cost.bytes),
        f"{cost.intensity:.2f}",
        format_count(cost.parameters),
    )


def _facts(
    graph: ComputeGraph, cost: GraphCost, nodes: list[NodeCost], batch: int, picture: Path | None
) -> dict[str, Any]:
    def described(item: Cost) -> dict[str, Any]:
        share = item.flops / cost.flops if cost.flops else 0.0
        return {"intensity": item.intensity, "share": share}

    return {
        "digest": graph.digest,
        "signature": graph.signature.to_dict(),
        "batch": batch,
        "flops": cost.flops,
        "macs": cost.macs,
        "bytes": cost.bytes,
        "parameters": graph.parameters,
        "operators": [_plain(item) | described(item) for item in cost.by_operator()],
        "nodes": [_plain(item) | described(item) for item in nodes],
        "uncosted": cost.uncosted,
        "picture": picture,
    }


def _plain(cost: Cost) -> dict[str, Any]:
    from burnish.cli.render import plain

    facts: dict[str, Any] = plain(cost)
    return facts


def _answers(graph: ComputeGraph, inputs: dict[str, Array]) -> dict[str, Array]:
    """Run on the preferred engine; on ONNX's own evaluator when that lacks an operator."""
    from burnish.graph.reference import run_reference

    try:
        return graph.infer(inputs)
    except (BackendError, UnsupportedOpError):
        return run_reference(graph.model, inputs)
    finally:
        graph.close()
