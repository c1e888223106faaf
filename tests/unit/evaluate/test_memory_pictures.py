"""What the pictures and tables of a memory plan say is what the plan says."""

import pytest

from burnish.errors import ConfigError
from burnish.evaluate.memory_charts import arena_map, rows, save_chart, timeline
from burnish.graph.memory import plan_memory
from burnish.testing.graphs import network

pytest.importorskip("altair")


@pytest.fixture(scope="module")
def plan():
    return plan_memory(network(), batch=4)


def test_every_step_has_its_live_bytes(plan):
    bars, marks = timeline(plan)["layer"]
    mib = [row["mib"] * 2**20 for row in bars["data"]["values"]]
    assert mib == list(plan.live_bytes)
    said = " ".join(row["what"] for row in marks["data"]["values"])
    assert all(word in said for word in ("naive sum", "arena", "lower bound"))


def test_rectangles_of_the_map_never_overlap(plan):
    pieces = arena_map(plan)["data"]["values"]
    assert len(pieces) == len({buffer.root for buffer in plan.buffers})
    for i, a in enumerate(pieces):
        for b in pieces[:i]:
            together = a["first"] < b["end"] and b["first"] < a["end"]
            assert not together or a["high"] <= b["low"] or b["high"] <= a["low"]


@pytest.mark.parametrize(("ending", "start"), [("html", b"<!"), ("svg", b"<svg"), ("png", b"\x89PNG")])
def test_a_picture_is_of_the_kind_that_its_name_says(plan, tmp_path, ending, start):
    path = tmp_path / f"plan.{ending}"
    save_chart(plan, path, title="network")
    assert path.read_bytes().lstrip()[:4].lower().startswith(start.lower())


def test_another_kind_is_refused(plan, tmp_path):
    with pytest.raises(ConfigError, match=r"\.html, \.svg or \.png"):
        save_chart(plan, tmp_path / "plan.gif", title="network")


def test_the_table_names_what_was_left_out(plan):
    assert dict(rows(plan)).keys() >= {"naive sum", "arena", "lower bound", "weights"}
