"""Fill the tables of docs/explanation/{estimates,calibration}.md from benchmarks/results/details/3-*.json.

Run without arguments to write the pages; the tests check that they are current.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/explanation/estimates.md"
DETAILS = ROOT / "benchmarks/results/details/3-mlperf.json"
EFFICIENCY = ROOT / "src/burnish/hardware/efficiency.json"
CALIBRATION_PAGE = ROOT / "docs/explanation/calibration.md"
CALIBRATION = ROOT / "benchmarks/results/details/3-estimator.json"
BLOCK = re.compile(r"(<!-- (?P<name>[\w-]+): begin -->\n).*?(<!-- (?P=name): end -->)", re.DOTALL)
MODELS = {"resnet50": "ResNet-50", "bert-large": "BERT-Large"}
METHODS = {
    "estimate": "burnish",
    "operations": "operations over one rate",
    "roofline": "naive roofline",
}

Facts = Mapping[str, Any]


def render(page: str, facts: Facts, shipped: Facts) -> str:
    """Return the page with the tables of the facts."""
    made: Mapping[str, Callable[[], str]] = {
        "shares": lambda: shares(shipped["efficiency"]),
        "summary": lambda: summary(facts),
        "held-out": lambda: points([one for one in facts["points"] if one["use"] == "test"]),
        "fitted": lambda: points([one for one in facts["points"] if one["use"] == "fit"]),
        "a100": lambda: a100(facts["a100"]),
        "orin": lambda: orin(facts["orin"]),
    }
    return BLOCK.sub(lambda found: found[1] + made[found["name"]]() + found[3], page)


def render_calibration(page: str, facts: Facts) -> str:
    """Return the page with the tables of the facts."""
    made: Mapping[str, Callable[[], str]] = {
        "methods": lambda: methods(facts["summary"]),
        "unseen": lambda: methods(facts["unseen"]),
        "models": lambda: models(facts["points"]),
    }
    return BLOCK.sub(lambda found: found[1] + made[found["name"]]() + found[3], page)


def methods(summaries: Facts) -> str:
    """Return the table of ways to predict and their errors."""
    rows = [
        [
            title,
            f"{summaries[name]['median_error_percent']:.1f}%",
            f"{summaries[name]['error_percent_90th']:.1f}%",
            f"{summaries[name]['kendall_tau']:.3f}",
        ]
        for name, title in METHODS.items()
    ]
    return table(("way to predict", "median error", "90th percentile", "Kendall tau of the ranking"), rows)


def models(measured: Sequence[Facts]) -> str:
    """Return the table of models."""
    rows = [
        [
            one["model"],
            str(one["batch"]),
            f"{figure(one['measured'] * 1000)} ms",
            f"{figure(one['estimate'] * 1000)} ({figure(one['low'] * 1000)} to {figure(one['high'] * 1000)})",
            *(f"{one[name] / one['measured'] - 1:+.0%}" for name in METHODS),
        ]
        for one in measured
    ]
    return table(("model", "batch", "measured", "estimate (90% interval)", *METHODS.values()), rows)


def shares(fitted: Facts) -> str:
    """Return the table of what was fitted."""
    rows = [
        ["convolutions, share of the peak", f"{fitted['conv']:.2f}"],
        ["matrix products, share of the peak", f"{fitted['matmul']:.2f}"],
        ["traffic of products, share of the bandwidth", f"{fitted['product_traffic']:.2f}"],
        ["traffic between products, share of the bandwidth", f"{fitted['other_traffic']:.2f}"],
    ]
    for kind, factors in fitted["kinds"].items():
        rows += [
            [f"{kind}: factor of all shares", f"{factors['speed']:.2f}"],
            [f"{kind}: least time of a product", f"{factors['floor_s'] * 1e6:.1f} µs"],
        ]
    for name in ("known", "unknown"):
        what = "a sort of device that was fitted on" if name == "known" else "all other devices and dtypes"
        rows.append([f"90% interval for {what}: factor", f"{fitted[name]['throughput']:.2f}"])
        rows.append([f"90% interval for {what}: factor of the least times", f"{fitted[name]['latency']:.2f}"])
    return table(("figure", "value"), rows)


def summary(facts: Facts) -> str:
    """Return the table of errors."""
    rows = []
    for scenario, use in product(("offline", "singlestream"), ("fit", "test")):
        half = facts["summary"][scenario][use]
        rows.append(
            [
                "throughput" if scenario == "offline" else "latency of one image",
                "fitted on" if use == "fit" else "never seen",
                str(len(half["devices"])),
                str(half["points"]),
                f"{half['median_error_percent']:.1f}%",
                f"{half['error_percent_90th']:.0f}%",
                f"{half['coverage']:.0%}",
            ]
        )
    head = ("what", "devices", "how many", "points", "median error", "90th percentile", "within the interval")
    left = facts["leave_one_family_out_median_error_percent"]
    note = (
        f"Leaving out one family of devices at a time, the median error of all throughputs is {left:.1f}%.\n"
    )
    return f"{table(head, rows)}\n{note}"


def points(lines: Sequence[Facts]) -> str:
    """Return the table of published results with their estimates."""
    rows = [
        [
            f"`{one['device']}`",
            MODELS[one["model"]],
            f"[{figure(one['published'])} {one['unit']}]({url(one)})",
            f"{figure(one['predicted'])} ({figure(one['low'])} to {figure(one['high'])})",
            f"{one['error_percent']:+.0f}%",
            f"{one['utilisation']:.0%}" if "utilisation" in one else "",
        ]
        for one in lines
    ]
    return table(
        ("device", "model", "published", "estimate (90% interval)", "error", "of the dense peak"), rows
    )


def a100(facts: Facts) -> str:
    """Return the table of ResNet-50 on the A100."""
    giga = facts["operations"] / 1e9
    rows = [
        ["operations of one image, a multiply-add counted as two", f"{giga:.2f} billion"],
        ["dense INT8 peak", f"{facts['peak'] / 1e12:.0f} TOPS"],
        ["best published throughput", f"{facts['published']:,.0f} images/s"],
        ["share of the peak: best published result", f"**{facts['utilisation']:.1%}**"],
        ["share of the peak: median of the published results", f"{facts['median']:.1%}"],
        ["share of the peak: slowest published result", f"{facts['worst']:.1%}"],
        ["the claim", f"{facts['claimed']:.0%}"],
        ["what the claim would take", f"{facts['samples_per_s_at_claim']:,.0f} images/s"],
    ]
    return table(("figure", "value"), rows)


def orin(facts: Facts) -> str:
    """Return the table of Jetson AGX Orin."""
    fast, slow = facts["fastest"], facts["efficient"]
    claimed = facts["claimed_tops"] / facts["claimed_w"]
    rows = [
        ["the claim", f"{facts['claimed_tops']} TOPS / {facts['claimed_w']} W = {claimed:.1f} TOPS/W"],
        ["dense INT8 peak, GPU", f"{facts['gpu_dense_tops']:.1f} TOPS"],
        ["dense INT8 peak, GPU and two DLA", f"{facts['dense_tops']:.1f} TOPS"],
        [
            "fastest published ResNet-50, clocks without limit",
            f"[{fast['published']:,.0f} images/s]({url(fast)}) = {fast['tops']:.1f} TOPS = "
            f"{fast['utilisation']:.0%} of the dense peak",
        ],
        [
            "published ResNet-50 with power measured",
            f"[{slow['samples_per_s']:,.0f} images/s]({url(slow)}) = {slow['tops']:.1f} TOPS at "
            f"[{slow['watts']} W]({url({'round': slow['round'], 'path': slow['power_path']})}) = "
            f"**{slow['tops_per_w']:.2f} TOPS/W**",
        ],
    ]
    return table(("figure", "value"), rows)


def url(facts: Facts) -> str:
    """Return where a log can be read."""
    return f"https://github.com/mlcommons/inference_results_{facts['round']}/blob/master/{facts['path']}"


def figure(value: float) -> str:
    """Return a figure with three digits that tell."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def load(path: Path) -> Facts:
    """Return what a JSON file holds."""
    facts: Facts = json.loads(path.read_text(encoding="utf-8"))
    return facts


if __name__ == "__main__":
    if CALIBRATION.exists():
        CALIBRATION_PAGE.write_text(
            render_calibration(CALIBRATION_PAGE.read_text(encoding="utf-8"), load(CALIBRATION)),
            encoding="utf-8",
        )
    PAGE.write_text(
        render(PAGE.read_text(encoding="utf-8"), load(DETAILS), load(EFFICIENCY)), encoding="utf-8"
    )
