"""Charts of an evaluation matrix, as Vega-Lite specifications with their data inside."""

import math
from collections.abc import Mapping

from burnish.evaluate.chart_style import ACCENT, INK, MUTED, PALETTE, WARN, Spec, altair, plain
from burnish.hardware.matrix import Matrix, Row
from burnish.hardware.sensitivity import Point, Sensitivity
from burnish.hardware.tco import annuity

_PARTS = {"purchase": ACCENT, "rent": "#3b5bdb", "energy": WARN, "operations": "#a16207", "rack": MUTED}
_WIDTH = 900
_CORNERS = ((0.5, math.sqrt(3) / 2), (0.0, 0.0), (1.0, 0.0))  # of compute, power and cost


def pareto_chart(matrix: Matrix) -> Spec:
    """Draw cost against throughput, a point a device, its size the energy; the front is marked and labelled.

    Devices without a price or a figure for power are not on it. Rules span the interval of the estimate.
    """
    alt = altair()
    winner = matrix.winner
    points = [
        {
            "device": row.name,
            "rows_per_s": compute,
            "tco_usd": cost,
            "joules": joules,
            "verdict": row.verdict,
            "front": row.name in matrix.front,
            "winner": row is winner,
            **_ends(row),
        }
        for row in matrix.rows
        for compute, joules, cost in [row.axes()]
        if compute is not None and joules is not None and cost is not None
    ]
    base = alt.Chart(alt.Data(values=points)).encode(
        x=alt.X(
            "rows_per_s:Q",
            title="examples a second of one device, within the objective",
            scale=alt.Scale(type="log", padding=50),
            axis=alt.Axis(tickCount=6, format="~s"),
        ),
        y=alt.Y(
            "tco_usd:Q",
            title=f"cost of the fleet over {matrix.options.years:g} years, USD",
            scale=alt.Scale(type="log", padding=30),
            axis=alt.Axis(tickCount=6, format="~s"),
        ),
        tooltip=[f"{name}:N" for name in ("device", "rows_per_s", "tco_usd", "joules", "verdict")],
    )
    spans = base.mark_rule(opacity=0.25, color=INK).encode(x="slow:Q", x2="fast:Q")
    dots = base.mark_point(filled=True, opacity=0.85).encode(
        size=alt.Size("joules:Q", title="J an example", scale=alt.Scale(range=[40, 600])),
        color=alt.Color(
            "verdict:N",
            title=None,
            scale=alt.Scale(domain=["feasible", "uncertain"], range=[ACCENT, MUTED]),
        ),
    )
    ring = base.transform_filter("datum.winner").mark_point(size=900, strokeWidth=2.5, color=WARN)
    names = (
        base.transform_filter("datum.front || datum.winner")
        .mark_text(align="left", dx=18, dy=-8, color=INK)
        .encode(text="device:N")
    )
    return plain(alt.layer(spans, dots, ring, names).properties(width=_WIDTH, height=380))


def cost_chart(matrix: Matrix) -> Spec:
    """Draw what the cost of each fleet is made of, as stacked bars, the cheapest first."""
    alt = altair()
    factor = annuity(matrix.options.years, matrix.options.discount_rate)
    priced = sorted(
        (row for row in matrix.rows if row.bill is not None and row.bill.tco_usd is not None), key=_tco
    )
    parts = [
        {
            "device": f"{row.fleet.devices} x {row.name}",
            "part": part,
            "usd": usd * row.fleet.devices * factor,
            "order": list(_PARTS).index(part),
        }
        for row in priced
        if row.fleet is not None and row.bill is not None and row.bill.yearly is not None
        for part, usd in row.bill.yearly.parts().items()
        if usd > 0
    ]
    used = [part for part in _PARTS if any(one["part"] == part for one in parts)]
    chart = (
        alt.Chart(alt.Data(values=parts))
        .mark_bar()
        .encode(
            y=alt.Y("device:N", title=None, sort=None, axis=alt.Axis(labelLimit=320)),
            x=alt.X(
                "usd:Q",
                title=f"USD over {matrix.options.years:g} years",
                axis=alt.Axis(tickCount=8, format="~s"),
            ),
            color=alt.Color(
                "part:N",
                title=None,
                scale=alt.Scale(domain=used, range=[_PARTS[part] for part in used]),
            ),
            order="order:Q",
            tooltip=["device:N", "part:N", "usd:Q"],
        )
    )
    return plain(chart.properties(width=_WIDTH - 220, height=max(80, 26 * len(priced))))


def weights_chart(found: Sensitivity, weights: Point) -> Spec:
    """Draw the triangle of all weights: which device wins where, and where the weights stand."""
    alt = altair()
    regions = dict(sorted(found.regions.items(), key=lambda item: -found.shares[item[0]]))
    labels = {name: f"{name}: {found.shares[name]:.1%} of all weights" for name in regions}
    outline = [
        {"device": labels[name], "order": order, **_place(corner)}
        for name, polygon in regions.items()
        for order, corner in enumerate((*polygon, polygon[0]))
    ]
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.15, 1.15]))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-0.1, 1.0]))
    color = alt.Color(
        "device:N",
        title=None,
        scale=alt.Scale(domain=list(labels.values()), range=PALETTE),
        legend=alt.Legend(orient="right", labelLimit=360, symbolType="square", symbolOpacity=1),
    )
    areas = (
        alt.Chart(alt.Data(values=outline))
        .mark_line(filled=True, opacity=0.75, strokeWidth=1)
        .encode(x=x, y=y, color=color, order="order:Q", tooltip="device:N")
    )
    corners = [
        {"text": f"only {axis}", "x": place[0], "y": place[1] + shift}
        for axis, place, shift in zip(
            ("compute", "power", "cost"), _CORNERS, (0.05, -0.05, -0.05), strict=True
        )
    ]
    names = (
        alt.Chart(alt.Data(values=corners)).mark_text(color=INK, fontSize=12).encode(x=x, y=y, text="text:N")
    )
    here = (
        alt.Chart(alt.Data(values=[_place(weights)]))
        .mark_point(shape="cross", filled=True, size=220, color="white", stroke=INK, strokeWidth=1.5)
        .encode(x=x, y=y)
    )
    return plain(alt.layer(areas, names, here).properties(width=460, height=390))


def _ends(row: Row) -> Mapping[str, float | None]:
    slow, fast = row.sizing.slow, row.sizing.fast
    middle = row.fleet.rows_per_s if row.fleet is not None else None
    return {
        "slow": slow.rows_per_s if slow is not None else middle,
        "fast": fast.rows_per_s if fast is not None else middle,
    }


def _tco(row: Row) -> float:
    return row.bill.tco_usd if row.bill is not None and row.bill.tco_usd is not None else math.inf


def _place(weights: Point) -> dict[str, float]:
    """Return where weights lie on the page."""
    return {
        "x": sum(weight * corner[0] for weight, corner in zip(weights, _CORNERS, strict=True)),
        "y": sum(weight * corner[1] for weight, corner in zip(weights, _CORNERS, strict=True)),
    }
