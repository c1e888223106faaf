"""Opening a graph so that a process holds each weight once: ``SessionOptions(memory="low")``.

Engines rearrange weights for their kernels. Given a message, a process holds the message, the tensors parsed from it
and the rearranged copies at the same time, and the C library keeps what is freed in between. Here the weights lie in
a file that the engine maps, and the kernel takes back the pages that were read while the engine is still rearranging
the rest. A page that is needed again is read again: nothing is lost, whatever the engine does with it.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import onnx_ir as ir

from burnish.errors import BackendError
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.backend import Backend, Placed, Session, SessionOptions
from burnish.runtime.lending import trim_heap

_PAGE_OUT = 21  # MADV_PAGEOUT, since Linux 5.4
_SMALL_BYTES = 1024  # engines read shapes and scalars while they load: they stay in the message
_PERIOD_S = 0.01
_KEPT_SHAPES = 64
_MAPS = Path("/proc/self/maps")


def open_lean(backend: Backend, graph: ComputeGraph, *, device: str, options: SessionOptions) -> Session:
    """Load a graph from a file that the engine maps, and give memory back while it loads; see `Backend.open`.

    The folder for temporary files has to be on a disk: one in memory would hold the weights once more.
    """
    with tempfile.TemporaryDirectory(prefix="burnish-") as folder:
        path = Path(folder) / "model.onnx"
        pages = MappedPages({Path(folder), *_mapped_folders(graph)})
        with pages.returned():
            save_apart(graph, path)
            session = backend.open(_Stored(graph, path), device=device, options=options)
    trim_heap()
    return_pages(_is_library)  # much of an engine's code runs only while it loads
    return LeanSession(session, pages)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Give an ONNX file as one with its weights apart, written by a process whose memory ends with it.

    Reading a model whose weights are inside the message takes several times their size for a moment. Read the given
    file, and open a session on it, while the block runs.

    Raises:
        NotFoundError: The file, or its external data, does not exist.
        InputError: It is not a valid ONNX model.
        BackendError: The process failed for another reason; the text holds its last words.
    """
    with tempfile.TemporaryDirectory(prefix="burnish-") as folder:
        stored = Path(folder) / "model.onnx"
        command = [sys.executable, "-m", "burnish.runtime.unpack", str(path), str(stored)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            ComputeGraph(path)  # says what is wrong with the file, if it is the file
            words = done.stderr.strip().splitlines() or ["no words"]
            raise BackendError(f"{path}: cannot be unpacked: {words[-1]}")
        yield stored


def save_apart(graph: ComputeGraph, path: Path) -> None:
    """Write a graph to ``path`` with its weights in one file beside it, on disk when this returns."""
    data = f"{path.name}.data"
    ir.save(graph.model.clone(), path, external_data=data, size_threshold_bytes=_SMALL_BYTES)
    weights = path.parent / data
    if weights.exists():  # not for a graph without weights
        with weights.open("rb") as stream:
            os.fsync(stream.fileno())  # a page that is not yet on disk cannot be given back


def return_pages(wanted: Callable[[str], bool]) -> None:
    """Give the pages of mapped files back to the kernel, for the paths that are wanted; Linux only.

    They are read again when they are needed. The kernel declines for pages that other processes share.
    """
    if not _MAPS.exists():
        return
    advise = ctypes.CDLL(None).madvise
    for line in _MAPS.read_text().splitlines():
        span, *_, name = line.split(maxsplit=5)  # the last is the file's path, where there is one
        if name.startswith("/") and wanted(name):
            start, end = (int(address, 16) for address in span.split("-"))
            advise(
                ctypes.c_void_p(start), ctypes.c_size_t(end - start), _PAGE_OUT
            )  # advice: it may be declined


def _is_library(path: str) -> bool:
    return ".so" in Path(path).name


class MappedPages:
    """The pages of the files in some folders that this process has mapped.

    Args:
        folders: They may be gone by the time the pages are returned: a mapped file stays readable.
    """

    def __init__(self, folders: set[Path]) -> None:
        self._prefixes = tuple(f"{folder.resolve()}/" for folder in folders)

    @contextmanager
    def returned(self) -> Iterator[None]:
        """Keep giving the pages back to the kernel while the block runs, where the kernel can take them."""
        done = threading.Event()
        thread = threading.Thread(target=self._work, args=(done,), name="burnish-pages", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _work(self, done: threading.Event) -> None:
        last = False
        while not last:
            last = done.wait(_PERIOD_S)
            trim_heap()
            return_pages(lambda path: path.startswith(self._prefixes))


class LeanSession:
    """A session that gives memory back after the first run with new shapes, when engines rearrange weights again."""

    def __init__(self, session: Session, pages: MappedPages) -> None:
        self._session = session
        self._pages = pages
        self._seen: set[tuple[tuple[int, ...], ...]] = set()

    def run(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """Run once; see `burnish.runtime.Session.run`."""
        shapes = tuple(array.shape for array in inputs.values())
        if shapes in self._seen or len(self._seen) >= _KEPT_SHAPES:
            return self._session.run(inputs, outputs)
        with self._pages.returned():
            results = self._session.run(inputs, outputs)
        self._seen.add(shapes)
        trim_heap()
        return results

    def bind(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """Bind buffers; see `burnish.runtime.Session.bind`."""
        return self._session.bind(inputs, outputs)

    def placement(self) -> tuple[Placed, ...]:
        """Tell which operator runs where; see `burnish.runtime.Session.placement`."""
        return self._session.placement()

    def close(self) -> None:
        """Give back the memory."""
        self._session.close()
        trim_heap()


class _Stored(ComputeGraph):
    """A graph whose engines load it from a file."""

    def __init__(self, graph: ComputeGraph, path: Path) -> None:
        super().__init__(graph.model)
        self._path = path

    @contextmanager
    def engine_source(self) -> Iterator[bytes | Path]:
        """Give the file, whatever its size."""
        yield self._path


def _mapped_folders(graph: ComputeGraph) -> set[Path]:
    tensors = (value.const_value for value in graph.model.graph.initializers.values())
    return {Path(tensor.path).parent for tensor in tensors if isinstance(tensor, ir.ExternalTensor)}
