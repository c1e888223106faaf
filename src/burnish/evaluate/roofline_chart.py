"""An estimate as a roofline: what each operator reaches, and which roof holds it down.

References:
    Williams, Waterman and Patterson 2009, doi:10.1145/1498765.1498785.
"""

from collections.abc import Sequence
from typing import Any

from burnish.errors import ConfigError
from burnish.evaluate.chart_style import INK, Spec, altair
from burnish.hardware.device import Device, Dtype
from burnish.hardware.estimate import Bound, Estimate, WorkTime
from burnish.units import format_count, format_ms

# Okabe and Ito's colours, which the colour-blind tell apart, and a shape each for those who see none
_COLOURS: dict[Bound, str] = {"compute": "#0072b2", "memory": "#d55e00", "overhead": "#cc79a7"}
_SHAPES: dict[Bound, str] = {"compute": "circle", "memory": "square", "overhead": "triangle-up"}
_WIDTH, _HEIGHT = 960, 460


def roofline(estimate: Estimate) -> Spec:
    """Draw every operator that does arithmetic under the roofs of its device, both axes logarithmic.

    Args:
        estimate: Of a device whose bandwidth or peaks are known, or the roofs are left out.

    Raises:
        ConfigError: No operator of the estimate does any arithmetic.
        MissingExtraError: The package that draws is not installed.
    """
    alt = altair()
    points = _points(estimate)
    if not points:
        raise ConfigError(
            f"no operator of {estimate.workload.name} does arithmetic: there is nothing to draw"
        )
    roofs = _roofs(estimate.device, sorted({point["dtype"] for point in points}), points)
    every = [*points, *roofs]
    x = alt.X(
        "intensity:Q",
        title="operations per byte of traffic",
        scale=alt.Scale(type="log", domain=_span([row["intensity"] for row in every]), nice=False),
        axis=alt.Axis(format="~g", tickCount=8),
    )
    y = alt.Y(
        "flops_per_s:Q",
        title="operations a second",
        scale=alt.Scale(type="log", domain=_span([row["flops_per_s"] for row in every], above=2), nice=False),
        axis=alt.Axis(format="~s", tickCount=8),
    )
    layers = [*_roof_layers(alt, roofs, x, y), _point_layer(alt, points, x, y)]
    title = alt.TitleParams(text=_title(estimate), subtitle=_caption(estimate))
    chart = alt.layer(*layers).properties(width=_WIDTH, height=_HEIGHT, title=title)
    spec: Spec = (
        chart.configure_view(strokeOpacity=0)
        .configure_axis(labelFontSize=12, titleFontSize=12, gridOpacity=0.35, titleFontWeight="normal")
        .configure_legend(orient="top", labelFontSize=12, titleFontSize=12, titleFontWeight="normal")
        .configure_title(anchor="start", fontSize=14, subtitleFontSize=12, subtitleColor="#5b6675", offset=12)
        .to_dict()
    )
    return spec


def _caption(estimate: Estimate) -> list[str]:
    """Return what the points do not show: how the time parts by bound, and the operators without a point."""
    shares = ", ".join(f"{bound} {share:.0%}" for bound, share in estimate.by_bound().items())
    bandwidth = estimate.device.bandwidth
    slope = f"; the slope is its bandwidth, {format_count(bandwidth)}B/s" if bandwidth else ""
    found = [f"held up by: {shares} of the time; basis: {estimate.basis}{slope}"]
    if bandwidth and any(
        _has_point(time) and time.work.bytes / time.seconds > bandwidth for time in estimate.times
    ):
        found.append("points over the slope: some of their traffic stays in caches or is fused away")
    pointless = [time for time in estimate.times if not _has_point(time) and time.seconds]
    if pointless:
        share = sum(time.seconds for time in pointless) / estimate.seconds
        found.append(
            f"operators without arithmetic, which have no point: {len(pointless)}, {share:.1%} of the time"
        )
    if estimate.workload.uncosted:
        names = ", ".join(f"{count} {op}" for op, count in estimate.workload.uncosted.items())
        found.append(f"missing, for want of a cost rule: {names}")
    return found


