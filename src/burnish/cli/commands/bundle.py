"""Pack, show and verify what ships."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from burnish.bundle import Bundle, EngineChoice, PackRequest, Verification, pack, verify_bundle
from burnish.cli.render import JsonOption, emit_json, out, table
from burnish.errors import InputError, NotFoundError
from burnish.graph import ComputeGraph
from burnish.graph.samples import random_inputs, read_inputs
from burnish.units import format_bytes

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

_Path = Annotated[Path, typer.Argument(help="A folder or a .burnish file.")]


@app.command("pack")
def pack_command(
    model: Annotated[Path, typer.Argument(help="ONNX file.")],
    out_path: Annotated[
        Path, typer.Option("--out", help="Where: one file when it ends in .burnish, else a folder.")
    ],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    backend: Annotated[str, typer.Option(help="Engine that it is served on.")] = "onnxruntime",
    device: Annotated[str, typer.Option(help="Device that it is served on.")] = "cpu",
    threads: Annotated[int, typer.Option(min=0, help="Threads of the engine; 0 leaves it the choice.")] = 0,
    golden: Annotated[
        list[str] | None,
        typer.Option(help="Golden inputs: an npz file, or NAME=FILE.npy. [default: 4 random rows]"),
    ] = None,
    hyper_parameters: Annotated[
        Path | None, typer.Option(help="JSON file that tells how the model was trained.")
    ] = None,
    data_hash: Annotated[str, typer.Option(help="Digest of the training data.")] = "",
    parent: Annotated[str | None, typer.Option(help="Digest of the bundle that it was made from.")] = None,
    licence: Annotated[str, typer.Option(help="SPDX identifier of the model's licence.")] = "",
    json: JsonOption = False,
) -> None:
    """Make a bundle of an ONNX file; the chosen engine computes the golden outputs."""
    graph = ComputeGraph(model)
    inputs = read_inputs(golden, graph.signature) if golden else random_inputs(graph.signature, batch=4)
    request = PackRequest(
        name=name,
        engine=EngineChoice(backend=backend, device=device, threads=threads),
        golden_inputs=inputs,
        hyper_parameters=_read_json(hyper_parameters) if hyper_parameters else {},
        data_hash=data_hash,
        parent=parent,
        licence=licence,
    )
    show_bundle(pack(out_path, graph, request), as_json=json)


@app.command()
def show(path: _Path, json: JsonOption = False) -> None:
    """Show what a bundle says about itself; every byte is checked on the way."""
    show_bundle(Bundle.open(path), as_json=json)


@app.command()
def verify(
    path: _Path,
    lock_policy: Annotated[
        str, typer.Option(help="When the runtime lock differs: strict, warn or ignore.")
    ] = "warn",
    replay: Annotated[bool, typer.Option(help="Run the golden inputs on the bundle's engine.")] = True,
    json: JsonOption = False,
) -> None:
    """Check every byte, the runtime lock, and that the model still gives its golden outputs."""
    verified = verify_bundle(path, lock_policy=lock_policy, replay=replay)
    if json:
        emit_json(_verification(verified))
        return
    out.print(f"{verified.files} files, {format_bytes(verified.bytes)}: every byte is right", highlight=False)
    if verified.golden_error is not None:
        out.print(f"golden outputs: largest error {verified.golden_error:.3g}", highlight=False)
    for difference in verified.differences:
        out.print(f"runtime: {difference}", highlight=False, markup=False)


def show_bundle(bundle: Bundle, *, as_json: bool) -> None:
    """Print a bundle's digest and manifest."""
    manifest = bundle.manifest
    if as_json:
        emit_json({"digest": bundle.digest, "path": bundle.path, "manifest": msgspec.to_builtins(manifest)})
        return
    signature = bundle.signature
    rows = [
        ("digest", bundle.digest),
        ("created", manifest.created),
        ("engine", f"{manifest.engine.backend} on {manifest.engine.device}"),
        *(("input", spec) for spec in signature.inputs),
        *(("output", spec) for spec in signature.outputs),
        *(
            (metric, f"{m.value:.6g} [{m.low:.6g}, {m.high:.6g}] {m.unit}".rstrip())
            for metric, m in manifest.metrics.items()
        ),
        ("parent", manifest.parent or ""),
        ("code", manifest.code_revision),
        ("licence", manifest.licence),
        *((entry.path, f"{format_bytes(entry.bytes)}, sha256 {entry.sha256}") for entry in manifest.files),
    ]
    table(manifest.name, ("what", "value"), ((what, value) for what, value in rows if str(value)))


def _verification(verified: Verification) -> dict[str, Any]:
    fields = {field.name: getattr(verified, field.name) for field in dataclasses.fields(verified)}
    return fields | {"differences": msgspec.to_builtins(list(verified.differences))}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file", hint="check the path") from error
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: is not a file with a JSON object: {error}") from error
