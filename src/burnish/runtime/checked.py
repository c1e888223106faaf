"""A loaded graph that checks what it is given."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, cast

import numpy as np

from burnish.errors import BackendError, InputError, ShapeError
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.backend import Placed, Session
from burnish.runtime.buffers import lent_outputs
from burnish.runtime.dlpack import ForeignTensor
from burnish.runtime.tensors import Tensor, as_tensor, fit, lies_fit

Layout = tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]
_REMEMBERED = 1024
"""Layouts of inputs that a session remembers as right: enough for every batch size and many sizes of text."""

# Accelerators whose tensors lie in memory that goes by another name.
_MEMORY = {"tensorrt": "cuda", "migraphx": "rocm"}


class CheckedSession:
    """A session whose inputs are checked against the signature and made fit for the engine.

    Inputs may be numpy arrays, tensors of other libraries that speak DLPack, or objects with the buffer
    protocol. Those that are not contiguous or not of this machine's byte order are copied; all others are
    handed on as they are. Safe to call from several threads. Also a context manager, which closes it.

    Attributes:
        backend: Name of the engine.
        device: Where it really runs, which with a fallback may not be where it was asked to.
        signature: What it takes and gives.
    """

    def __init__(
        self,
        graph: ComputeGraph,
        session: Session,
        *,
        backend: str,
        device: str,
        device_tensors: bool = False,
    ) -> None:
        self.signature = graph.signature
        self.backend = backend
        self.device = device
        kind = device.partition(":")[0]
        self._memory = _MEMORY.get(kind, kind) if device_tensors else "host"
        self._session: Session | None = session
        self._names = tuple(graph.signature.input_names)
        self._passed: set[Layout] = set()

    def run(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run once.

        Args:
            inputs: Arrays or tensors by name, as the signature says.
            outputs: For every output an array or tensor to write the result into: contiguous, writeable, apart
                from the inputs. None lets the engine make arrays of its own.

        Returns:
            The given outputs, or without them fresh numpy arrays, by name.

        Raises:
            ShapeError: A name, dtype, rank or size differs from the signature.
            InputError: The engine refused the values, such as an index out of range; a value lends no memory
                that the engine reads; or an output overlaps an input.
            DeviceError: The engine failed while running.
        """
        session = self._open()
        arrays = self._taken(inputs, fit)
        if outputs is None:
            return session.run(arrays)
        session.run(arrays, self._lent(arrays, outputs))
        return dict(outputs)

    def bind(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Callable[[], None]:
        """Check and prepare once what is then run many times over the same memory.

        Args:
            inputs: As `run` takes them, but contiguous and of this machine's byte order, for they are read
                where they lie.
            outputs: As `run` takes them.

        Returns:
            A function that reads the inputs' memory as it then is and writes the outputs' memory. One thread at
            a time may call it.

        Raises:
            ShapeError: As for `run`, or an input cannot be read where it lies.
        """
        session = self._open()
        arrays = self._taken(inputs, _as_it_lies)
        bound = session.bind(arrays, self._lent(arrays, outputs))

        def run() -> None:
            self._open()
            bound()

        return run

    def placement(self) -> tuple[Placed, ...]:
        """Tell which operators run where."""
        return self._open().placement()

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

    def _open(self) -> Session:
        session = self._session  # read once: another thread may close it
        if session is None:
            raise BackendError("the session is closed", hint="open another with open_session")
        return session

    def _taken(self, inputs: Mapping[str, Any], made_fit: Callable[[Array], Array]) -> dict[str, Array]:
        layout = self._layout(inputs)
        if layout in self._passed:
            return inputs if type(inputs) is dict else dict(inputs)
        tensors = {
            name: value if type(value) is np.ndarray else self._reachable(name, as_tensor(name, value))
            for name, value in inputs.items()
        }
        self.signature.check(cast("Mapping[str, Array]", tensors))
        if layout is not None and len(self._passed) < _REMEMBERED:
            self._passed.add(layout)
        return {
            name: made_fit(tensor) if isinstance(tensor, np.ndarray) else cast("Array", tensor)
            for name, tensor in tensors.items()
        }

    def _layout(self, inputs: Mapping[str, Any]) -> "Layout | None":
        """Return all that the checks depend on, where that is plain; looking it up is faster than checking."""
        if len(inputs) != len(self._names):
            return None
        layout: list[tuple[tuple[int, ...], np.dtype[Any]]] = []
        for name in self._names:
            array = inputs.get(name)
            if type(array) is not np.ndarray or not array.flags.c_contiguous or not array.dtype.isnative:
                return None
            layout.append((array.shape, array.dtype))
        return tuple(layout)

    def _lent(self, inputs: Mapping[str, Array], outputs: Mapping[str, Any]) -> dict[str, Array]:
        tensors = lent_outputs(self.signature, inputs, outputs)
        return {name: cast("Array", self._reachable(name, tensor)) for name, tensor in tensors.items()}

    def _reachable(self, name: str, tensor: Tensor) -> Tensor:
        if isinstance(tensor, ForeignTensor):
            if tensor.memory != self._memory:
                raise InputError(
                    f"{name!r} lies in the memory of {tensor.memory}, but {self.backend} on {self.device} "
                    f"reads that of the {self._memory}",
                    hint="move it there first, or choose the device where it lies",
                )
            if not tensor.contiguous:
                raise ShapeError(f"{name!r} is not contiguous", hint="make it so where it lies")
        return tensor


def _as_it_lies(array: Array) -> Array:
    if not lies_fit(array):
        raise ShapeError(
            f"a bound input of shape {list(array.shape)} is not contiguous, or of another byte order",
            hint="give one in C order, such as numpy.ascontiguousarray makes",
        )
    return array
