"""Pictures: nothing overlaps, every edge arrives, and the page needs nothing but itself."""

import itertools
import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import ConfigError, ShapeError
from burnish.graph.picture import draw
from burnish.graph.picture.layers import place
from burnish.testing import graphs

SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def drawings(draw):
    count = draw(st.integers(1, 14))
    pairs = list(itertools.combinations(range(count), 2))
    edges = draw(st.lists(st.sampled_from(pairs), max_size=30, unique=True)) if pairs else []
    sizes = draw(
        st.lists(st.tuples(st.integers(10, 200), st.integers(10, 80)), min_size=count, max_size=count)
    )
    return [(float(w), float(h)) for w, h in sizes], edges


@settings(max_examples=150, deadline=None)
@given(drawings())
def test_boxes_never_overlap_and_edges_run_downwards(drawing):
    sizes, edges = drawing
    placed = place(sizes, edges)
    areas = [
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        for (x, y), (w, h) in zip(placed.centers, sizes, strict=True)
    ]
    for a, b in itertools.combinations(areas, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    for left, top, right, bottom in areas:
        assert left >= -1e-6
        assert top >= -1e-6
        assert right <= placed.width + 1e-6
        assert bottom <= placed.height + 1e-6
    for (upper, lower), route in zip(edges, placed.routes, strict=True):
        assert route[0] == pytest.approx((placed.centers[upper][0], areas[upper][3]))
        assert route[-1] == pytest.approx((placed.centers[lower][0], areas[lower][1]))
        assert all(y0 <= y1 for (_, y0), (_, y1) in itertools.pairwise(route))


def test_a_chain_is_straight():
    placed = place([(100.0, 20.0), (40.0, 20.0), (160.0, 20.0)], [(0, 1), (1, 2)])
    assert len({round(x, 3) for x, _ in placed.centers}) == 1


def test_svg_holds_every_node_with_weights_shapes_and_facts(tmp_path):
    path = tmp_path / "network.svg"
    draw(graphs.network(), path, batch=2)
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    texts = ["".join(item.itertext()) for item in root.iter(f"{SVG}text")]
    for shown in ("x", "Conv", "Relu", "Gemm", "Softmax", "scores", "probabilities", "W float32[4, 1, 3, 3]"):
        assert shown in texts
    assert "2\u00d74\u00d78\u00d78" in texts
    (conv,) = (item.text for item in root.iter(f"{SVG}title") if item.text.startswith("Conv"))
    assert "pads: [1, 1, 1, 1]" in conv
    assert "parameters: 36" in conv


def test_the_page_needs_nothing_else(tmp_path):
    path = tmp_path / "network.html"
    draw(graphs.network(), path)
    page = path.read_text(encoding="utf-8")
    assert not re.findall(r"(?:src|href)=|@import|url\((?!#)|https?://(?!www\.w3\.org)", page)
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.DOTALL)[1])
    assert [box["title"] for box in data["boxes"]][1:4] == ["Conv", "Relu", "GlobalAveragePool"]
    assert len(re.findall(r'<g class="b"', page)) == len(data["boxes"])
    assert len(re.findall(r'<path class="e"', page)) == len(data["edges"])


def test_names_cannot_break_out_of_the_page(tmp_path):
    graph = graphs.double()
    graph.model.graph.inputs[0].name = evil = "</script><script>alert(1)</script>"
    draw(graph, tmp_path / "evil.html")
    page = (tmp_path / "evil.html").read_text(encoding="utf-8")
    assert evil not in page
    draw(graph, tmp_path / "evil.dot")
    assert '"</script>' in (tmp_path / "evil.dot").read_text(encoding="utf-8")


def test_dot_names_every_edge(tmp_path):
    draw(graphs.two_inputs(), tmp_path / "pair.dot", sizes={"n": 3})
    text = (tmp_path / "pair.dot").read_text(encoding="utf-8")
    assert text.startswith("digraph")
    assert text.count("->") == 6


def test_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot draw a \.png"):
        draw(graphs.network(), tmp_path / "network.png")
    with pytest.raises(ShapeError, match="n"):
        draw(graphs.two_inputs(), tmp_path / "pair.svg")
    assert list(tmp_path.iterdir()) == []
