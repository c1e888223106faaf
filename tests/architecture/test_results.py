"""Measured results are complete, and the page shows what the files say."""

import json
import math
import runpy
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEYS = {
    *("bar", "value", "low", "high", "target", "unit"),
    *("met", "command", "machine", "commit", "date"),
}
PAGE = runpy.run_path(str(ROOT / "scripts/results_page.py"))
EXAMPLE = {
    "bar": "accuracy lost | points",
    "value": 0.2,
    "low": -0.1,
    "high": 0.5,
    "target": "< 1",
    "unit": "points",
    "met": True,
    "command": "make bench",
    "machine": "2 cores",
    "commit": "0123456789abcdef",
    "date": "2025-01-31",
}


def test_every_result_is_complete_and_plausible():
    for path in sorted((ROOT / "benchmarks/results").glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        assert set(result) == KEYS, path.name
        low, value, high = (result[key] for key in ("low", "value", "high"))
        assert all(math.isfinite(number) for number in (low, value, high)), path.name
        assert low <= value <= high, path.name
        assert isinstance(result["met"], bool), path.name
        assert all(result[key] for key in ("bar", "unit", "command", "machine", "commit")), path.name
        date.fromisoformat(result["date"][:10])


def test_results_page_is_current():
    page = ROOT / "docs/reference/results.md"
    expected = PAGE["render"](ROOT / "benchmarks/results")
    assert page.read_text(encoding="utf-8") == expected, "run scripts/results_page.py"


def test_page_shows_every_figure(tmp_path):
    (tmp_path / "7-accuracy.json").write_text(json.dumps(EXAMPLE))
    (tmp_path / "8-speed.json").write_text(json.dumps(EXAMPLE | {"bar": "speed", "met": False}))
    page = PAGE["render"](tmp_path)
    assert r"accuracy lost \| points" in page
    assert "| 0.2 | -0.1 to 0.5 | points | < 1 | yes |" in page
    assert "| no |" in page
    for text in ("`make bench`", "2 cores", "`0123456789ab`", "2025-01-31"):
        assert text in page


def test_page_without_results_says_so(tmp_path):
    assert "No result" in PAGE["render"](tmp_path)
