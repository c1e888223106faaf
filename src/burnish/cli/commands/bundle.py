"""Pack, show and verify what ships."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer

from burnish.bundle import Bundle, EngineChoice, Manifest, PackRequest, compare, current_lock, pack
from burnish.bundle.runtime_lock import enforce
from burnish.cli.inputs import read_inputs
from burnish.cli.render import JsonOption, emit_json, out, table
from burnish.graph import ComputeGraph
from burnish.graph.samples import random_inputs
from burnish.units import format_bytes

app = typer.Typer(no_args_is_help=True)

BundleArgument = Annotated[Path, typer.Argument(help="A bundle: a folder or a .burnish file.")]


@app.command("pack")
def pack_bundle(
    model: Annotated[Path, typer.Argument(help="ONNX file.")],
    out_path: Annotated[
        Path, typer.Option("--out", help="Where; ending in .burnish for one file, else a folder.")
    ],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    backend: Annotated[str, typer.Option(help="Engine that serving uses.")] = "onnxruntime",
    device: Annotated[str, typer.Option(help="Device that serving uses.")] = "cpu",
    golden: Annotated[
        list[str] | None,
        typer.Option(help="Golden inputs: an .npz file, or NAME=FILE.npy. [default: random]"),
    ] = None,
    licence: Annotated[str, typer.Option(help="SPDX identifier of the model's licence.")] = "",
    json: JsonOption = False,
) -> None:
    """Write a bundle: graph, golden samples, runtime lock, and a digest for every file."""
    graph = ComputeGraph(model)
    inputs = read_inputs(golden, graph.signature) if golden else random_inputs(graph.signature, batch=4)
    request = PackRequest(
        name=name, engine=EngineChoice(backend=backend, device=device), golden_inputs=inputs, licence=licence
    )
    bundle = pack(out_path, graph, request)
    if json:
        emit_json({"path": bundle.path, "digest": bundle.digest})
    else:
        out.print(f"{bundle.path}: {bundle.digest}", highlight=False, soft_wrap=True)


@app.command()
def show(path: BundleArgument, json: JsonOption = False) -> None:
    """Show what a bundle says about itself."""
    bundle = Bundle.open(path, verify=False)
    show_manifest(bundle.manifest, json=json)


@app.command()
def verify(
    path: BundleArgument,
    policy: Annotated[
        str, typer.Option(help="When the runtime lock differs: strict, warn or ignore.")
    ] = "warn",
    json: JsonOption = False,
) -> None:
    """Check every byte of a bundle, its graph, its golden samples, and its runtime lock."""
    bundle = Bundle.open(path)
    graph = bundle.graph()
    inputs, expected = bundle.golden()
    engine = bundle.manifest.engine
    outputs = graph.infer(inputs, engine.device, backend=engine.backend)
    worst = {
        name: float(np.abs(outputs[name] - wanted).max(initial=0.0)) for name, wanted in expected.items()
    }
    differences = enforce(bundle.manifest.runtime_lock, policy, subject=str(path))
    result = {
        "digest": bundle.digest,
        "golden_max_error": worst,
        "runtime_differences": list(map(str, differences)),
    }
    if json:
        emit_json(result)
        return
    out.print(
        f"{path}: every file matches its digest; version {bundle.digest}", highlight=False, soft_wrap=True
    )
    for name, error in worst.items():
        out.print(f"golden output {name!r} is off by {error:.3g} at most", highlight=False)
    for difference in differences:
        out.print(f"runtime: {difference}", highlight=False)


def show_manifest(manifest: Manifest, *, json: bool, extra: dict[str, Any] | None = None) -> None:
    """Print a manifest, and what is known beside it."""
    differences = [str(difference) for difference in compare(manifest.runtime_lock, current_lock())]
    facts: dict[str, Any] = {
        **(extra or {}),
        "name": manifest.name,
        "digest": manifest.digest,
        "created": manifest.created,
        "parent": manifest.parent,
        "engine": f"{manifest.engine.backend} on {manifest.engine.device}",
        "code revision": manifest.code_revision,
        "data hash": manifest.data_hash,
        "licence": manifest.licence,
        "runtime differs here": "; ".join(differences) or "no",
    }
    if json:
        emit_json({**(extra or {}), "digest": manifest.digest, "manifest": msgspec.to_builtins(manifest)})
        return
    table("bundle", ["fact", "value"], [(key, value or "-") for key, value in facts.items()])
    table(
        "files",
        ["path", "size", "sha256"],
        [(entry.path, format_bytes(entry.bytes), entry.sha256) for entry in manifest.files],
        numeric=["size"],
    )
    if manifest.metrics:
        table(
            "metrics",
            ["metric", "value", "low", "high", "n", "unit"],
            [
                (name, f"{m.value:.6g}", f"{m.low:.6g}", f"{m.high:.6g}", m.n, m.unit)
                for name, m in manifest.metrics.items()
            ],
            numeric=["value", "low", "high", "n"],
        )
