"""Names of a model's inputs and outputs, given without a clash with inner ones."""

from collections.abc import Sequence

import onnx_ir as ir


def rename_outside(model: ir.Model, inputs: Sequence[str], outputs: Sequence[str] | None) -> None:
    """Rename a model's inputs and outputs in place; inner values that have one of these names get another.

    Args:
        model: To be renamed.
        inputs: One name an input, in order.
        outputs: One name an output, in order; None leaves them as they are.
    """
    graph = model.graph
    names = list(outputs) if outputs is not None else [value.name or "" for value in graph.outputs]
    if outputs is not None:
        _give_outputs_values_of_their_own(graph)
    outside = [*graph.inputs, *graph.outputs]
    _free(graph, {*inputs, *names}, keep=outside)
    for index, value in enumerate(outside):  # by way of names that nothing has: two may be exchanged
        value.name = f"burnish.outside.{index}"
    for value, name in zip(outside, [*inputs, *names], strict=True):
        value.name = name


def _give_outputs_values_of_their_own(graph: ir.Graph) -> None:
    """Give an output that is also an input, a weight or another output a copy, so that it can have its own name."""
    seen = set(graph.inputs) | set(graph.initializers.values())
    for index, value in enumerate(graph.outputs):
        if value in seen:
            copy = ir.node("Identity", [value])
            copy.outputs[0].type, copy.outputs[0].shape = value.type, value.shape
            graph.append(copy)
            graph.outputs[index] = copy.outputs[0]
        seen.add(value)


def _free(graph: ir.Graph, wanted: set[str], *, keep: Sequence[ir.Value]) -> None:
    inner = [value for node in graph.all_nodes() for value in node.outputs if value not in keep]
    stored = [value for value in graph.initializers.values() if value not in keep]
    taken = {value.name for value in (*inner, *stored)} | wanted
    for value in (*inner, *stored):
        if value.name in wanted:
            value.name = _fresh(value.name, taken)


def _fresh(name: str, taken: set[str | None]) -> str:
    number = 1
    while f"{name}_{number}" in taken:
        number += 1
    taken.add(f"{name}_{number}")
    return f"{name}_{number}"
