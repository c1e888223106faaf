"""Tell which back ends and devices work here, and why the others do not."""

import time
from dataclasses import dataclass

import numpy as np
import typer

from burnish.cli.render import JsonOption, emit_json, err, out, plain, table
from burnish.errors import BurnishError
from burnish.runtime import Backend, DeviceStatus, backend_names, fingerprint, open_session
from burnish.runtime.machine import installed_version
from burnish.runtime.resolve import device_table
from burnish.testing import graphs
from burnish.units import format_ms

app = typer.Typer()

# What each extra brings, by the names that pip uses.
_EXTRAS = {
    "compress": ("torch", "onnxscript", "torch-pruning", "scikit-learn"),
    "openvino": ("openvino",),
    "tvm": ("apache-tvm",),
    "ray": ("ray",),
    "postgres": ("psycopg",),
    "s3": ("s3fs",),
    "mlflow": ("mlflow-skinny",),
    "demo": ("tritonclient",),
}


@dataclass(frozen=True, slots=True)
class Probe:
    """What became of one device of one back end."""

    backend: str
    version: str | None
    device: str
    works: bool
    first_run_ms: float | None
    reason: str


@app.command()
def doctor(json: JsonOption = False) -> None:
    """Run a tiny graph on every device of every back end; show what works here, and why the rest does not."""
    probes = [_probe(backend, status) for backend, status in device_table()]
    extras = {
        extra: {package: installed_version(package) for package in packages}
        for extra, packages in _EXTRAS.items()
    }
    if json:
        emit_json({"machine": plain(fingerprint()), "probes": probes, "extras": extras})
        return
    out.print(str(fingerprint()), highlight=False, soft_wrap=True)
    table(
        "back ends and devices",
        ["back end", "version", "device", "works", "first run", "why not"],
        [_row(probe) for probe in probes],
        numeric=["first run"],
    )
    table(
        "extras",
        ["extra", "installed", "missing"],
        [_extra_row(name, found) for name, found in extras.items()],
    )
    if not any(probe.works for probe in probes):
        err.print(f"no back end works here: reinstall one of {', '.join(backend_names())}")
        raise typer.Exit(6)


def _probe(backend: Backend, status: DeviceStatus) -> Probe:
    name, version = backend.spec.name, installed_version(backend.spec.package)
    if not status.available:
        return Probe(name, version, status.device, False, None, status.reason)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    begin = time.perf_counter()
    try:
        with open_session(graphs.double(), device=status.device, backend=name) as session:
            y = session.run({"x": x})["y"]
    except BurnishError as error:
        return Probe(name, version, status.device, False, None, str(error))
    if not np.array_equal(y, x + x):
        return Probe(name, version, status.device, False, None, "it gave a wrong answer to the probe")
    return Probe(name, version, status.device, True, (time.perf_counter() - begin) * 1000, "")


def _row(probe: Probe) -> tuple[str, ...]:
    time_taken = "" if probe.first_run_ms is None else format_ms(probe.first_run_ms)
    works = "[green]yes[/]" if probe.works else "no"
    return probe.backend, probe.version or "", probe.device, works, time_taken, probe.reason


def _extra_row(name: str, found: dict[str, str | None]) -> tuple[str, str, str]:
    installed = ", ".join(f"{package} {version}" for package, version in found.items() if version)
    missing = ", ".join(package for package, version in found.items() if not version)
    hint = f"{missing}: pip install 'burnish[{name}]'" if missing else ""
    return name, installed, hint.replace("[", r"\[")
