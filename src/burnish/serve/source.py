"""What a version is loaded from: a bundle, or a bare ONNX file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from burnish.bundle import Bundle, golden
from burnish.bundle.runtime_lock import enforce
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array, DType, numpy_dtype
from burnish.runtime.backend import SessionOptions
from burnish.runtime.session import CheckedSession, open_session


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version that is ready to answer."""

    session: CheckedSession
    digest: str
    golden: tuple[dict[str, Array], dict[str, Array]] | None


def load(path: Path, *, threads: int, lock_policy: str) -> Loaded:
    """Load a bundle on the engine that its evidence was measured on, or a bare graph on the preferred one.

    Raises:
        ArtifactError: The bundle is damaged, or the runtime lock differs and the policy is strict.
        BurnishError: Whatever the engine says against the graph.
    """
    if path.is_file() and path.suffix == ".onnx":
        graph = ComputeGraph(path)
        return Loaded(open_session(graph, options=SessionOptions(threads=threads)), graph.digest, None)
    bundle = Bundle.open(path)
    enforce(bundle.manifest.runtime_lock, lock_policy, subject=str(path))
    engine = bundle.manifest.engine
    options = SessionOptions(threads=engine.threads or threads)
    session = open_session(bundle.graph(), device=engine.device, backend=engine.backend, options=options)
    return Loaded(session, bundle.digest, bundle.golden())


def warm_up(loaded: Loaded, buckets: Iterator[int]) -> None:
    """Run every batch size that the batcher will form, so that no request pays for a first run."""
    signature = loaded.session.signature
    rows = list(buckets) if signature.batch_symbol else [1]
    for size in rows:
        shapes = {
            s.name: [size if i == 0 and isinstance(d, str) else d for i, d in enumerate(s.shape)]
            for s in signature.inputs
        }
        if any(isinstance(dim, str) for shape in shapes.values() for dim in shape):
            return  # other dimensions vary as well: their sizes are known only from requests
        inputs = {spec.name: _blank(spec.dtype, shapes[spec.name]) for spec in signature.inputs}
        loaded.session.run(inputs)


def check_golden(loaded: Loaded) -> None:
    """Run the golden inputs and compare with the golden outputs.

    Raises:
        ParityError: An output is too far off; the text says which and by how much.
    """
    if loaded.golden is not None:
        inputs, expected = loaded.golden
        golden.check_golden(expected, loaded.session.run(inputs))


def _blank(dtype: DType, shape: list[int | str]) -> Array:
    sizes = [int(dim) for dim in shape]
    if dtype == "string":
        return np.full(sizes, "", dtype=object)
    return np.zeros(sizes, dtype=numpy_dtype(dtype))
