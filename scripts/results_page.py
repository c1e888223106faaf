"""Make docs/reference/results.md from benchmarks/results/*.json: every figure in one table.

Run without arguments to write the page; the tests check that it is current.
"""

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "results.md"
COLUMNS = ("issue", "bar", "value", "range", "unit", "target", "met", "command", "machine", "commit", "date")

_HEAD = """# Measured results

Made by `scripts/results_page.py` from `benchmarks/results`. Each row can be measured again with its command.

"""


def render(folder: Path) -> str:
    """Return the page for the results in a folder."""
    files = sorted(folder.glob("*.json"))
    if not files:
        return _HEAD + "No result has been committed yet.\n"
    rows = [COLUMNS, ["---"] * len(COLUMNS), *(_row(file) for file in files)]
    return _HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(file: Path) -> list[str]:
    facts = json.loads(file.read_text(encoding="utf-8"))
    return [
        file.name.partition("-")[0],
        _cell(facts["bar"]),
        f"{facts['value']:.4g}",
        f"{facts['low']:.4g} to {facts['high']:.4g}",
        _cell(facts["unit"]),
        _cell(facts["target"]),
        "yes" if facts["met"] else "no",
        f"`{facts['command']}`",
        _cell(facts["machine"]),
        f"`{facts['commit'][:12]}`",
        facts["date"],
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(render(ROOT / "benchmarks" / "results"), encoding="utf-8")
