"""Estimates on the terminal."""

from collections.abc import Mapping

from burnish.cli.render import err, out, table
from burnish.hardware.estimate import Estimate
from burnish.units import format_bytes, format_count, format_ms

_LATENCY = ["batch", "latency", "90% interval", "rows/s", "operations", "traffic", "FLOP/s"]
_BOUNDS = ["compute", "memory", "overhead"]
_OPERATOR = ["#", "operator", "name", "dtype", "time", "share", "held up by", "operations/byte"]


def show_estimates(
    found: Mapping[int, Estimate], as_it_is: Mapping[int, Estimate], *, top: int, assumed: str
) -> None:
    """Print the latency of each batch, and the slowest operators of the largest.

    Args:
        found: Estimates by batch size.
        as_it_is: The same without what is only assumed; empty where nothing is.
        top: Operators to show.
        assumed: What that is, in words.
    """
    some = found[max(found)]
    columns = [*_LATENCY, *_BOUNDS, *(["as it is", "times faster"] if as_it_is else [])]
    rows = [(*_latency(one), *_gain(one, as_it_is.get(batch))) for batch, one in found.items()]
    name = ", ".join(filter(None, (some.workload.name, assumed)))
    table(f"{name} on {some.device.title}", columns, rows, numeric=columns)
    slowest = sorted(some.times, key=lambda time: -time.seconds)[:top]
    if slowest:
        title = f"the slowest {len(slowest)} of {len(some.times)} operators, batch {some.workload.batch}"
        operators = [
            (
                time.work.index,
                time.work.op,
                time.work.name,
                time.work.dtype,
                format_ms(time.seconds * 1000),
                f"{time.seconds / some.seconds:.1%}",
                time.bound,
                f"{time.work.flops / time.work.bytes:.3g}" if time.work.bytes else "-",
            )
            for time in slowest
            if time.seconds
        ]
        table(title, _OPERATOR, operators, numeric=["#", "time", "share", "operations/byte"])
    out.print(f"basis: {some.basis}; nothing was run", highlight=False, soft_wrap=True, markup=False)
    if some.workload.uncosted:
        counted = ", ".join(f"{count} {op}" for op, count in some.workload.uncosted.items())
        err.print(f"not in the estimate, for want of a cost rule: {counted}", highlight=False, soft_wrap=True)


def _latency(one: Estimate) -> tuple[str, ...]:
    load, shares = one.workload, one.by_bound()
    return (
        str(load.batch),
        format_ms(one.seconds * 1000),
        f"[{format_ms(one.low * 1000)}, {format_ms(one.high * 1000)}]",
        f"{load.batch / one.seconds:,.1f}" if one.seconds else "-",
        format_count(load.flops),
        format_bytes(load.bytes),
        format_count(one.flops_per_s),
        *(f"{share:.0%}" for share in shares.values()),
    )


def _gain(one: Estimate, before: Estimate | None) -> tuple[str, ...]:
    if before is None:
        return ()
    return format_ms(before.seconds * 1000), f"{before.seconds / one.seconds:.2f}" if one.seconds else "-"
