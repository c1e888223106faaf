"""What a version is loaded from: a bundle, or a bare ONNX file."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from burnish.bundle import Bundle, golden
from burnish.bundle.runtime_lock import enforce
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array, DType, numpy_dtype
from burnish.runtime.backend import SessionOptions
from burnish.runtime.lean import unpacked
from burnish.runtime.session import CheckedSession, open_session


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version that is ready to answer."""

    session: CheckedSession
    digest: str
    golden: tuple[dict[str, Array], dict[str, Array]] | None


def load(path: Path, options: SessionOptions, *, lock_policy: str) -> Loaded:
    """Load a bundle on the engine that its evidence was measured on, or a bare graph on the preferred one.

    Args:
        path: Of the bundle, or of an ``.onnx`` file.
        options: How the engine runs; the threads of a bundle's evidence go before those given here.
        lock_policy: What to do when the bundle's runtime lock differs from this machine.

    Raises:
        ArtifactError: The bundle is damaged, or the runtime lock differs and the policy is strict.
        BurnishError: Whatever the engine says against the graph.
    """
    if path.is_file() and path.suffix == ".onnx":
        with ExitStack() as stack:
            stored = stack.enter_context(unpacked(path)) if options.memory == "low" else path
            graph = ComputeGraph(stored)
            return Loaded(open_session(graph, options=options), graph.digest, None)
    bundle = Bundle.open(path)
    enforce(bundle.manifest.runtime_lock, lock_policy, subject=str(path))
    engine = bundle.manifest.engine
    options = replace(options, threads=engine.threads or options.threads)
    with _graph_of(bundle, options) as graph:
        session = open_session(graph, device=engine.device, backend=engine.backend, options=options)
    return Loaded(session, bundle.digest, bundle.golden())


@contextmanager
def _graph_of(bundle: Bundle, options: SessionOptions) -> Iterator[ComputeGraph]:
    """Read a bundle's graph; where memory is low, from a file that no process holds whole."""
    if options.memory == "fast":
        yield bundle.graph()
        return
    with tempfile.TemporaryDirectory(prefix="burnish-") as folder:
        packed = Path(folder) / "packed.onnx"
        with packed.open("wb") as stream:
            bundle.extract(bundle.manifest.graph, stream)
        with unpacked(packed) as stored:
            yield bundle.graph(stored)


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
