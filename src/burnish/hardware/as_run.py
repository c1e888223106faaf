"""Listing the operators of a graph as one engine runs them."""

from collections.abc import Mapping

from burnish.graph import ComputeGraph
from burnish.graph.fusion import TARGETS, fuse
from burnish.hardware.layout import relayout
from burnish.hardware.work import Workload, workload


def as_run(
    graph: ComputeGraph,
    engine: str,
    *,
    name: str = "model",
    batch: int = 1,
    sizes: Mapping[str, int] | None = None,
) -> Workload:
    """List the operators that an engine makes of a graph, without asking the engine.

    Args:
        graph: As it was captured.
        engine: Name of a back end; the operators of one that burnish knows nothing of are those of the graph fused
            for any engine.
        name: For tables and charts.
        batch: Size of every symbolic leading dimension of an input.
        sizes: Sizes of the other symbolic dimensions.

    Raises:
        ShapeError: A symbolic dimension has no size.
        MissingExtraError: What fuses graphs is not installed.
    """
    fused = fuse(graph, target=engine if engine in TARGETS else None).graph
    change = relayout if engine == "onnxruntime" else None
    return workload(fused, name=name, batch=batch, sizes=sizes, change=change)
