"""A scene in Graphviz's language, for those who lay out graphs with it."""

from burnish.graph.picture.scene import Box, Scene


def to_dot(scene: Scene) -> str:
    """Return a scene as a DOT digraph."""
    lines = ["digraph model {", '  node [shape=box, fontname="Helvetica", fontsize=11];']
    lines += (f"  b{number} [{_attributes(box)}];" for number, box in enumerate(scene.boxes))
    lines += (f"  b{edge.source} -> b{edge.target} [label={_quoted(edge.label)}];" for edge in scene.edges)
    return "\n".join([*lines, "}"]) + "\n"


def _attributes(box: Box) -> str:
    label = "\\n".join(_escaped(line) for line in (box.title, *(f"{name} {text}" for name, text in box.rows)))
    style = ', style="rounded"' if box.kind in ("input", "output") else ""
    return f'label="{label}"{style}'


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
