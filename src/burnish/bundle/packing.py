"""Making a bundle from a graph: all of it, or nothing."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from burnish.bundle import golden
from burnish.bundle.bundle import Bundle
from burnish.bundle.manifest import (
    SCHEMA,
    EngineChoice,
    FileEntry,
    Manifest,
    Measured,
    check_name,
    parse_manifest,
)
from burnish.bundle.runtime_lock import CORE_PACKAGES, current_lock
from burnish.bundle.write import write_bundle
from burnish.errors import ArtifactError, InputError
from burnish.files import sha256_bytes
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.backend import SessionOptions
from burnish.runtime.resolve import get_backend
from burnish.runtime.session import open_session

_GRAPH, _GOLDEN = "graph.onnx", "golden.npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRequest:
    """What goes into a bundle beside the graph."""

    name: str
    """Name of the model."""
    engine: EngineChoice
    """Engine that the evidence was measured on; it computes the golden outputs."""
    golden_inputs: Mapping[str, Array]
    """A few representative inputs."""
    metrics: Mapping[str, Measured] = field(default_factory=dict)
    """Metrics with their intervals."""
    hyper_parameters: Mapping[str, Any] = field(default_factory=dict)
    """How the model was trained."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Measurements behind the metrics."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """What was done to the model."""
    data_hash: str = ""
    """Digest of the training data."""
    parent: str | None = None
    """Digest of the bundle that this one was made from."""
    licence: str = ""
    """SPDX identifier of the model's licence."""


def pack(path: str | Path, graph: ComputeGraph, request: PackRequest) -> Bundle:
    """Write a bundle.

    Args:
        path: Where: one zip file when it ends in ``.burnish``, else a folder.
        graph: What ships.
        request: What goes with it.

    Returns:
        The bundle, opened and verified.

    Raises:
        InputError: The name is not a good one, the golden inputs do not fit the graph, or a value of the
            request cannot be written as JSON.
        ConflictError: There is something at the path already; it is left as it is.
        UnsupportedDeviceError: The engine's device cannot be used here.
    """
    path = Path(path)
    check_name(request.name)
    files = {_GRAPH: graph.to_bytes(), _GOLDEN: _golden(graph, request)}
    engine = get_backend(request.engine.backend).spec.package
    manifest = Manifest(
        schema=SCHEMA,
        name=request.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        files=[
            FileEntry(path=name, sha256=sha256_bytes(data), bytes=len(data)) for name, data in files.items()
        ],
        graph=_GRAPH,
        graph_digest=graph.digest,
        signature=graph.signature.to_dict(),
        golden=_GOLDEN,
        engine=request.engine,
        runtime_lock=current_lock((*CORE_PACKAGES, engine)),
        metrics=dict(request.metrics),
        hyper_parameters=dict(request.hyper_parameters),
        evidence=dict(request.evidence),
        recipe=dict(request.recipe),
        data_hash=request.data_hash,
        parent=request.parent,
        code_revision=_code_revision(),
        licence=request.licence,
    )
    _check_readable(manifest)
    write_bundle(path, manifest, lambda entry, stream: stream.write(files[entry.path]))
    return Bundle.open(path)


def _check_readable(manifest: Manifest) -> None:
    """Find what JSON cannot say, such as a metric that is NaN, before anything is written."""
    try:
        parse_manifest(manifest.to_json(), source="the request")
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(
            f"the manifest of {manifest.name!r} cannot be written as JSON: {error}",
            hint="give plain numbers, strings, lists and mappings",
        ) from error
    except ArtifactError as error:
        raise InputError(
            error.message, hint="every metric and its interval must be a finite number"
        ) from error


def _golden(graph: ComputeGraph, request: PackRequest) -> bytes:
    engine = request.engine
    options = SessionOptions(threads=engine.threads)
    with open_session(graph, device=engine.device, backend=engine.backend, options=options) as session:
        outputs = session.run(request.golden_inputs)
    return golden.encode(request.golden_inputs, outputs)


def _code_revision() -> str:
    """Return the git commit of the working folder, marked when files differ from it; empty outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
