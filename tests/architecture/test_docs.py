"""Links lead somewhere, generated pages are current, and what the documentation tells to run, runs."""

import os
import re
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
RUNNABLE = [
    path
    for path in PAGES
    if path == ROOT / "README.md" or path.parent in (ROOT / "docs/how-to", ROOT / "docs/tutorials")
]
BLOCK = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
NOT_RUN = re.compile(r"<!-- not run:(?P<reason>.*?)-->\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    line: int
    reason: str | None


def _blocks(text):
    found = []
    for match in BLOCK.finditer(text):
        skipped = NOT_RUN.search(text[: match.start()])
        reason = skipped["reason"].strip() if skipped else None
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(match["language"], match["code"], line, reason))
    return found


def _runnable(path):
    blocks = _blocks(path.read_text(encoding="utf-8"))
    return [block for block in blocks if block.language in ("bash", "python") and block.reason is None]


def _name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_relative_links_resolve(path):
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    targets = [match["target"].partition("#")[0] for match in LINK.finditer(text)]
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_a_block_that_is_not_run_says_why(path):
    blocks = _blocks(path.read_text(encoding="utf-8"))
    assert [block.line for block in blocks if block.reason == ""] == []


@pytest.mark.parametrize("path", [path for path in RUNNABLE if _runnable(path)], ids=_name)
def test_code_blocks_run(path, tmp_path):
    binaries = Path(sys.executable).parent
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BURNISH_")}
    environment["PATH"] = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    for block in _runnable(path):
        shell = ["bash", "-euo", "pipefail", "-c"] if block.language == "bash" else [sys.executable, "-c"]
        done = subprocess.run(
            [*shell, block.code],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0, f"{_name(path)}:{block.line}\n{block.code}\n{output}"


def test_every_page_to_run_has_code():
    assert [_name(path) for path in RUNNABLE if not _blocks(path.read_text(encoding="utf-8"))] == []


def test_command_line_page_is_current():
    page = runpy.run_path(str(ROOT / "scripts/cli_page.py"))
    written = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    assert written == page["render"](), "run scripts/cli_page.py"


def test_every_decision_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in navigation] == []
