"""What a latency amounts to: rows and operations a second, and how much of the machine's peak that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.evaluate.accuracy import Interval
from burnish.evaluate.contenders import Contender
from burnish.evaluate.latency import Latency, ratio
from burnish.hardware.probe import ComputePeak


@dataclass(frozen=True, slots=True)
class Speed:
    """One contender's measurement, and what it amounts to."""

    latency: Latency
    flops_per_s: Interval
    """Operations a second; a multiply-add counts as two."""
    rows_per_s: Interval
    peak_share: Interval | None
    """Operations a second over the machine's measured float32 peak; None where no peak is known."""
    times_faster: Interval
    """Than the first contender of the same batch size."""


def speeds(
    contenders: Sequence[Contender], measured: Mapping[str, Latency], peaks: Mapping[int, ComputePeak]
) -> dict[str, Speed]:
    """Relate measured latencies to the work done, to the peak, and to each other.

    Args:
        contenders: What was measured.
        measured: Latency by label; contenders without one are left out.
        peaks: Of the machine, by number of threads.
    """
    found: dict[str, Speed] = {}
    first: dict[int, Latency] = {}
    for contender in contenders:
        latency = measured.get(contender.label)
        if latency is None:
            continue
        baseline = first.setdefault(contender.batch, latency)
        flops = _rate(latency, contender.flops)
        peak = peaks.get(contender.options.threads)
        found[contender.label] = Speed(
            latency,
            flops,
            _rate(latency, contender.batch),
            flops.scaled(1 / peak.flops.value) if peak else None,
            ratio(baseline, latency),
        )
    return found


def sweep_rows(contenders: Sequence[Contender], found: Mapping[str, Speed]) -> list[dict[str, Any]]:
    """Return the rows of `burnish.evaluate.charts.sweep`: a series is a contender at each batch size."""
    return [
        {
            "series": contender.label.replace(f", batch {contender.batch}", ""),
            "batch": contender.batch,
            "rows_per_s": speed.rows_per_s.value,
            "low": speed.rows_per_s.low,
            "high": speed.rows_per_s.high,
        }
        for contender in contenders
        if (speed := found.get(contender.label)) is not None
    ]


def _rate(latency: Latency, work: int) -> Interval:
    """Return the work done a second: what is high for the time is low for the rate."""
    median = latency.median
    value, low, high = (work / ms * 1000 for ms in (median.value, median.high, median.low))
    return Interval(value, low, high, median.n, median.level)
