"""One self-contained HTML page from sections of text, tables and Vega-Lite charts.

The page embeds the chart library and its data: it opens from disk, without a network, years later.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from burnish.files import write_atomic
from burnish.plugins import require

_NEED = "writing an HTML report"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that the reader should see first."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under named columns; those in ``numeric`` are set to the right, those in ``long`` may break anywhere."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    numeric: Sequence[str] = ()
    long: Sequence[str] = ()
    caption: str = ""
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A Vega-Lite chart, given as its specification with the data inside."""

    spec: dict[str, Any]
    caption: str = ""
    kind: Literal["chart"] = "chart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph."""

    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Table | Chart | Text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A page: a title, the figures that matter, and sections."""

    title: str
    subtitle: str = ""
    figures: Sequence[Figure] = field(default_factory=tuple)
    sections: Sequence[Section] = field(default_factory=tuple)


def render(report: Report) -> str:
    """Return the page as HTML that needs no other file.

    Raises:
        MissingExtraError: The packages of the extra ``compress`` are not installed.
    """
    jinja2 = require("jinja2", extra="compress", need=_NEED)
    vl_convert = require("vl_convert", extra="compress", need=_NEED)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    charts = [block.spec for section in report.sections for block in section.blocks if block.kind == "chart"]
    page: str = environment.get_template("report.html.j2").render(
        report=report,
        # "<" could close the script element that the data stands in
        charts_json=json.dumps(charts).replace("<", "\\u003c"),
        library=vl_convert.javascript_bundle() if charts else "",
    )
    return page


def save(report: Report, path: Path) -> None:
    """Write the page to ``path``, whole or not at all."""
    write_atomic(path, render(report).encode())
