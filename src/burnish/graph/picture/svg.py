"""A placed scene as SVG."""

from html import escape
from itertools import pairwise

from burnish.graph.picture.layers import Placement, place
from burnish.graph.picture.scene import Box, Edge, Scene

_COLOURS = {
    "input": "#eef2f5",
    "output": "#eef2f5",
    "multiply": "#30588c",
    "activate": "#8b3a3a",
    "normalize": "#2f6b53",
    "pool": "#3f7a2e",
    "move": "#6b6152",
    "quantize": "#6a4a8c",
    "compute": "#474f57",
}
_TITLE, _ROW, _BAR, _PAD, _MARGIN = 24.0, 17.0, 4.0, 10.0, 24.0
_LETTER = {"title": 7.6, "row": 6.4, "label": 5.6}  # average width of a letter in pixels
_LONGEST_ROW = 34
_STYLE = """
text{font-family:system-ui,'Segoe UI','Helvetica Neue',Arial,sans-serif}
.t{font-size:13px;font-weight:600;fill:#fff}.o{font-size:13px;font-weight:600;fill:#1d2733}
.r{font-size:11px;fill:#333c46}.n{font-weight:700}
.e{fill:none;stroke:#8a949e;stroke-width:1.3}.l{font-size:9.5px;fill:#5c6670}
.halo{paint-order:stroke;stroke:#fff;stroke-width:3px}
"""


def to_svg(scene: Scene) -> str:
    """Return a scene as one SVG document; each box tells its facts when the pointer rests on it."""
    sizes = [_size(box) for box in scene.boxes]
    placement = place(sizes, [(edge.source, edge.target) for edge in scene.edges])
    width, height = placement.width + 2 * _MARGIN, placement.height + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{-_MARGIN:.0f} {-_MARGIN:.0f} {width:.0f} {height:.0f}" role="img">',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0.5L8 4L0 7.5z" fill="#8a949e"/></marker></defs>',
        f'<rect x="{-_MARGIN:.0f}" y="{-_MARGIN:.0f}" width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
        *_edges(scene.edges, placement),
        *(
            _box(number, box, placement.centers[number], sizes[number])
            for number, box in enumerate(scene.boxes)
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _size(box: Box) -> tuple[float, float]:
    letters = [len(box.title) * _LETTER["title"]]
    letters += [len(_row_text(name, text)) * _LETTER["row"] for name, text in box.rows]
    height = _TITLE + len(box.rows) * _ROW + (_PAD / 2 if box.rows else 0) + (_BAR if box.share else 0)
    return max(letters) + 2 * _PAD, height


def _row_text(name: str, text: str) -> str:
    whole = f"{name} {text.partition(' sha256:')[0]}"
    return whole if len(whole) <= _LONGEST_ROW else whole[: _LONGEST_ROW - 1] + "…"


def _box(number: int, box: Box, center: tuple[float, float], size: tuple[float, float]) -> str:
    width, height = size
    x, y = center[0] - width / 2, center[1] - height / 2
    outside = box.kind in ("input", "output")
    radius = 11 if outside else 4
    colour = _COLOURS[box.kind]
    facts = "\n".join(f"{name}: {text}" for name, text in box.facts)
    parts = [
        f'<g class="b" id="b{number}" transform="translate({x:.1f} {y:.1f})">',
        f"<title>{escape(box.title)}\n{escape(facts)}</title>",
        f'<rect width="{width:.1f}" height="{height:.1f}" rx="{radius}" fill="{"#fff" if box.rows else colour}" '
        f'stroke="{"#9aa5b0" if outside else colour}"/>',
    ]
    if box.rows:
        parts.append(
            f'<path d="M0 {_TITLE}V{radius}A{radius} {radius} 0 0 1 {radius} 0H{width - radius:.1f}'
            f'A{radius} {radius} 0 0 1 {width:.1f} {radius}V{_TITLE}z" fill="{colour}"/>'
        )
    parts.append(
        f'<text class="{"o" if outside else "t"}" x="{width / 2:.1f}" y="16.5" text-anchor="middle">'
        f"{escape(box.title)}</text>"
    )
    for index, (name, text) in enumerate(box.rows):
        shown = _row_text(name, text)[len(name) :]
        parts.append(
            f'<text class="r" x="{_PAD}" y="{_TITLE + 14 + index * _ROW:.1f}">'
            f'<tspan class="n">{escape(name)}</tspan>{escape(shown)}</text>'
        )
    if box.share:  # how much of all operations is done here
        parts.append(
            f'<rect x="1" y="{height - _BAR - 0.5:.1f}" width="{width - 2:.1f}" height="{_BAR}" fill="#dfe4e9"/>'
            f'<rect x="1" y="{height - _BAR - 0.5:.1f}" width="{(width - 2) * box.share**0.5:.1f}" '
            f'height="{_BAR}" fill="#e0912f"/>'
        )
    parts.append("</g>")
    return "".join(parts)


def _edges(edges: list[Edge], placement: Placement) -> list[str]:
    parts, labelled = [], set()
    for edge, route in zip(edges, placement.routes, strict=True):
        parts.append(f'<path class="e" d="{_curve(route)}" marker-end="url(#a)"/>')
        if edge.label and (edge.source, edge.label) not in labelled:
            labelled.add((edge.source, edge.label))
            x, y = (route[0][0] + route[1][0]) / 2, (route[0][1] + route[1][1]) / 2
            parts.append(f'<text class="l halo" x="{x + 5:.1f}" y="{y + 3:.1f}">{escape(edge.label)}</text>')
    return parts


def _curve(route: list[tuple[float, float]]) -> str:
    """Return a path that leaves and enters every point vertically."""
    path = [f"M{route[0][0]:.1f} {route[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(route):
        if abs(x0 - x1) < 0.5:
            path.append(f"L{x1:.1f} {y1:.1f}")
        else:
            middle = (y0 + y1) / 2
            path.append(f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}")
    return "".join(path)
