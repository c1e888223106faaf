"""The back end of the how-to page is written by somebody else, and sits the same exam."""

import re
from functools import cache
from pathlib import Path

import pytest

from burnish.testing.backend_cases import BackendCases

PAGE = Path(__file__).parents[2] / "docs/how-to/write-a-backend.md"


@cache
def from_page():
    text = PAGE.read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    names = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return names["BACKEND"]


class TestReference(BackendCases):
    @pytest.fixture
    def backend(self):
        return from_page()
