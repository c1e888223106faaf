"""A report is one file: nothing is fetched, and no datum can leave its place."""

import json
import re
from html.parser import HTMLParser

import pytest

from burnish.evaluate import charts
from burnish.evaluate.report import Chart, Figure, Report, Section, Table, Text, render, save

NASTY = "</script><script>alert(1)</script><b>&\"'"


class _Page(HTMLParser):
    """Collects what a browser would load, and the text outside scripts."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.references, self.tags, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def _report():
    bars = charts.bars(
        [{"name": NASTY, "value": 1.0, "low": 0.5, "high": 1.5, "series": "a"}], x_title="latency, ms"
    )
    blocks = [
        Text(text=f"A paragraph {NASTY}"),
        Table(columns=["name", "ms"], rows=[(NASTY, 1.25)], numeric=["ms"], caption="All of it"),
        Chart(spec=bars, caption="Latency"),
    ]
    return Report(
        title=f"Report {NASTY}",
        subtitle="of a test",
        figures=[Figure("speed", "2.00x", "than float")],
        sections=[Section(title="Measured", blocks=blocks)],
    )


@pytest.fixture(scope="module")
def page():
    return render(_report())


def test_nothing_is_fetched(page):
    seen = _Page(page)
    assert seen.references == []
    assert not {"link", "iframe", "img", "base"} & set(seen.tags)
    assert "@import" not in page.partition("</style>")[0]


def test_data_cannot_close_its_script(page):
    seen = _Page(page)
    assert seen.tags.count("script") == 2
    assert "b" not in seen.tags
    data = re.search(r"const specs = (.*);\n", page)
    assert data is not None
    assert "<" not in data[1]
    assert NASTY in json.dumps(json.loads(data[1])).encode().decode("unicode_escape")


def test_every_part_is_shown(page):
    text = _Page(page).text
    for word in ("2.00x", "than float", "Measured", "1.25", "All of it", "Latency", f"A paragraph {NASTY}"):
        assert word in text


def test_page_without_charts_needs_no_script():
    page = render(Report(title="Small", sections=[Section(title="One", blocks=[Text(text="Two")])]))
    assert "<script" not in page
    assert len(page) < 10_000


def test_save_writes_the_page(tmp_path):
    path = tmp_path / "out" / "report.html"
    save(Report(title="Grünwald"), path)
    assert "Grünwald" in path.read_text(encoding="utf-8")
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("row", [{"t_s": 0.0}])
def test_timeline_keeps_its_rows(row):
    spec = charts.timeline(
        [row | {"share": 0.5, "series": "2"}],
        [row | {"log10_e": 1.0, "series": "paired"}],
        [row | {"event": "promoted"}],
    )
    text = json.dumps(spec)
    for word in ("promoted", "paired", "log10_e", "share"):
        assert word in text
