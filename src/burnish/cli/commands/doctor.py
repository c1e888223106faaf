"""Tell which back ends, devices and dtypes work here, and why the others do not."""

from dataclasses import dataclass, field
from typing import Annotated

import typer

from burnish.cli.render import JsonOption, emit_json, err, out, plain, table
from burnish.runtime import Backend, DeviceStatus, backend_names, fingerprint
from burnish.runtime.machine import engine_version, installed_version
from burnish.runtime.resolve import device_table
from burnish.testing.probes import PROBED, Answer, probe
from burnish.units import format_ms

app = typer.Typer(rich_markup_mode=None)

# What each extra brings, by the names that pip uses.
_EXTRAS = {
    "compress": ("torch", "onnxscript", "torch-pruning", "scikit-learn"),
    "openvino": ("openvino",),
    "tvm": ("apache-tvm",),
    "iree": ("iree-base-compiler", "iree-base-runtime"),
    "huggingface": ("transformers", "safetensors"),
    "tflite": ("tf2onnx", "tflite"),
    "ray": ("ray",),
    "postgres": ("psycopg",),
    "s3": ("s3fs",),
    "mlflow": ("mlflow-skinny",),
    "demo": ("tritonclient",),
}
_HEADS = {"float32": "f32", "float16": "f16", "bfloat16": "bf16", "float64": "f64", "int64": "i64"}


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one device of one back end."""

    backend: str
    version: str | None
    device: str
    works: bool
    reason: str
    dtypes: dict[str, Answer] = field(default_factory=dict)
    """Dtypes whose probe was run."""


@app.command()
def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Probe every dtype on engines that compile for long, too.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Run tiny graphs on every device of every back end; show what works here, and why the rest does not."""
    rows = [_row(backend, status, deep=deep) for backend, status in device_table()]
    extras = {
        extra: {package: installed_version(package) for package in packages}
        for extra, packages in _EXTRAS.items()
    }
    if json:
        emit_json({"machine": plain(fingerprint()), "probes": rows, "extras": extras})
    else:
        out.print(str(fingerprint()), highlight=False, soft_wrap=True)
        _show(rows)
        table(
            "extras",
            ["extra", "installed", "missing"],
            [_extra_cells(name, found) for name, found in extras.items()],
        )
    if not any(row.works for row in rows):
        err.print(f"no back end works here: reinstall one of {', '.join(backend_names())}")
        raise typer.Exit(6)


def _row(backend: Backend, status: DeviceStatus, *, deep: bool) -> Row:
    spec = backend.spec
    version = engine_version(spec.package)
    if not status.available:
        return Row(spec.name, version, status.device, False, status.reason)
    asked = PROBED if deep or not spec.compiles else PROBED[:1]
    answers: dict[str, Answer] = {dtype: probe(backend, status.device, dtype) for dtype in asked}
    works = any(answer.works for answer in answers.values())
    reason = "" if works else next(iter(answers.values())).reason
    return Row(spec.name, version, status.device, works, reason, answers)


def _show(rows: list[Row]) -> None:
    heads = [_HEADS.get(dtype, dtype) for dtype in PROBED]
    table(
        "back ends, devices and the dtypes that ran a probe",
        ["back end", "version", "device", *heads, "first run"],
        [_cells(row) for row in rows if row.works],
        numeric=["first run"],
    )
    table(
        "what does not work, and why",
        ["back end", "device", "dtype", "why"],
        [cells for row in rows for cells in _refusals(row)],
    )
    if any(len(row.dtypes) == 1 for row in rows):
        err.print("'?' was not asked, for it takes long: add --deep", highlight=False)


def _cells(row: Row) -> tuple[str, ...]:
    marks = [_mark(row.dtypes.get(dtype)) for dtype in PROBED]
    times = [answer.first_run_ms for answer in row.dtypes.values() if answer.first_run_ms is not None]
    return row.backend, row.version or "", row.device, *marks, format_ms(times[0]) if times else ""


def _mark(answer: Answer | None) -> str:
    return "?" if answer is None else "yes" if answer.works else "no"


def _refusals(row: Row) -> list[tuple[str, str, str, str]]:
    if not row.works:
        return [(row.backend, row.device, "all", row.reason)]
    return [
        (row.backend, row.device, dtype, answer.reason)
        for dtype, answer in row.dtypes.items()
        if not answer.works
    ]


def _extra_cells(name: str, found: dict[str, str | None]) -> tuple[str, str, str]:
    installed = ", ".join(f"{package} {version}" for package, version in found.items() if version)
    missing = ", ".join(package for package, version in found.items() if not version)
    return name, installed, f"{missing}: pip install 'burnish[{name}]'" if missing else ""
