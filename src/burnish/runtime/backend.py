"""The contract between burnish and an engine.

A back end is an entry point of the group ``burnish.backends`` that yields an object with a `BackendSpec` and
two methods; the sessions that it opens have four. Its spec is plain data, so that planning and
`burnish doctor` never import the engine itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from burnish.errors import ShapeError
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array, DType

Optimization = Literal["none", "basic", "extended", "all"]
Memory = Literal["fast", "low"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """How a session runs. The defaults suit one request at a time on a shared machine."""

    threads: int = 0
    """Threads inside one operator; 0 leaves the choice to the engine."""
    optimization: Optimization = "all"
    """How far the engine may rewrite the graph when it loads it."""
    memory: Memory = "fast"
    """``low`` holds each weight once and plans no memory ahead: a smaller process that loads more slowly."""
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Options of one engine, under the engine's own names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSpec:
    """What a back end is, as data."""

    name: str
    package: str
    """Importable package of the engine."""
    extra: str
    """The extra of burnish that installs it; empty when the core brings it."""
    devices: tuple[str, ...]
    """Devices that it can drive when the hardware is present, such as ``cpu`` or ``cuda``."""
    dtypes: tuple[DType, ...]
    """Dtypes of inputs and outputs."""
    dynamic_shapes: bool = True
    """Whether one session takes any size of a symbolic dimension."""
    empty_tensors: bool = True
    """Whether tensors without elements pass, such as a batch of none."""
    compiles: bool = False
    """Whether opening a graph compiles it, which takes long enough to ask before doing it often."""
    device_tensors: bool = False
    """Whether a session on an accelerator takes tensors (`ForeignTensor`) in that accelerator's memory."""


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """Whether one device of a back end can be used here."""

    device: str
    available: bool
    reason: str = ""
    """Why not, when it cannot."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where one node of a loaded graph runs."""

    operator: str
    """Type of the node, such as ``Conv``; engines that rewrite graphs have types of their own."""
    node: str
    """Name of the node; empty when it has none."""
    where: str
    """What runs it, in the engine's words, such as ``CUDAExecutionProvider``; begins with CPU for the host."""


class Session(Protocol):
    """A loaded graph that answers requests. Safe to call from several threads."""

    def run(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """Run once.

        Args:
            inputs: Arrays by name that fit the graph's signature: contiguous, in native byte order.
            outputs: For every output an array to write into: contiguous, writeable, of the output's dtype,
                apart from the inputs. Their shapes fit the signature as far as it tells them.

        Returns:
            The given outputs, or without them fresh arrays, by name.

        Raises:
            InputError: The engine refused the values, such as an index out of range.
            ShapeError: A result has another shape than the array given for it.
            DeviceError: The engine failed while running.
        """
        ...

    def bind(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """Return a function that reads the inputs' memory as it then is, and writes the outputs' memory.

        The arguments are as those of `run`. One thread at a time calls the function, which keeps them alive.
        An engine with nothing to gain from buffers known in advance returns `bind_by_copy`'s.
        """
        ...

    def placement(self) -> tuple[Placed, ...]:
        """Tell which operator runs where, in the order of running as far as the engine has one."""
        ...

    def close(self) -> None:
        """Give back the memory. Running afterwards is an error; closing twice is not."""
        ...


@runtime_checkable
class Backend(Protocol):
    """An engine."""

    spec: BackendSpec

    def devices(self) -> list[DeviceStatus]:
        """Tell for every device of the spec whether it can be used on this machine, and why not."""
        ...

    def open(self, graph: ComputeGraph, *, device: str, options: SessionOptions) -> Session:
        """Load a graph on a device that `devices` called available.

        Raises:
            UnsupportedOpError: The engine lacks an operator of the graph; the text names it.
            CompileError: The engine refused the graph for another reason.
        """
        ...


def bind_by_copy(
    session: Session, inputs: Mapping[str, Array], outputs: Mapping[str, Array]
) -> Callable[[], None]:
    """Bind for an engine without a binding of its own: every call is a `Session.run` with outputs."""
    inputs, outputs = dict(inputs), dict(outputs)

    def run() -> None:
        session.run(inputs, outputs)

    return run


def copy_into(outputs: Mapping[str, Array], results: Mapping[str, Array]) -> dict[str, Array]:
    """Copy an engine's results into the caller's arrays, and return those.

    Raises:
        ShapeError: A result has another shape than the array given for it.
    """
    for name, array in outputs.items():
        check_result(name, results[name].shape, array)
        np.copyto(array, results[name])
    return dict(outputs)


def check_result(name: str, shape: Sequence[int], array: Array) -> None:
    """Raise a `ShapeError` when a result has another shape than the array given for it."""
    if tuple(shape) != array.shape:
        raise ShapeError(
            f"output {name!r} has shape {list(shape)}, but the array given for it has {list(array.shape)}",
            hint="let the run make its own outputs where their shapes are not known in advance",
        )
