"""The one tree of errors that burnish raises on purpose.

    BurnishError(message, hint)
    ├ InputError            the caller can mend it
    │ ├ ConfigError             a configuration key or value
    │ ├ UnsupportedOpError      an operator that the chosen engine lacks
    │ ├ UnsupportedDeviceError  a device that cannot be used here (also a ValueError)
    │ ├ ShapeError              a tensor's name, dtype, rank or size
    │ ├ NotFoundError           a model, version, file or verb
    │ └ ConflictError           a busy port, a lost compare-and-swap
    ├ GateError             it worked, but not well enough
    │ ├ ParityError             two engines disagree
    │ └ BudgetError             accuracy, latency or size out of bounds
    ├ CapacityError         try again later
    │ ├ QueueFullError
    │ └ DeadlineError
    ├ ArtifactError         a digest, version or signature does not match
    ├ BackendError          an engine or device failed
    │ ├ CompileError
    │ ├ DeviceError
    │ └ MissingExtraError       an optional package is not installed
    └ InternalError         a broken invariant: our bug

Every error says what was wrong, where, and (``hint``) what to do. HTTP and gRPC codes are given by
`burnish.protocol.problem`, exit codes by `burnish.cli.exit_codes`; a test walks the whole tree over both.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class BurnishError(Exception):
    """Base of every error that burnish raises on purpose.

    Args:
        message: What was wrong and where.
        hint: What the reader can do about it; empty when nothing sensible can be said.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InputError(BurnishError):
    """What the caller gave cannot be used; the caller can mend it."""

    code = "invalid_input"


class ConfigError(InputError):
    """A configuration key or value is wrong."""

    code = "invalid_config"


class UnsupportedOpError(InputError):
    """The graph holds an operator that the chosen engine or step does not support."""

    code = "unsupported_op"


class UnsupportedDeviceError(InputError, ValueError):
    """The device is unknown or cannot be used on this machine."""

    code = "unsupported_device"


class ShapeError(InputError):
    """A tensor's name, dtype, rank or dimension differs from the signature."""

    code = "shape_mismatch"


class NotFoundError(InputError):
    """A model, version, alias or file does not exist."""

    code = "not_found"


class ConflictError(InputError):
    """The state has moved on, or a resource is taken."""

    code = "conflict"


class GateError(BurnishError):
    """The step ran, but its result is not good enough to go on."""

    code = "gate"


class ParityError(GateError):
    """Two engines give different answers for the same input."""

    code = "parity"


class BudgetError(GateError):
    """Accuracy, latency, size or memory is outside the budget."""

    code = "budget"


class CapacityError(BurnishError):
    """There is no room now; the same request may succeed later."""

    code = "capacity"


class QueueFullError(CapacityError):
    """The queue of a model is full."""

    code = "queue_full"


class DeadlineError(CapacityError):
    """The deadline passed before the work was done."""

    code = "deadline"


class ArtifactError(BurnishError):
    """A stored artefact does not match its digest, version or signature."""

    code = "artifact"


class BackendError(BurnishError):
    """An engine or device failed."""

    code = "backend"


class CompileError(BackendError):
    """An engine could not build the graph."""

    code = "compile"


class DeviceError(BackendError):
    """A device failed or ran out of memory while running."""

    code = "device"


class MissingExtraError(BackendError):
    """An optional part of burnish is needed and not installed.

    Args:
        package: The Python package that is missing.
        extra: The extra of burnish that brings it.
        need: What it was needed for.
    """

    code = "missing_extra"

    def __init__(self, package: str, *, extra: str, need: str) -> None:
        super().__init__(f"{need} needs the package {package!r}", hint=f"pip install 'burnish[{extra}]'")


class InternalError(BurnishError):
    """An invariant of burnish itself is broken: please report it."""

    code = "internal"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the closest known spelling, or lists all that is known.

    >>> nearest("onnxruntme", ["onnxruntime", "torch"])
    "did you mean 'onnxruntime'?"
    >>> nearest("zzz", ["a", "b"])
    'known: a, b'
    """
    choices = sorted(known)
    close = get_close_matches(name, choices, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(choices)}" if choices else "none is known here"
