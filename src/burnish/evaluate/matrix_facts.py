"""An evaluation matrix as nested tables, to be written as JSON; every number has its unit in its name."""

from typing import Any

from burnish.hardware.capacity import Fleet
from burnish.hardware.estimate import Estimate
from burnish.hardware.matrix import End, Matrix, Row

_ENDS: tuple[End, ...] = ("slow", "estimate", "fast")


def facts(matrix: Matrix) -> dict[str, Any]:
    """Return everything that a matrix says."""
    found = matrix.sensitivity
    return {
        "model": matrix.model,
        "demand": matrix.demand,
        "assumptions": matrix.options,
        "weights": dict(zip(("compute", "power", "cost"), matrix.weights.normalised(), strict=True)),
        "winner": matrix.winner.name if matrix.winner is not None else None,
        "scores": matrix.ranked,
        "pareto_front": matrix.front,
        "rivals_within_interval": matrix.rivals_within_interval,
        "sensitivity": None
        if found is None
        else {"shares": found.shares, "mean_kendall_tau": found.tau, "flips": found.flips},
        "devices": {row.name: _row(row) for row in matrix.rows},
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "title": row.device.title,
        "verdict": row.verdict,
        "reasons": row.sizing.reasons,
        "notes": row.notes,
        "dtype": row.dtype,
        "basis": row.estimate.basis if row.estimate is not None else None,
        "call": _call(row.estimate),
        "call_at_smallest_batch": _call(row.single),
        "bound": row.bound,
        "peak_share": row.peak_share,
        "tops_per_w_specified": row.tops_per_w_spec,
        "tops_per_w_achieved": row.tops_per_w,
        "power": row.power,
        "fleet": {end: _fleet(row, end) for end in _ENDS},
        "sources": row.device.sources,
    }


def _call(one: Estimate | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "batch": one.workload.batch,
        "seconds": one.seconds,
        "low_s": one.low,
        "high_s": one.high,
        "flops": one.workload.flops,
        "flops_per_s": one.flops_per_s,
        "time_by_bound": one.by_bound(),
        "uncosted_operators": one.workload.uncosted,
    }


def _fleet(row: Row, end: End) -> dict[str, Any] | None:
    fleet: Fleet | None = {"slow": row.sizing.slow, "estimate": row.fleet, "fast": row.sizing.fast}[end]
    if fleet is None:
        return None
    made = row.bills[end]
    return {
        "batch": fleet.batch,
        "devices": fleet.devices,
        "rows_per_s_of_one": fleet.rows_per_s,
        "load": fleet.load,
        "highest_load_that_holds": fleet.held_load,
        "response_s": fleet.response,
        "joules_at_work": made.joules,
        "joules_of_the_fleet": made.fleet_joules,
        "usd_per_year_of_one": made.yearly,
        "usd_per_million": made.usd_per_million,
        "tco_usd": made.tco_usd,
        "co2e_g_per_million": made.grams_per_million,
    }
