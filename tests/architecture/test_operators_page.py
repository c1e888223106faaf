"""The page and the package's table of operators say what was measured, and every failure has its cause."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts/operators_page.py"))
FACTS, CAUSES = SCRIPT["read"]()


def test_page_and_table_are_current():
    assert SCRIPT["PAGE"].read_text(encoding="utf-8") == SCRIPT["page"](FACTS, CAUSES), (
        "run scripts/operators_page.py"
    )
    assert SCRIPT["TABLE"].read_text(encoding="utf-8") == SCRIPT["table"](FACTS), (
        "run scripts/operators_page.py"
    )


@pytest.mark.parametrize("engine", SCRIPT["EXPLAINED"])
def test_every_failure_is_explained(engine):
    assert SCRIPT["unexplained"](FACTS["engines"][engine], CAUSES[engine]) == []


def test_every_cause_is_complete():
    for engine, causes in CAUSES.items():
        for cause in causes:
            assert set(cause) <= {"tests", "fault", "silent", "cause"}, engine
            assert cause["fault"] in ("engine", "burnish", "machine")
            assert cause["tests"]
            assert cause["cause"].endswith(".")


def test_enough_tests_were_counted_for_every_engine():
    for engine, measured in FACTS["engines"].items():
        outcomes = {verdict["outcome"] for verdict in measured["tests"].values()}
        assert outcomes <= {"passed", "failed", "unsupported"}
        assert set(measured["tests"]) <= set(FACTS["usable"])
        assert len(measured["tests"]) >= (300 if measured["every"] > 1 else len(FACTS["usable"])), engine


FEW = {
    "onnx": "1.0",
    "tests": 3,
    "outside": {"its outputs are random": 1},
    "usable": {"test_abs": "Abs", "test_tile": "Tile"},
    "engines": {
        "slow": {
            "version": "2.0",
            "every": 1,
            "date": "2025-01-31",
            "tests": {
                "test_abs": {"outcome": "passed"},
                "test_tile": {"outcome": "failed", "kind": "values", "detail": "off by 3 | 4"},
            },
        }
    },
}


def test_table_counts_by_operator():
    found = json.loads(SCRIPT["table"](FEW))
    assert found["operators"] == {"Abs": {"slow": [1, 1]}, "Tile": {"slow": [0, 1]}}
    assert found["engines"] == {"slow": "2.0"}


def test_page_shows_what_failed_with_and_without_a_cause():
    causes = [{"tests": ["test_t*"], "fault": "engine", "silent": True, "cause": "It repeats nothing."}]
    explained = SCRIPT["page"](FEW, {"slow": causes})
    assert "| slow | 2.0 | 2 (all) | 1 | 0 | 1 | 1 | 2025-01-31 |" in explained
    assert "| 1 | engine | yes | It repeats nothing. | `tile` |" in explained
    assert SCRIPT["unexplained"](FEW["engines"]["slow"], causes) == []
    assert SCRIPT["unexplained"](FEW["engines"]["slow"], []) == ["test_tile"]
    assert r"values: off by 3 \| 4" in SCRIPT["page"](FEW, {})
    assert "- its outputs are random: 1." in explained
