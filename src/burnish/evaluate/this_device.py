"""This machine as devices: what they were measured to do, in place of what a data sheet would promise."""

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

from burnish.evaluate.cuda import card, card_limit_w
from burnish.evaluate.probing import Probe, Progress, machine_store, probe
from burnish.evaluate.processor import processor
from burnish.hardware.device import Device
from burnish.hardware.probe import Measured, ProbeConfig, Spread, rapl_limit_w, read_host
from burnish.hardware.store import Kept
from burnish.runtime.machine import fingerprint

NAME = "this-machine"


def this_device(
    *, refresh: bool = False, quick: bool = False, threads: int = 0, on_progress: Progress | None = None
) -> Device:
    """Return this machine's processor as a device, measured where it is not known yet.

    Args:
        refresh: Whether to measure again.
        quick: Whether a first look is enough; better measurements are taken where they are known.
        threads: Threads of the engines; 0 leaves them to each.
        on_progress: Told before each part of the measurement.

    Raises:
        UnsupportedDeviceError: No engine here multiplies float32.

    Cost: less than a minute where it is measured, some seconds with ``quick``.
    """
    config = ProbeConfig.quick() if quick else ProbeConfig()
    subject, store = processor(threads), machine_store()
    return processor_device(probe(subject, store, config, refresh=refresh, on_progress=on_progress))


def this_card(
    name: str = "cuda:0", *, refresh: bool = False, quick: bool = False, on_progress: Progress | None = None
) -> Device:
    """Return a graphics card of this machine as a device, measured where it is not known yet.

    Args:
        name: One of `burnish.evaluate.cuda.cards`.
        refresh: As for `this_device`.
        quick: As for `this_device`.
        on_progress: As for `this_device`.
    """
    config = ProbeConfig.quick() if quick else ProbeConfig()
    measured = probe(card(name), machine_store(), config, refresh=refresh, on_progress=on_progress)
    return card_device(measured, name)


def processor_device(measured: Probe) -> Device:
    """Return a processor's measurement as a device.

    Its power is what the processor may draw for long where the system tells, else what it was seen to draw.
    """
    machine, host = fingerprint(), read_host()
    device = Device(
        name=NAME,
        title=f"{host.cpu or machine.cpu}, {host.cores} cores",
        kind="cpu",
        vendor=host.vendor,
        memory_bytes=float(min(machine.memory_bytes, host.memory_limit or machine.memory_bytes)),
    )
    device = _with_figures(device, measured, rapl_limit_w(), "RAPL's long-term limit of all packages")
    return _with_dispatch(device, measured, "onnxruntime")  # the engine that the core brings


def card_device(measured: Probe, name: str) -> Device:
    """Return a graphics card's measurement as a device; its power is the limit that the driver enforces.

    Args:
        measured: The measurement.
        name: One of `burnish.evaluate.cuda.cards`.
    """
    properties = import_module("torch").cuda.get_device_properties(name)
    device = Device(
        name=f"{NAME}-{name.replace(':', '-')}",
        title=properties.name,
        kind="gpu",
        memory_bytes=float(properties.total_memory),
    )
    device = _with_figures(device, measured, card_limit_w(name), "NVML's enforced power limit")
    return _with_dispatch(device, measured, "torch")


def _with_figures(device: Device, measured: Probe, limit_w: float | None, limit_source: str) -> Device:
    device = replace(
        device,
        peaks={dtype: peak.value.flops.value for dtype, peak in measured.peaks.items()},
        bandwidth=measured.memory.value.best[1].value,
        sources=dict(_sources(measured)),
        origin="measured",
    )
    run = measured.sustained
    drawn = f"counted on {run.date} during {run.value.seconds:.1f} s of float32 products"
    load_w = sum(energy.load_w for energy in run.value.energy) or None
    power_w, source = (load_w, drawn) if limit_w is None else (limit_w, limit_source)
    if power_w is None:
        return device
    idle_w = sum(energy.idle_w or 0.0 for energy in run.value.energy) or None
    sources = {**device.sources, "power_w": source}
    if idle_w is None or idle_w > power_w:
        return replace(device, power_w=power_w, sources=sources)
    sources["idle_w"] = f"counted on {run.date} before the products"
    return replace(device, power_w=power_w, idle_w=idle_w, sources=sources)


def _with_dispatch(device: Device, measured: Probe, engine: str) -> Device:
    overhead = measured.overheads.get(engine)
    if overhead is None:
        return device
    figure = overhead.value.operator_s
    source = _source(overhead, f"{engine}, chains of {overhead.value.operator}", figure)
    return replace(device, overhead_s=figure.value, sources={**device.sources, "overhead_s": source})


def _sources(measured: Probe) -> Iterator[tuple[str, str]]:
    for dtype, peak in measured.peaks.items():
        found = peak.value
        yield f"peaks.{dtype}", _source(peak, f"{found.engine}, product of size {found.size}", found.flops)
    name, best = measured.memory.value.best
    yield "bandwidth", _source(measured.memory, f"{name} of large arrays", best)
    yield "memory_bytes", "told by the system"


def _source(kept: Kept[Any], what: str, figure: Measured | Spread) -> str:
    high = figure.value if isinstance(figure, Measured) else figure.high
    return f"measured on {kept.date} with {what}, {figure.n} samples, spread {figure.low:.4g} to {high:.4g}"
