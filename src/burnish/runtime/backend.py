"""The contract between burnish and an engine.

A back end is an entry point of the group ``burnish.backends`` that yields an object with a `BackendSpec` and
two methods. Its spec is plain data, so that planning and `burnish doctor` never import the engine itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from burnish.graph import ComputeGraph
from burnish.graph.signature import Array, DType

Optimization = Literal["none", "basic", "extended", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """How a session runs. The defaults suit one request at a time on a shared machine."""

    threads: int = 0
    """Threads inside one operator; 0 leaves the choice to the engine."""
    optimization: Optimization = "all"
    """How far the engine may rewrite the graph when it loads it."""
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


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """Whether one device of a back end can be used here."""

    device: str
    available: bool
    reason: str = ""
    """Why not, when it cannot."""


class Session(Protocol):
    """A loaded graph that answers requests. Safe to call from several threads."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once. The inputs fit the graph's signature; the outputs are fresh arrays by name.

        Raises:
            DeviceError: The engine failed while running.
        """
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
