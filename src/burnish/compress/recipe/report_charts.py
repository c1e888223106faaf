"""Charts of a compression run, as Vega-Lite specifications with their data inside."""

from collections.abc import Mapping, Sequence
from typing import Any

from burnish.evaluate.chart_style import ACCENT, INK, MUTED, PALETTE, WARN, Spec, altair, plain

Rows = Sequence[Mapping[str, Any]]

_WIDTH = 900
_NAMES = 220
_COLUMNS = 3


def pareto(rows: Rows) -> Spec:
    """Draw score against latency, a point a candidate on an engine; the front is dark and named, the choice ringed.

    Args:
        rows: ``name``, ``engine``, ``latency_ms``, ``size_kib``, ``accuracy``, ``low`` and ``high`` (in percent),
            ``front`` and ``chosen`` (bool), ``label`` (empty for none).
    """
    alt = altair()
    title = "score on the test split, %"
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X(
            "latency_ms:Q",
            title="median latency, ms",
            scale=alt.Scale(type="log", nice=False, padding=40),
            axis=_few(alt),
        ),
        color=alt.Color("engine:N", title=None, scale=alt.Scale(range=PALETTE)),
        opacity=alt.condition("datum.front", alt.value(0.95), alt.value(0.3)),
        tooltip=[
            f"{name}:N" for name in ("name", "engine", "latency_ms", "accuracy", "low", "high", "size_kib")
        ],
    )
    y = alt.Y("accuracy:Q", title=title, scale=alt.Scale(zero=False))
    spans = base.mark_rule().encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    points = base.mark_point(filled=True).encode(
        y=y, size=alt.Size("size_kib:Q", title="size, KiB", scale=alt.Scale(range=[40, 500]))
    )
    ring = (
        base.transform_filter("datum.chosen")
        .mark_point(size=800, strokeWidth=2.5)
        .encode(y=y, color=alt.value(WARN))
    )
    labels = base.mark_text(align="left", dx=12, dy=-10).encode(y=y, text="label:N", color=alt.value(INK))
    return plain(alt.layer(spans, points, ring, labels).properties(width=_WIDTH, height=340))


def latencies(rows: Rows, batch: int) -> Spec:
    """Draw the median latency of each candidate on each engine with its interval, on a logarithmic axis.

    Args:
        rows: ``name``, ``engine``, ``value``, ``low`` and ``high``, in milliseconds.
        batch: Examples a call.
    """
    alt = altair()
    title = f"median latency of a batch of {batch}, ms"
    log = alt.Scale(type="log", nice=False, padding=20)
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        y=_named(alt, "name"),
        color=alt.Color("engine:N", title=None, scale=alt.Scale(range=PALETTE)),
        tooltip=[f"{name}:N" for name in ("name", "engine", "value", "low", "high")],
    )
    spans = base.mark_rule(strokeWidth=2, opacity=0.5).encode(
        x=alt.X("low:Q", title=title, scale=log, axis=_few(alt)), x2="high:Q"
    )
    points = base.mark_point(filled=True, size=80).encode(x=alt.X("value:Q", title=title, scale=log))
    return _bars(alt.layer(spans, points), len({row["name"] for row in rows}))


def course(rows: Rows, floor_points: float) -> Spec:
    """Draw the way of pruning: what each cut lost, with its interval, over how much smaller it is.

    Args:
        rows: ``removed`` (percent of the parameters), ``points``, ``low``, ``high``, ``before`` (points before
            training), ``verdict`` and ``name``.
        floor_points: Points that may be lost.
    """
    alt = altair()
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X("removed:Q", title="parameters removed, %", scale=alt.Scale(zero=False, padding=20)),
        tooltip=[f"{name}:N" for name in ("name", "removed", "points", "low", "high", "before", "verdict")],
    )
    title = "valid score against the original, points"
    color = alt.Color(
        "verdict:N", title=None, scale=alt.Scale(domain=["kept", "refused"], range=[ACCENT, WARN])
    )
    floor = (
        alt.Chart(alt.Data(values=[{"floor": -floor_points}]))
        .mark_rule(color=INK, strokeDash=[5, 4])
        .encode(y="floor:Q")
    )
    spans = base.mark_rule(opacity=0.6, strokeWidth=2).encode(
        y=alt.Y("low:Q", title=title), y2="high:Q", color=color
    )
    points = base.mark_point(filled=True, size=90).encode(y=alt.Y("points:Q", title=title), color=color)
    before = base.mark_point(shape="cross", size=60, color=MUTED).encode(y=alt.Y("before:Q", title=title))
    return plain(alt.layer(floor, spans, before, points).properties(width=_WIDTH, height=300))


def kept(rows: Rows) -> Spec:
    """Draw how many channels of each layer are left, over how many there were.

    Args:
        rows: ``layer``, ``full`` and ``kept``.
    """
    alt = altair()
    base = alt.Chart(alt.Data(values=list(rows))).encode(y=_named(alt, "layer"))
    title = "output channels: kept of all"
    there = base.mark_bar(color=MUTED, opacity=0.25).encode(x=alt.X("full:Q", title=title))
    left = base.mark_bar(color=ACCENT).encode(
        x=alt.X("kept:Q", title=title), tooltip=["layer:N", "kept:Q", "full:Q"]
    )
    return _bars(alt.layer(there, left), len(rows))


def noise(rows: Rows) -> Spec:
    """Draw how well each tensor survives its quantization: the lower the bar, the more noise.

    Args:
        rows: ``tensor``, ``sqnr_db``, ``reader`` and ``clipped`` (percent).
    """
    alt = altair()
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_bar(color=ACCENT)
        .encode(
            y=_named(alt, "tensor"),
            x=alt.X("sqnr_db:Q", title="signal over quantization noise, dB"),
            tooltip=["tensor:N", "reader:N", "sqnr_db:Q", "clipped:Q"],
        )
    )
    return _bars(chart, len(rows))


