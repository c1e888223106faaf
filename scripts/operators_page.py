"""Make docs/reference/operators.md and the package's operators.json from the measured node tests.

Run without arguments to write both; the tests check that they are current.
"""

import json
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DETAILS = ROOT / "benchmarks" / "results" / "details" / "2-node-suite.json"
CAUSES = ROOT / "benchmarks" / "node_causes.toml"
TABLE = ROOT / "src" / "burnish" / "runtime" / "operators.json"
PAGE = ROOT / "docs" / "reference" / "operators.md"
EXPLAINED = ("onnxruntime", "openvino")

_HEAD = """# Operators

Made by `scripts/operators_page.py` from `benchmarks/results/details/2-node-suite.json`, which
`python benchmarks/node_suite.py` measures: the node tests that the `onnx` package {onnx} ships, put to every engine
through burnish's back ends, each in a process that a crash cannot take others with.

Of {tests} tests {usable} can be put to an engine; the others are left out because

{outside}

*Passed*: dtype and shape are right, and every element is within the suite's own tolerance or four units in the last
place of the largest one. *Unsupported*: the back end refuses the graph with an `UnsupportedOpError`. *Failed*: all
else, a crash and a time-out included.

"""


def table(facts: dict[str, Any]) -> str:
    """Return the package's table: tests passed and asked by operator and engine."""
    counts = _by_operator(facts)
    rows = [f"  {json.dumps(operator)}: {json.dumps(counts[operator])}" for operator in sorted(counts)]
    versions = {engine: measured["version"] for engine, measured in facts["engines"].items()}
    head = f' "onnx": {json.dumps(facts["onnx"])},\n "engines": {json.dumps(versions)},\n'
    return "{\n" + head + ' "operators": {\n' + ",\n".join(rows) + "\n }\n}\n"


def page(facts: dict[str, Any], causes: dict[str, list[dict[str, Any]]]) -> str:
    """Return the page: totals, why tests fail, and every operator."""
    outside = "\n".join(f"- {reason}: {count}" for reason, count in facts["outside"].items())
    head = _HEAD.format(
        onnx=facts["onnx"], tests=facts["tests"], usable=len(facts["usable"]), outside=outside + "."
    )
    parts = [head, "## Totals\n\n", _totals(facts)]
    parts += [_failures(name, found, causes.get(name, [])) for name, found in facts["engines"].items()]
    return "".join([*parts, _operators(facts)])


def unexplained(measured: dict[str, Any], causes: list[dict[str, Any]]) -> list[str]:
    """Return the failed tests of an engine that no cause is written down for."""
    return [name for name in _failed(measured) if _cause(name, causes) is None]


def _totals(facts: dict[str, Any]) -> str:
    rows = [
        (
            "engine",
            "version",
            "tests",
            "passed",
            "unsupported",
            "failed",
            "of these wrong in silence",
            "measured",
        )
    ]
    for engine, measured in facts["engines"].items():
        tests = measured["tests"].values()
        counts = Counter(verdict["outcome"] for verdict in tests)
        silent = sum(verdict.get("kind") in ("values", "shape", "dtype") for verdict in tests)
        part = "all" if measured["every"] == 1 else f"each {measured['every']}th"
        asked = f"{len(measured['tests'])} ({part})"
        outcomes = (counts["passed"], counts["unsupported"], counts["failed"], silent)
        rows.append((engine, measured["version"], asked, *outcomes, measured["date"]))
    return _markdown(rows)


def _failures(engine: str, measured: dict[str, Any], causes: list[dict[str, Any]]) -> str:
    names = _failed(measured)
    if not names:
        return f"\n## Failures of {engine}\n\nNone.\n"
    if not causes:
        rows = [("test", "what happened")]
        rows += [(f"`{name}`", _told(measured["tests"][name])) for name in names]
        return f"\n## Failures of {engine}\n\n{_markdown(rows)}"
    rows = [("tests", "fault", "silent", "cause", "which")]
    for cause in causes:
        mine = [name for name in names if _cause(name, causes) is cause]
        if mine:
            shown = ", ".join(f"`{name.removeprefix('test_')}`" for name in mine)
            silent = "yes" if cause.get("silent") else "no"
            rows.append((str(len(mine)), cause["fault"], silent, cause["cause"], shown))
    rows += [
        ("1", "?", "?", _told(measured["tests"][name]), f"`{name}`") for name in unexplained(measured, causes)
    ]
    return f"\n## Failures of {engine}\n\n{_markdown(rows)}"


def _operators(facts: dict[str, Any]) -> str:
    engines = list(facts["engines"])
    rows = [("operator", *engines)]
    counts = _by_operator(facts)
    for operator in sorted(counts):
        cells = [counts[operator].get(engine) for engine in engines]
        rows.append((f"`{operator}`", *("" if cell is None else f"{cell[0]}/{cell[1]}" for cell in cells)))
    note = "Tests passed of those asked, over the tests whose graph is about a single operator.\n\n"
    return f"\n## Every operator\n\n{note}{_markdown(rows)}"


def _by_operator(facts: dict[str, Any]) -> dict[str, dict[str, list[int]]]:
    counts: dict[str, dict[str, list[int]]] = defaultdict(dict)
    for engine, measured in facts["engines"].items():
        for name, verdict in measured["tests"].items():
            if operator := facts["usable"][name]:
                passed_asked = counts[operator].setdefault(engine, [0, 0])
                passed_asked[0] += verdict["outcome"] == "passed"
                passed_asked[1] += 1
    return counts


def _failed(measured: dict[str, Any]) -> list[str]:
    return [name for name, verdict in measured["tests"].items() if verdict["outcome"] == "failed"]


def _cause(name: str, causes: list[dict[str, Any]]) -> dict[str, Any] | None:
    fits = (cause for cause in causes if any(fnmatch(name, pattern) for pattern in cause["tests"]))
    return next(fits, None)


def _told(verdict: dict[str, str]) -> str:
    return f"{verdict['kind']}: {verdict.get('detail', '')[:160]}"


def _markdown(rows: Iterable[Iterable[object]]) -> str:
    head, *body = ([_cell(str(cell)) for cell in row] for row in rows)
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *body))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def read() -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """Return what was measured, and why tests fail."""
    causes = tomllib.loads(CAUSES.read_text(encoding="utf-8"))
    return json.loads(DETAILS.read_text(encoding="utf-8")), causes


if __name__ == "__main__":
    measured, causes = read()
    TABLE.write_text(table(measured), encoding="utf-8")
    PAGE.write_text(page(measured, causes), encoding="utf-8")
