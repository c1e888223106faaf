"""What a probe found, in words and tables."""

from collections.abc import Iterator

from burnish.cli.render import out, table
from burnish.evaluate.probing import Probe
from burnish.hardware.device import Device
from burnish.hardware.probe import Host, Measured, Sustained
from burnish.units import format_bytes, format_count, format_ms

_DISTURBING = 0.02
"""Share of the processors' time taken by others from which measurements are worth less."""
_NOTICEABLE = 0.02
"""Share of its speed that a processor may lose before that is worth a word."""


def show_host(host: Host) -> None:
    """Say what the operating system tells of the processor."""
    told = [
        f"{host.cpu or 'processor without a name'}: {host.cores} processors for this process",
        f"{host.quota:g} of them by quota" if host.quota is not None else "no quota",
        f"{host.threads_per_core} threads a core" if host.threads_per_core else "threads a core not told",
        f"{host.numa_nodes} NUMA nodes" if host.numa_nodes else "NUMA nodes not told",
        f"governor {host.governor}" if host.governor else "no frequency governor to be seen",
    ]
    if host.hypervisor:
        told.append("a virtual machine")
    _say(", ".join(told))
    _say(f"instruction sets: {' '.join(host.isa) or 'not told'}")
    caches = [f"L{one.level} {format_bytes(one.bytes)} for {one.shared_by}" for one in host.caches]
    _say(f"caches: {', '.join(caches) or 'not told'}")


def show_probe(probe: Probe) -> None:
    """Print what was measured of one subject."""
    _show_peaks(probe)
    _show_memory(probe)
    _show_dispatch(probe)
    _show_sustained(probe)


def show_device(device: Device) -> None:
    """Say what is kept under which name."""
    power = f", {device.power_w:.0f} W" if device.power_w else ""
    _say(
        f"{device.name} is this: {device.title}{power}; `burnish hardware` takes it instead of a data sheet's"
    )


def _show_peaks(probe: Probe) -> None:
    float32 = probe.peaks["float32"].value.flops.value
    columns = ["dtype", "best", "median", "worst", "samples", "of float32", "engine", "size", "measured"]
    rows = [
        (
            dtype,
            *_rates(kept.value.flops, "OP/s"),
            kept.value.flops.n,
            f"{kept.value.flops.value / float32:.2f}",
            kept.value.engine,
            kept.value.size,
            kept.date,
        )
        for dtype, kept in probe.peaks.items()
    ]
    table(f"{probe.subject}: fastest matrix products", columns, rows, numeric=[*columns[1:6], "size"])
    for dtype, kept in probe.peaks.items():
        for engine, reason in kept.value.refused.items():
            _say(f"{dtype}: not on {engine}: {reason}")
    for dtype, reason in probe.no_peaks.items():
        _say(f"{dtype}: {reason}")


def _show_memory(probe: Probe) -> None:
    columns = ["working set", "threads", "copy", "worst", "a = b + c", "worst "]
    rows = [
        (
            format_bytes(one.bytes) + (" each" if one.threads > 1 else ""),
            one.threads,
            *_best_and_worst(one.copy),
            *(_best_and_worst(one.add) if one.add else ("", "")),
        )
        for one in probe.memory.value.curve
    ]
    table(f"{probe.subject}: memory traffic", columns, rows, numeric=columns)


def _show_dispatch(probe: Probe) -> None:
    columns = ["engine", "an operator", "95% interval", "a call", "95% interval "]
    rows = [
        (
            engine,
            format_ms(1e3 * (each := kept.value.operator_s).value),
            f"[{format_ms(1e3 * each.low)}, {format_ms(1e3 * each.high)}]",
            format_ms(1e3 * (call := kept.value.call_s).value),
            f"[{format_ms(1e3 * call.low)}, {format_ms(1e3 * call.high)}]",
        )
        for engine, kept in probe.overheads.items()
    ]
    table(f"{probe.subject}: dispatch", columns, rows, numeric=columns[1:])
    for engine, reason in probe.no_overheads.items():
        _say(f"dispatch of {engine}: {reason}")


def _show_sustained(probe: Probe) -> None:
    for line in _sustained(probe.sustained.value):
        _say(line)
    if probe.no_energy:
        _say(f"energy not counted: {probe.no_energy}")


def _sustained(found: Sustained) -> Iterator[str]:
    ratio = found.ratio
    verdict = "no throttling to be seen"
    if ratio.high < 1 - _NOTICEABLE:
        verdict = "it slows down, or others took more of it"
    yield (
        f"float32 products for {found.seconds:.1f} s: {format_count(found.flops_per_s)}OP/s; last third over first "
        f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]: {verdict}"
    )
    for what, pair, unit in (("clock", found.mhz, "MHz"), ("temperature", found.celsius, "°C")):
        yield f"{what}: {pair[0]:.0f} to {pair[1]:.0f} {unit}" if pair else f"{what}: not told"
    told = ((found.stolen, "other machines, by the hypervisor"), (found.others, "other processes"))
    for share, who in told:
        spoiled = "; --refresh when it is less busy" if share is not None and share > _DISTURBING else ""
        yield f"time that went to {who}: {'not told' if share is None else f'{share:.1%}'}{spoiled}"
    for energy in found.energy:
        idle = f"{energy.idle_w:.1f} W idle, " if energy.idle_w is not None else ""
        yield f"{energy.meter}: {idle}{energy.load_w:.1f} W busy, {energy.joules_per_flop * 1e12:.3g} pJ an operation"


def _rates(found: Measured, unit: str) -> tuple[str, ...]:
    return tuple(f"{format_count(rate)}{unit}" for rate in (found.value, found.median, found.low))


def _best_and_worst(found: Measured) -> tuple[str, str]:
    return f"{format_count(found.value)}B/s", f"{format_count(found.low)}B/s"


def _say(text: str) -> None:
    out.print(text, highlight=False, soft_wrap=True, markup=False)
