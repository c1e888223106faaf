"""A memory plan made visible: bytes alive over the operator timeline, and the arena itself."""

from pathlib import Path
from typing import Any

from burnish.errors import ConfigError
from burnish.evaluate.chart_style import ACCENT, INK, MUTED, WARN, Spec, altair
from burnish.evaluate.report import Chart, Figure, Report, Section, Table, render
from burnish.files import write_atomic
from burnish.graph.memory import MemoryPlan
from burnish.plugins import require
from burnish.units import format_bytes

_MIB = 1 << 20
_WIDTH = 960
_LINEAR_SHARE = 4  # the scale is linear below this share of the arena: the timeline keeps its form
_TICKS = [digit * 10.0**power for power in range(-3, 7) for digit in (1, 2, 5)]


def timeline(plan: MemoryPlan) -> Spec:
    """Draw live bytes while each operator runs, with the arena, the lower bound and the naive sum marked.

    The scale is logarithmic above a quarter of the arena, since the naive sum is many times the arena.
    """
    alt = altair()
    live = [
        {"step": i, "mib": size / _MIB, "operator": plan.operators[i], "name": plan.steps[i], "until": i + 1}
        for i, size in enumerate(plan.live_bytes)
    ]
    unit, top = max(plan.arena_bytes, 1) / _LINEAR_SHARE / _MIB, plan.naive_bytes / _MIB
    y = alt.Y(
        "mib:Q",
        title="MiB",
        scale=alt.Scale(type="symlog", constant=unit, domain=[0, max(top, 4 * unit)], nice=False),
        axis=alt.Axis(values=[0, *(tick for tick in _TICKS if unit / 2 <= tick <= top)], format=",.3~f"),
    )
    x = alt.X("step:Q", title=None, scale=alt.Scale(domain=[0, max(1, len(live))], nice=False))
    bars = (
        alt.Chart(alt.Data(values=live))
        .mark_rect(color=ACCENT, opacity=0.75)
        .encode(x=x, x2="until:Q", y=y, y2=alt.datum(0), tooltip=["step:Q", "operator:N", "name:N", "mib:Q"])
    )
    marks = [
        {
            "what": f"naive sum, {format_bytes(plan.naive_bytes)}",
            "mib": plan.naive_bytes / _MIB,
            "below": False,
        },
        {"what": f"arena, {format_bytes(plan.arena_bytes)}", "mib": plan.arena_bytes / _MIB, "below": False},
        {
            "what": f"lower bound, {format_bytes(plan.lower_bound_bytes)}",
            "mib": plan.lower_bound_bytes / _MIB,
            "below": True,
        },
    ]
    base = alt.Chart(alt.Data(values=marks))
    colors = alt.Color(
        "what:N",
        title=None,
        sort=[mark["what"] for mark in marks],
        scale=alt.Scale(range=[WARN, INK, MUTED], domain=[mark["what"] for mark in marks]),
    )
    rules = base.mark_rule(strokeWidth=2).encode(
        y=y, color=colors, strokeDash=alt.condition("datum.below", alt.value([2, 4]), alt.value([1, 0]))
    )
    return _plain(
        alt.layer(bars, rules).properties(width=_WIDTH, height=300, title="bytes alive at each step")
    )


def arena_map(plan: MemoryPlan) -> Spec:
    """Draw the arena: each rectangle is a piece of memory, from its first to its last step and by its offset."""
    alt = altair()
    extents: dict[str, dict[str, Any]] = {}
    for buffer in plan.buffers:
        piece = extents.setdefault(
            buffer.root, {"name": buffer.root, "first": buffer.first, "last": buffer.last, "values": 0}
        )
        piece["first"] = min(piece["first"], buffer.first)
        piece["last"] = max(piece["last"], buffer.last)
        piece["values"] += 1
        if buffer.name == buffer.root:
            piece |= {"low": buffer.offset / _MIB, "high": (buffer.offset + buffer.size_bytes) / _MIB}
            piece["operator"] = plan.operators[buffer.first]
    rows = [piece | {"end": piece["last"] + 1} for piece in extents.values()]
    kinds = sorted({row["operator"] for row in rows})
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_rect(stroke="white", strokeWidth=0.6, opacity=0.9)
        .encode(
            x=alt.X(
                "first:Q",
                title="operator step",
                scale=alt.Scale(domain=[0, max(1, len(plan.steps))], nice=False),
            ),
            x2="end:Q",
            y=alt.Y("low:Q", title="offset, MiB"),
            y2="high:Q",
            color=alt.Color(
                "operator:N", title="computed by", sort=kinds, scale=alt.Scale(scheme="tableau20")
            ),
            tooltip=["name:N", "operator:N", "values:Q", "first:Q", "last:Q", "low:Q", "high:Q"],
        )
    )
    return _plain(chart.properties(width=_WIDTH, height=300, title="the arena"))