def _title(estimate: Estimate) -> str:
    milliseconds = " to ".join(format_ms(end * 1000) for end in (estimate.low, estimate.high))
    load = estimate.workload
    return (
        f"{load.name}, batch {load.batch}, on {estimate.device.name}: "
        f"{format_ms(estimate.seconds * 1000)} (90%: {milliseconds})"
    )


def _has_point(time: WorkTime) -> bool:
    return time.work.flops > 0 and time.work.bytes > 0 and time.seconds > 0


def _points(estimate: Estimate) -> list[dict[str, Any]]:
    return [
        {
            "name": time.work.name,
            "op": time.work.op,
            "dtype": time.work.dtype,
            "bound": time.bound,
            "intensity": time.work.flops / time.work.bytes,
            "flops_per_s": time.work.flops / time.seconds,
            "share": time.seconds / estimate.seconds,
            "time": format_ms(time.seconds * 1000),
        }
        for time in estimate.times
        if _has_point(time)
    ]


def _roofs(device: Device, dtypes: Sequence[Dtype], points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the corners of each dtype's roof, from left to right; ``label`` stands at the ridge point."""
    right = max(point["intensity"] for point in points)
    left = min(point["intensity"] for point in points)
    corners = []
    for dtype in (dtype for dtype in dtypes if dtype in device.peaks):
        peak = device.peaks[dtype]
        ridge = peak / device.bandwidth if device.bandwidth else None
        begin = (min(left, ridge / 4) if ridge else left, max(right, ridge * 4) if ridge else right)
        ends = [(begin[0], min(peak, begin[0] * (device.bandwidth or float("inf")))), (begin[1], peak)]
        if ridge:
            ends.insert(1, (ridge, peak))
        label = f"{dtype}: {format_count(peak)}FLOP/s" + (f" from {ridge:.3g} FLOP/byte" if ridge else "")
        corners += [
            {
                "dtype": dtype,
                "intensity": at,
                "flops_per_s": rate,
                "label": label if at == (ridge or begin[0]) else "",
            }
            for at, rate in ends
        ]
    return corners


def _roof_layers(alt: Any, roofs: list[dict[str, Any]], x: Any, y: Any) -> list[Any]:
    base = alt.Chart(alt.Data(values=roofs)).encode(x=x, y=y)
    lines = base.mark_line(color=INK, strokeWidth=1.5).encode(detail="dtype:N")
    ridges = base.transform_filter("datum.label")
    marks = ridges.mark_point(shape="diamond", filled=True, color=INK, size=70)
    names = ridges.mark_text(align="right", dx=-8, dy=-10, fontSize=12, color=INK).encode(text="label:N")
    return [lines, marks, names]


def _point_layer(alt: Any, points: list[dict[str, Any]], x: Any, y: Any) -> Any:
    bounds = [bound for bound in _COLOURS if any(point["bound"] == bound for point in points)]
    colours = alt.Scale(domain=bounds, range=[_COLOURS[bound] for bound in bounds])
    shapes = alt.Scale(domain=bounds, range=[_SHAPES[bound] for bound in bounds])
    base = alt.Chart(alt.Data(values=points)).encode(x=x, y=y)
    return base.mark_point(filled=True, opacity=0.55, stroke="white", strokeWidth=0.5).encode(
        color=alt.Color("bound:N", title="held up by", scale=colours),
        shape=alt.Shape("bound:N", title="held up by", scale=shapes),
        size=alt.Size(
            "share:Q",
            title="share of the time",
            scale=alt.Scale(range=[25, 900]),
            legend=alt.Legend(format=".1~%", tickCount=3),
        ),
        tooltip=[
            alt.Tooltip("name:N"),
            alt.Tooltip("op:N", title="operator"),
            alt.Tooltip("dtype:N"),
            alt.Tooltip("time:N"),
            alt.Tooltip("share:Q", title="share of the time", format=".1%"),
            alt.Tooltip("bound:N", title="held up by"),
            alt.Tooltip("intensity:Q", title="FLOP/byte", format=".3~g"),
            alt.Tooltip("flops_per_s:Q", title="FLOP/s", format=".3~s"),
        ],
    )


def _span(values: Sequence[float], *, above: float = 1.2) -> list[float]:
    return [min(values) / 1.3, max(values) * above]
