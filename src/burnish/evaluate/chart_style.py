"""How every chart looks: its colours, its type, and the way from Altair to plain data."""

from typing import Any

from burnish.plugins import require

Spec = dict[str, Any]

INK, ACCENT, WARN, MUTED = "#1c2430", "#0b6e69", "#c2410c", "#5b6675"
PALETTE = ["#0b6e69", "#c2410c", "#3b5bdb", "#a16207", "#7c3aed", "#5b6675", "#be185d", "#4d7c0f"]


def altair() -> Any:
    """Return the library that draws.

    Raises:
        MissingExtraError: It is not installed.
    """
    return require("altair", extra="compress", need="drawing a chart")


def plain(chart: Any) -> Spec:
    """Return a chart in the common style as a Vega-Lite specification."""
    configured = (
        chart.configure_view(strokeOpacity=0)
        .configure_axis(labelFontSize=12, titleFontSize=12, gridOpacity=0.4, titleFontWeight="normal")
        .configure_legend(orient="top", labelFontSize=12, titleFontSize=12, titleFontWeight="normal")
    )
    spec: Spec = configured.to_dict()
    return spec
