"""Making a bundle: all of it, or nothing."""

import io
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from burnish.bundle.bundle import Bundle
from burnish.bundle.container import SUFFIX
from burnish.bundle.manifest import (
    MANIFEST_NAME,
    SCHEMA,
    EngineChoice,
    FileEntry,
    Manifest,
    Measured,
    check_name,
)
from burnish.bundle.runtime_lock import current_lock
from burnish.errors import ConflictError
from burnish.files import atomic_writer, sha256_bytes, sync_directory, write_atomic
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.backend import SessionOptions
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
        InputError: The name is not a good one, or the golden inputs do not fit the graph.
        ConflictError: There is something at the path already; it is left as it is.
        UnsupportedDeviceError: The engine's device cannot be used here.
    """
    path = Path(path)
    check_name(request.name)
    if path.exists():
        raise ConflictError(f"{path}: already exists", hint="choose another path, or remove it first")
    files = {_GRAPH: graph.to_bytes(), _GOLDEN: _golden(graph, request)}
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
        runtime_lock=current_lock(),
        metrics=dict(request.metrics),
        hyper_parameters=dict(request.hyper_parameters),
        evidence=dict(request.evidence),
        recipe=dict(request.recipe),
        data_hash=request.data_hash,
        parent=request.parent,
        code_revision=_code_revision(),
        licence=request.licence,
    )
    files[MANIFEST_NAME] = manifest.to_json()
    (_write_zip if path.suffix == SUFFIX else _write_folder)(path, files)
    return Bundle.open(path)


def _golden(graph: ComputeGraph, request: PackRequest) -> bytes:
    engine = request.engine
    options = SessionOptions(threads=engine.threads)
    with open_session(graph, device=engine.device, backend=engine.backend, options=options) as session:
        outputs = session.run(request.golden_inputs)
    arrays = {f"input/{name}": array for name, array in request.golden_inputs.items()}
    arrays |= {f"output/{name}": array for name, array in outputs.items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    with (
        atomic_writer(path) as stream,
        zipfile.ZipFile(stream, "w", compression=zipfile.ZIP_STORED) as archive,
    ):
        for name, data in files.items():
            # a fixed date: equal content gives an equal file
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), data)


def _write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        for name, data in files.items():
            write_atomic(temporary / name, data)
        temporary.chmod(0o755)
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_directory(path.parent)


def _code_revision() -> str:
    """Return the git commit of the working folder; empty outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