def save_chart(plan: MemoryPlan, path: Path, *, title: str) -> None:
    """Write both pictures to one ``.html``, ``.svg`` or ``.png`` file.

    Raises:
        ConfigError: The file's ending is another.
        MissingExtraError: The packages that draw are not installed.
    """
    ending = path.suffix.lower()
    if ending == ".html":
        write_atomic(path, render(_report(plan, title)).encode())
        return
    if ending not in (".svg", ".png"):
        raise ConfigError(f"{path}: unknown kind of picture", hint="end its name with .html, .svg or .png")
    convert = require("vl_convert", extra="compress", need="drawing a chart")
    upper, lower = timeline(plan), arena_map(plan)
    both = {key: upper[key] for key in ("$schema", "config")} | {
        "title": {"text": title, "subtitle": _summary(plan)},
        "background": "white",
        "vconcat": [_inner(upper), _inner(lower)],
        "resolve": {"scale": {"color": "independent"}, "legend": {"color": "independent"}},
    }
    drawn = convert.vegalite_to_svg(both) if ending == ".svg" else convert.vegalite_to_png(both, scale=1.5)
    write_atomic(path, drawn.encode() if isinstance(drawn, str) else drawn)


def rows(plan: MemoryPlan) -> list[tuple[str, str]]:
    """Return what a plan amounts to, as rows of a table."""
    found = [
        ("naive sum", format_bytes(plan.naive_bytes)),
        ("with shared memory", format_bytes(plan.shared_bytes)),
        ("arena", f"{format_bytes(plan.arena_bytes)} ({plan.saved:.1%} below the naive sum)"),
        ("lower bound", format_bytes(plan.lower_bound_bytes)),
        ("fullest step", f"{plan.peak_step}: {plan.steps[plan.peak_step]}" if plan.steps else "none"),
        ("placed by", plan.strategy),
        ("inputs", format_bytes(plan.input_bytes)),
        ("outputs", format_bytes(plan.output_bytes)),
        ("weights", format_bytes(plan.weight_bytes)),
    ]
    if plan.unplanned:
        found.append(("left out", "; ".join(f"{name}: {reason}" for name, reason in plan.unplanned.items())))
    if plan.opaque:
        found.append(("not looked into", ", ".join(plan.opaque)))
    return found


def _summary(plan: MemoryPlan) -> str:
    return f"batch {plan.batch}: {format_bytes(plan.arena_bytes)} instead of {format_bytes(plan.naive_bytes)}"


def _report(plan: MemoryPlan, title: str) -> Report:
    return Report(
        title=title,
        subtitle=f"memory plan, batch {plan.batch}",
        figures=(
            Figure("arena", format_bytes(plan.arena_bytes), f"{plan.saved:.1%} below the naive sum"),
            Figure("naive sum", format_bytes(plan.naive_bytes), "each value in memory of its own"),
            Figure("lower bound", format_bytes(plan.lower_bound_bytes), "most bytes alive at once"),
        ),
        sections=(
            Section(
                title="Over time",
                blocks=(
                    Chart(spec=timeline(plan), caption="Bytes alive while each operator runs."),
                    Chart(
                        spec=arena_map(plan),
                        caption="Each rectangle is a piece of memory while it is needed.",
                    ),
                ),
            ),
            Section(title="In numbers", blocks=(Table(columns=("", "value"), rows=rows(plan)),)),
        ),
    )


def _inner(spec: Spec) -> Spec:
    return {key: value for key, value in spec.items() if key not in ("$schema", "config")}


def _plain(chart: Any) -> Spec:
    spec: Spec = (
        chart.configure_view(strokeOpacity=0)
        .configure_axis(labelFontSize=12, titleFontSize=12, gridOpacity=0.4, titleFontWeight="normal")
        .configure_legend(orient="top", labelFontSize=12, titleFontSize=12, labelLimit=300)
        .configure_title(anchor="start", fontWeight="normal", fontSize=13)
        .to_dict()
    )
    return spec
