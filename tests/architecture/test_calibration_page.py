"""The page about the calibration shows what its benchmark found, and the bars say the same."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = runpy.run_path(str(ROOT / "scripts/estimates_page.py"))
FACTS = PAGE["load"](PAGE["CALIBRATION"])


def test_the_page_is_current():
    written = PAGE["CALIBRATION_PAGE"].read_text(encoding="utf-8")
    assert written == PAGE["render_calibration"](written, FACTS), "run scripts/estimates_page.py"


@pytest.mark.parametrize(
    ("bar", "key"),
    [
        ("median-error", "median_error_percent"),
        ("p90-error", "error_percent_90th"),
        ("kendall-tau", "kendall_tau"),
    ],
)
def test_the_bars_are_those_of_the_page(bar, key):
    recorded = json.loads((ROOT / f"benchmarks/results/3-estimator-{bar}.json").read_text(encoding="utf-8"))
    assert recorded["value"] == pytest.approx(FACTS["summary"]["estimate"][key])


def test_the_estimate_beats_the_simpler_ways():
    summary = FACTS["summary"]
    for rival in ("operations", "roofline"):
        assert summary["estimate"]["median_error_percent"] < summary[rival]["median_error_percent"]
