"""Drawing a graph into a file."""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from burnish.errors import ConfigError
from burnish.files import write_atomic
from burnish.graph.cost import cost_of_sized
from burnish.graph.graph import ComputeGraph
from burnish.graph.picture.dot import to_dot
from burnish.graph.picture.scene import Scene, scene_of
from burnish.graph.picture.svg import to_svg
from burnish.graph.shapes import sized_model
from burnish.units import format_bytes, format_count

FORMATS = (".svg", ".html", ".dot")


def draw(
    graph: ComputeGraph, path: str | Path, *, batch: int = 1, sizes: Mapping[str, int] | None = None
) -> None:
    """Draw a graph with shapes and costs for one batch.

    Args:
        graph: What to draw.
        path: Where to write; its ending says as what: ``.svg``, ``.html`` (one page that needs nothing else, with
            pan, zoom, search and the facts of each node) or ``.dot`` (for Graphviz).
        batch: Size of the leading symbolic dimension of the inputs.
        sizes: Sizes of other symbolic dimensions.

    Raises:
        ConfigError: The ending is none of these.
        ShapeError: A symbolic dimension has no size.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise ConfigError(
            f"{path}: cannot draw a {path.suffix or 'file without ending'}", hint=", ".join(FORMATS)
        )
    sized = sized_model(graph.model, batch=batch, sizes=sizes or {})
    cost = cost_of_sized(sized)
    scene = scene_of(sized, cost)
    if path.suffix == ".dot":
        text = to_dot(scene)
    elif path.suffix == ".svg":
        text = to_svg(scene)
    else:
        summary = (
            f"{len(scene.boxes)} boxes · batch {batch} · {format_count(cost.flops)} operations · "
            f"{format_bytes(cost.bytes)} moved · {format_count(graph.parameters)} parameters"
        )
        text = _page(scene, summary)
    write_atomic(path, text.encode())


def _page(scene: Scene, summary: str) -> str:
    template = Template((files("burnish.graph.picture") / "page.html").read_text(encoding="utf-8"))
    facts = [
        {"title": box.title, "kind": box.kind, "facts": box.facts, "weights": box.rows, "share": box.share}
        for box in scene.boxes
    ]
    edges = [[edge.source, edge.target] for edge in scene.edges]
    data = json.dumps({"boxes": facts, "edges": edges}, ensure_ascii=False).replace("<", "\\u003c")
    return template.substitute(summary=summary, picture=to_svg(scene), data=data)
