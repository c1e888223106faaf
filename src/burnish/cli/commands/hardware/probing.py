"""The probe on the command line: what this machine really does."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli.commands.hardware.probe_tables import show_device, show_host, show_probe
from burnish.cli.exit_codes import INTERRUPTED
from burnish.cli.render import JsonOption, emit_json, err, out, plain, progress
from burnish.errors import ConfigError, nearest
from burnish.evaluate.cuda import card, cards
from burnish.evaluate.probing import Probe, Progress, machine_store
from burnish.evaluate.probing import probe as measure
from burnish.evaluate.processor import processor
from burnish.evaluate.this_device import card_device, processor_device
from burnish.hardware.device import Device
from burnish.hardware.exporting import add_device, check_file, check_name, name_of
from burnish.hardware.probe import ProbeConfig, read_host

_PROCESSOR = "cpu"


def probe(
    device: Annotated[
        str | None,
        typer.Option(help="cpu, or a graphics card such as cuda:0. [default: all that are here]"),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="Threads; 0 leaves them to each engine.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="Take a few seconds for a first look; spreads are wider.")
    ] = False,
    sustain_s: Annotated[
        float | None,
        typer.Option(help="How long to keep the processor busy, to see whether it slows down. [default: 5]"),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Forget what is known of this machine and measure it again.")
    ] = False,
    results: Annotated[
        Path | None, typer.Option("--out", help="Add what was measured to this TOML file of devices.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What it is called in that file. [default: made of its title]")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure this machine: products by dtype, memory, dispatch, throttling, energy; later runs know it.

    Every part is kept when it is done: after Ctrl-C the same command, without --refresh, goes on where it stopped.
    """
    config = _config(quick=quick, sustain_s=sustain_s)
    names = _chosen(device)
    if threads and _PROCESSOR not in names:
        raise ConfigError(
            f"--threads {threads}: a graphics card has none to choose", hint="it is for --device cpu"
        )
    if name is not None and (results is None or len(names) > 1):
        raise ConfigError("--name names one device in the file of --out", hint="give --out and --device, too")
    if results is not None:  # what is wrong with the file should not cost a measurement first
        there = check_file(results)
        if name is not None:
            check_name(name, there, label=str(results))
    probes: dict[str, Probe] = {}
    for one in names:
        subject = processor(threads) if one == _PROCESSOR else card(one)
        with _progress(one, refresh=refresh) as told:
            probes[one] = measure(subject, machine_store(), config, refresh=refresh, on_progress=told)
    devices = {one: _device(one, found) for one, found in probes.items()}
    if results is not None:
        for found in devices.values():
            add_device(results, found, name_of(found) if name is None else name)
    if json:
        emit_json(_facts(probes, devices))
    else:
        show_host(read_host())
        for one, measured in probes.items():
            show_probe(measured)
            show_device(devices[one])
        if results is not None:
            out.print(f"written to {results}", highlight=False, soft_wrap=True, markup=False)


def _config(*, quick: bool, sustain_s: float | None) -> ProbeConfig:
    config = ProbeConfig.quick() if quick else ProbeConfig()
    if sustain_s is None:
        return config
    if not 0 < sustain_s <= 3600:
        raise ConfigError(f"--sustain-s {sustain_s:g}: expected more than 0 and at most 3600 seconds")
    return replace(config, sustain_s=sustain_s)


def _chosen(device: str | None) -> list[str]:
    here = [_PROCESSOR, *cards()]
    if device is None:
        return here
    if device not in here:
        raise ConfigError(f"--device {device}: is not here", hint=nearest(device, here))
    return [device]


def _device(name: str, found: Probe) -> Device:
    return processor_device(found) if name == _PROCESSOR else card_device(found, name)


def _facts(probes: dict[str, Probe], devices: dict[str, Device]) -> dict[str, Any]:
    return {
        "host": read_host(),
        "probes": {name: plain(found) for name, found in probes.items()},
        "devices": [plain(found) for found in devices.values()],
    }


@contextmanager
def _progress(subject: str, *, refresh: bool) -> Iterator[Progress]:
    """Show the parts on standard error; say after Ctrl-C what is kept."""
    done = total = 0
    try:
        with progress() as bars:
            bar = bars.add_task(subject, total=None)

            def told(part: str, now: int, everything: int) -> None:
                nonlocal done, total
                done, total = now, everything
                bars.update(bar, completed=now, total=everything, description=f"{subject}: {part or 'done'}")

            yield told
    except KeyboardInterrupt:
        how = "the same command without --refresh" if refresh else "the same command"
        err.print(f"interrupted: {done} of {total} parts of {subject} are kept; {how} goes on")
        raise typer.Exit(INTERRUPTED) from None
