"""An evaluation matrix in words and cells, for the terminal and the page alike."""

from collections.abc import Sequence

from burnish.hardware.matrix import Matrix, Row
from burnish.units import format_count, format_ms

FLEET = (
    "device",
    "score",
    "verdict",
    "dtype",
    "batch",
    "one call [90%]",
    "answer within",
    "devices",
    "J/example",
    "USD/million",
    "USD in all",
)
"""Heads of what a fleet does, takes and costs."""

USE = (
    "device",
    "examples/s of one",
    "FLOP/s",
    "of peak",
    "bound",
    "TOPS/W spec",
    "TOPS/W here",
    "paid",
    "basis",
)
"""Heads of how well a device is used, and what the row rests on."""

_WORDS = ("device", "verdict", "dtype", "bound", "paid", "basis")


def numeric(heads: Sequence[str]) -> list[str]:
    """Return the heads of the columns that hold numbers."""
    return [head for head in heads if head not in _WORDS]


def format_percent(share: float) -> str:
    """Write a share without rounding it up to all.

    >>> format_percent(0.99), format_percent(0.9995)
    ('99%', '99.95%')
    """
    return f"{share * 100:g}%"


def fleet_cells(matrix: Matrix) -> list[tuple[str, ...]]:
    """Return the cells under `FLEET`; ``>`` marks the choice and ``*`` the Pareto front."""
    return [(*_marked(matrix, row), *_fleet(row)) for row in matrix.ordered]


def use_cells(matrix: Matrix) -> list[tuple[str, ...]]:
    """Return the cells under `USE`, of the devices that were estimated."""
    return [(row.name, *_use(row)) for row in matrix.ordered if row.estimate is not None]


def choice(matrix: Matrix) -> list[str]:
    """Say which device is chosen, and what would turn the choice over."""
    winner = matrix.winner
    if winner is None or winner.fleet is None:
        return ["no device of these is known to do what is asked, with every figure that counts"]
    shares = ", ".join(
        f"{axis} {share:.0%}"
        for axis, share in zip(("compute", "power", "cost"), matrix.weights.normalised(), strict=True)
    )
    lines = [
        f"choice: {winner.fleet.devices} x {winner.device.title} ({winner.verdict}), by {shares}",
    ]
    found = matrix.sensitivity
    if found is not None:
        lines.append(
            f"it wins for {found.shares.get(winner.name, 0.0):.0%} of all weights; rankings agree by Kendall's tau "
            f"{found.tau:.2f} on average"
        )
        if found.flips:
            flip = found.flips[0]
            lines.append(
                f"nearest change: {flip.winner} takes over where {flip.axis} weighs {flip.weight:.2f}"
            )
    if matrix.rivals_within_interval:
        lines.append(f"within the estimates' intervals may win: {', '.join(matrix.rivals_within_interval)}")
    elif len(matrix.ranked) > 1:
        lines.append("no other device wins within the estimates' intervals")
    return lines


def reasons(matrix: Matrix) -> list[str]:
    """Return what speaks against each device, and what is not known of it, the same of several in one line."""
    said: dict[str, list[str]] = {}
    for row in matrix.rows:
        for reason in (*row.sizing.reasons, *row.notes):
            said.setdefault(reason, []).append(row.name)
    return [f"{', '.join(names)}: {reason}" for reason, names in said.items()]


def _marked(matrix: Matrix, row: Row) -> tuple[str, ...]:
    mark = "> " if row is matrix.winner else "* " if row.name in matrix.front else ""
    return mark + row.name, _number(matrix.ranked.get(row.name), ".3f"), row.verdict, row.dtype or "-"


def _fleet(row: Row) -> tuple[str, ...]:
    one, fleet, bill = row.estimate, row.fleet, row.bill
    call = (
        "-" if one is None else f"{one.seconds * 1000:.3g} ms [{one.low * 1000:.3g}, {one.high * 1000:.3g}]"
    )
    if fleet is None or bill is None:
        return "-", call, "-", "-", "-", "-", "-"
    return (
        str(fleet.batch),
        call,
        format_ms(fleet.response.total_s * 1000),
        _devices(row),
        _number(bill.joules, ".3g"),
        _number(bill.usd_per_million, ".3g"),
        _number(bill.tco_usd, ",.0f"),
    )


def _use(row: Row) -> tuple[str, ...]:
    one, cost = row.estimate, row.bill.yearly if row.bill is not None else None
    return (
        "-" if row.fleet is None else f"{row.fleet.rows_per_s:,.0f}",
        "-" if one is None else format_count(one.flops_per_s),
        "-" if row.peak_share is None else f"{row.peak_share:.1%}",
        row.bound or "-",
        _number(row.tops_per_w_spec, ".3g"),
        _number(row.tops_per_w, ".3g"),
        "-" if cost is None else cost.way,
        "-" if one is None else one.basis,
    )


def _devices(row: Row) -> str:
    """Write the number of devices, and its range by the estimate's interval; ``-`` where no number is enough."""
    fast, middle, slow = (
        one.devices if one else None for one in (row.sizing.fast, row.fleet, row.sizing.slow)
    )
    if fast == middle == slow:
        return str(middle)
    return f"{middle} [{fast}, {'-' if slow is None else slow}]"


def _number(value: float | None, style: str) -> str:
    return "-" if value is None else format(value, style)
