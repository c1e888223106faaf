"""A loaded graph that checks what it is given."""

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import numpy as np

from burnish.errors import BackendError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.backend import BackendSpec, Session, SessionOptions
from burnish.runtime.resolve import resolve

_FOREIGN = ">" if sys.byteorder == "little" else "<"


class CheckedSession:
    """A session whose inputs are checked against the signature and made fit for the engine.

    Arrays that are not contiguous or not of this machine's byte order are copied; all others are handed on
    as they are. Safe to call from several threads. Also a context manager, which closes it.

    Attributes:
        backend: Name of the engine.
        device: Where it runs.
        signature: What it takes and gives.
    """

    def __init__(self, graph: ComputeGraph, session: Session, *, backend: str, device: str) -> None:
        self.signature = graph.signature
        self.backend = backend
        self.device = device
        self._session: Session | None = session

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once.

        Args:
            inputs: Arrays by name, as the signature says.

        Returns:
            Output arrays by name.

        Raises:
            ShapeError: An input's name, dtype, rank or size differs from the signature.
            InputError: The engine refused the values, such as an index out of range.
            DeviceError: The engine failed while running.
        """
        session = self._session  # read once: another thread may close it
        if session is None:
            raise BackendError("the session is closed", hint="open another with open_session")
        self.signature.check(inputs)
        return session.run({name: fit(array) for name, array in inputs.items()})

    def close(self) -> None:
        """Give back the engine's memory; closing twice is harmless."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_session(
    graph: ComputeGraph,
    *,
    device: str = "cpu",
    backend: str | None = None,
    options: SessionOptions | None = None,
) -> CheckedSession:
    """Load a graph on a device.

    Args:
        graph: What to run.
        device: Where, such as ``cpu`` or ``cuda``.
        backend: Engine; None takes the preferred one of the device.
        options: How; None for the defaults.

    Raises:
        UnsupportedDeviceError: The device cannot be used here.
        MissingExtraError: The named engine is not installed.
        UnsupportedOpError: The engine lacks an operator of the graph.
        CompileError: The engine refused the graph for another reason.
    """
    chosen = resolve(device, backend)
    _check_dtypes(graph, chosen.spec)
    session = chosen.open(graph, device=device, options=options or SessionOptions())
    return CheckedSession(graph, session, backend=chosen.spec.name, device=device)


def _check_dtypes(graph: ComputeGraph, spec: BackendSpec) -> None:
    for tensor in (*graph.signature.inputs, *graph.signature.outputs):
        if tensor.dtype not in spec.dtypes:
            raise UnsupportedOpError(
                f"{spec.name} cannot take or give {tensor.name!r}, which is {tensor.dtype}",
                hint=f"it knows {', '.join(spec.dtypes)}; try another back end",
            )


def fit(array: Array) -> Array:
    """Return the array itself when an engine can read its memory as it lies, else a copy that it can."""
    if array.dtype.byteorder == _FOREIGN:
        array = array.astype(array.dtype.newbyteorder("="))
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)