def scales(rows: Rows) -> Spec:
    """Draw the scales of each tensor on a logarithmic axis: the smallest, the median and the largest of a weight.

    Args:
        rows: ``tensor``, ``smallest``, ``median``, ``largest`` and ``kind``.
    """
    alt = altair()
    title = "scale: what one step of the integer stands for"
    color = alt.Color("kind:N", title=None, scale=alt.Scale(range=PALETTE))
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        y=_named(alt, "tensor"),
        color=color,
        tooltip=["tensor:N", "kind:N", "smallest:Q", "median:Q", "largest:Q"],
    )
    log = alt.Scale(type="log", nice=False, padding=20)
    spans = base.mark_rule(strokeWidth=3, opacity=0.45).encode(
        x=alt.X("smallest:Q", title=title, scale=log), x2="largest:Q"
    )
    middle = base.mark_point(filled=True, size=45).encode(x=alt.X("median:Q", title=title, scale=log))
    return _bars(alt.layer(spans, middle), len(rows))


def histograms(panels: Sequence[Mapping[str, Any]]) -> Spec:
    """Draw the histogram of each activation with the thresholds of its range.

    Args:
        panels: ``title``, ``bars`` (rows of ``left``, ``right`` and ``count``) and ``rules`` (rows of ``at`` and
            ``rule``, the name of what puts a threshold there).
    """
    alt = altair()
    names = list(dict.fromkeys(rule["rule"] for panel in panels for rule in panel["rules"]))
    colors = alt.Color(
        "rule:N", title=None, scale=alt.Scale(domain=names, range=[WARN, "#3b5bdb", "#7c3aed"])
    )
    powers = alt.Axis(values=list(range(1, 10)), labelExpr="format(pow(10, datum.value), '~s')")
    drawn = []
    for panel in panels:
        bars = (
            alt.Chart(alt.Data(values=list(panel["bars"])))
            .mark_rect(color=ACCENT, opacity=0.75)
            .encode(
                x=alt.X("left:Q", title=None, axis=alt.Axis(tickCount=5, format="~g")),
                x2="right:Q",
                y=alt.Y("shown:Q", title=None, axis=powers),
                y2=alt.datum(0),
            )
        )
        rules = (
            alt.Chart(alt.Data(values=list(panel["rules"])))
            .mark_rule(strokeWidth=2, strokeDash=[5, 3])
            .encode(x="at:Q", color=colors, tooltip=["rule:N", "at:Q"])
        )
        title = alt.TitleParams(panel["title"], fontSize=12, fontWeight="normal", anchor="start")
        drawn.append(alt.layer(bars, rules).properties(width=255, height=120, title=title))
    return plain(alt.concat(*drawn, columns=_COLUMNS))


def trade_off(rows: Rows) -> Spec:
    """Draw the curve of the mixed-precision search: latency against the difference in score, a point a mix.

    Args:
        rows: ``latency_ms``, ``points``, ``low``, ``high``, ``kept_float`` (number of layers), ``order``, ``name``
            and ``chosen``.
    """
    alt = altair()
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X("latency_ms:Q", title="latency, ms", scale=alt.Scale(zero=False, padding=30)),
        tooltip=[f"{name}:N" for name in ("name", "latency_ms", "points", "low", "high", "kept_float")],
    )
    title = "valid score against the float model, points"
    y = alt.Y("points:Q", title=title)
    spans = base.mark_rule(opacity=0.35, color=ACCENT).encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    line = base.mark_line(color=INK, opacity=0.4).encode(y=y, order="order:Q")
    points = base.mark_point(filled=True, size=80, color=ACCENT).encode(y=y)
    chosen = (
        base.transform_filter("datum.chosen").mark_point(size=420, strokeWidth=2.5, color=WARN).encode(y=y)
    )
    labels = base.mark_text(align="left", dx=10, dy=-8, color=INK).encode(y=y, text="kept_float:N")
    return plain(alt.layer(spans, line, points, chosen, labels).properties(width=_WIDTH, height=320))


def sensitivity(rows: Rows) -> Spec:
    """Draw what quantizing each group of nodes alone costs in noise and saves in time.

    Args:
        rows: ``group``, ``method``, ``sqnr_db``, ``points`` and ``gain_ms``.
    """
    alt = altair()
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X("gain_ms:Q", title="time saved, ms", scale=alt.Scale(padding=30)),
        y=alt.Y(
            "sqnr_db:Q", title="signal over noise of the outputs, dB", scale=alt.Scale(zero=False, padding=20)
        ),
        tooltip=[f"{name}:N" for name in ("group", "method", "sqnr_db", "points", "gain_ms")],
    )
    points = base.mark_point(filled=True, size=80).encode(
        color=alt.Color("method:N", title=None, scale=alt.Scale(range=PALETTE))
    )
    labels = base.mark_text(align="left", dx=9, dy=-6, fontSize=10, color=MUTED).encode(text="group:N")
    return plain(alt.layer(points, labels).properties(width=_WIDTH, height=320))


def _few(alt: Any) -> Any:
    return alt.Axis(tickCount=6, format="~g")


def _named(alt: Any, field: str) -> Any:
    return alt.Y(f"{field}:N", title=None, sort=None, axis=alt.Axis(labelLimit=_NAMES))


def _bars(chart: Any, count: int) -> Spec:
    return plain(chart.properties(width=_WIDTH - _NAMES, height=max(60, 18 * count)))
