"""The charts that reports share, as Vega-Lite specifications with their data inside.

Every function takes rows as plain dictionaries, so that the same rows can stand in a table beside the chart.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from burnish.evaluate.chart_style import INK, PALETTE, WARN, Spec, altair, plain
from burnish.plugins import require

Rows = Sequence[Mapping[str, Any]]

_WIDTH = 960


def pareto(rows: Rows) -> Spec:
    """Latency against accuracy with its interval, a point a candidate; the front is joined by a line.

    Args:
        rows: ``name``, ``engine``, ``latency_ms``, ``size_kib``, ``accuracy``, ``low`` and ``high`` (in
            percent), ``front`` and ``chosen`` (bool).
    """
    alt = altair()
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X(
            "latency_ms:Q", title="median latency of one example, ms", scale=alt.Scale(zero=False, padding=30)
        ),
        tooltip=[
            alt.Tooltip(f"{name}:N") for name in ("name", "engine", "latency_ms", "accuracy", "size_kib")
        ],
    )
    accuracy = alt.Y("accuracy:Q", title="accuracy, %", scale=alt.Scale(zero=False))
    color = alt.Color("engine:N", title="engine", scale=alt.Scale(range=PALETTE))
    front = (
        base.transform_filter("datum.front")
        .mark_line(color=INK, strokeDash=[4, 3], opacity=0.6)
        .encode(y=accuracy, order="latency_ms:Q")
    )
    bars = base.mark_rule(opacity=0.35).encode(
        y=alt.Y("low:Q", title="accuracy, %"), y2="high:Q", color=color
    )
    points = base.mark_point(filled=True, opacity=0.9).encode(
        y=accuracy,
        color=color,
        size=alt.Size("size_kib:Q", title="size, KiB", scale=alt.Scale(range=[40, 500])),
    )
    chosen = base.transform_filter("datum.chosen").mark_point(size=700, strokeWidth=2.5, color=WARN)
    labels = (
        base.transform_filter("datum.front || datum.chosen")
        .mark_text(align="left", dx=12, dy=-10, color=INK)
        .encode(y=accuracy, text="name:N")
    )
    return _spec(alt.layer(bars, front, points, chosen.encode(y=accuracy), labels), height=360)


def distribution(rows: Rows, *, x_title: str = "latency, ms", logarithmic: bool = True) -> Spec:
    """Empirical distribution functions, one line a series: how many answers had come after x.

    Args:
        rows: ``series`` and ``x``, one row a sample.
        x_title: Title of the axis.
        logarithmic: Whether x has a logarithmic scale, which shows a long tail.
    """
    alt = altair()
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .transform_window(
            cumulative="cume_dist()", sort=[alt.SortField("x", order="ascending")], groupby=["series"]
        )
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X(
                "x:Q", title=x_title, scale=alt.Scale(type="log" if logarithmic else "linear", nice=False)
            ),
            y=alt.Y("cumulative:Q", title="share of answers", axis=alt.Axis(format="%")),
            color=alt.Color("series:N", title=None, scale=alt.Scale(range=PALETTE)),
        )
    )
    return _spec(chart, height=280)


def timeline(weights: Rows, evidence: Rows, events: Rows) -> Spec:
    """A rollout over time: traffic share as steps, evidence on a logarithmic scale, events as rules.

    Args:
        weights: ``t_s`` and ``share`` (0..1) with ``series`` (a version).
        evidence: ``t_s``, ``log10_e`` and ``series`` (a test).
        events: ``t_s`` and ``event``.
    """
    alt = altair()
    time = alt.X("t_s:Q", title="seconds since the start")
    marks = alt.Chart(alt.Data(values=list(events)))
    rules = marks.mark_rule(color=INK, strokeDash=[3, 3], opacity=0.5).encode(x=time, tooltip="event:N")
    names = marks.mark_text(align="left", angle=270, dx=4, dy=10, fontSize=11, color=INK).encode(
        x=time, y=alt.value(112), text="event:N"
    )
    share = (
        alt.Chart(alt.Data(values=list(weights)))
        .mark_line(interpolate="step-after", strokeWidth=2.5)
        .encode(
            x=time,
            y=alt.Y(
                "share:Q", title="share of answers", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])
            ),
            color=alt.Color("series:N", title="version", scale=alt.Scale(range=PALETTE)),
        )
    )
    tests = (
        alt.Chart(alt.Data(values=list(evidence)))
        .mark_line(strokeWidth=2)
        .encode(
            x=time,
            y=alt.Y("log10_e:Q", title="log10 of the e-value"),
            color=alt.Color("series:N", title="test", scale=alt.Scale(range=PALETTE)),
        )
    )
    upper = alt.layer(share, rules, names).properties(width=_WIDTH, height=220)
    lower = alt.layer(tests, rules).properties(width=_WIDTH, height=160)
    stacked = alt.vconcat(upper, lower).resolve_scale(color="independent", x="shared")
    return plain(stacked)


def bars(rows: Rows, *, x_title: str, y_title: str = "") -> Spec:
    """Horizontal bars with intervals.

    Args:
        rows: ``name``, ``value``, ``low``, ``high`` and ``series``.
        x_title: Title of the value axis, with its unit.
        y_title: Title of the names' axis.
    """
    alt = altair()
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        y=alt.Y("name:N", title=y_title or None, sort=None, axis=alt.Axis(labelLimit=260))
    )
    color = alt.Color("series:N", title=None, scale=alt.Scale(range=PALETTE))
    body = base.mark_bar(opacity=0.85).encode(
        x=alt.X("value:Q", title=x_title), color=color, yOffset="series:N"
    )
    whiskers = base.mark_rule(color=INK).encode(
        x=alt.X("low:Q", title=x_title), x2="high:Q", yOffset="series:N"
    )
    names = {row["name"] for row in rows}
    return _spec(alt.layer(body, whiskers), height=max(120, 44 * len(names)))


def sweep(rows: Rows) -> Spec:
    """Throughput over the batch size, a line a series, with the interval of each point.

    Args:
        rows: ``batch``, ``rows_per_s``, ``low``, ``high`` and ``series``.
    """
    alt = altair()
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X("batch:O", title="batch size", axis=alt.Axis(labelAngle=0)),
        color=alt.Color("series:N", title=None, scale=alt.Scale(range=PALETTE)),
        tooltip=[alt.Tooltip(f"{name}:N") for name in ("series", "batch", "rows_per_s", "low", "high")],
    )
    title = "rows a second"
    lines = base.mark_line(point=True, strokeWidth=2).encode(y=alt.Y("rows_per_s:Q", title=title))
    whiskers = base.mark_rule(strokeWidth=2, opacity=0.5).encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    return _spec(alt.layer(whiskers, lines), height=320)


def to_svg(spec: Spec) -> str:
    """Return a chart as an SVG picture."""
    svg: str = require("vl_convert", extra="compress", need="drawing a chart").vegalite_to_svg(spec)
    return svg


def _spec(chart: Any, *, height: int) -> Spec:
    return plain(chart.properties(width=_WIDTH, height=height))
