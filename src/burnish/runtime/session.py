"""Opening a graph on a device, and never on another one in silence."""

from collections.abc import Sequence
from functools import partial

from burnish.errors import BackendError, UnsupportedDeviceError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.logs import get_logger
from burnish.runtime.backend import BackendSpec, SessionOptions
from burnish.runtime.checked import CheckedSession
from burnish.runtime.coverage import engines_with
from burnish.runtime.devices import kind_of
from burnish.runtime.lean import open_lean
from burnish.runtime.placement import strays
from burnish.runtime.resolve import resolve

__all__ = ["CheckedSession", "open_session"]

log = get_logger(__name__)

_CHOOSING = ("cpu", "auto")
"""Devices of which nobody expects that all operators run on an accelerator."""


def open_session(
    graph: ComputeGraph,
    *,
    device: str = "cpu",
    backend: str | None = None,
    options: SessionOptions | None = None,
    fallback: str | Sequence[str] | None = None,
) -> CheckedSession:
    """Load a graph on a device.

    Without ``fallback`` the graph runs on that device or not at all: neither the whole of it nor single
    operators move to the processor in silence. Nodes that compute sizes are no such operators: engines keep
    them on the processor by design.

    Args:
        graph: What to run.
        device: Where, such as ``cpu``, ``cuda`` or, for the second of several, ``cuda:1``.
        backend: Engine; None takes the preferred one of the device.
        options: How; None for the defaults.
        fallback: Devices to try in this order when ``device`` cannot be used here. With ``cpu`` among them,
            operators that the device's engine lacks may run on the processor.

    Returns:
        The session. Its ``device`` is the one that it really has, its ``placement()`` tells the operators'.

    Raises:
        UnsupportedDeviceError: The device, and every fallback, cannot be used here; or operators would leave
            it, which the text names.
        MissingExtraError: The named engine is not installed.
        UnsupportedOpError: The engine lacks an operator of the graph.
        CompileError: The engine refused the graph for another reason.

    Switching devices is one argument:

    >>> import numpy as np
    >>> from burnish.testing import graphs
    >>> graph, x = graphs.double(), np.ones((1, 3), np.float32)
    >>> graph.infer(x, device="cpu")["y"]
    array([[2., 2., 2.]], dtype=float32)
    >>> graph.infer(x, device="cuda", fallback="cpu")["y"]  # on the GPU where there is one
    array([[2., 2., 2.]], dtype=float32)
    """
    others = [fallback] if isinstance(fallback, str) else list(fallback or ())
    options, mixed = options or SessionOptions(), "cpu" in others
    try:
        return _open(graph, device, backend, options, mixed=mixed)
    except UnsupportedDeviceError as refusal:
        for other in others:
            try:
                session = _open(graph, other, backend, options, mixed=mixed)
            except UnsupportedDeviceError:
                continue
            log.warning("fell back", asked=device, device=other, reason=refusal.message)
            return session
        raise


def _open(
    graph: ComputeGraph, device: str, backend: str | None, options: SessionOptions, *, mixed: bool
) -> CheckedSession:
    chosen = resolve(device, backend)
    spec = chosen.spec
    _check_dtypes(graph, spec)
    try:
        opening = partial(open_lean, chosen) if options.memory == "low" else chosen.open
        inner = opening(graph, device=device, options=options)
    except UnsupportedOpError as error:
        raise _with_alternatives(error, graph, spec.name) from error
    session = CheckedSession(
        graph, inner, backend=spec.name, device=device, device_tensors=spec.device_tensors
    )
    if kind_of(device) not in _CHOOSING:
        _check_placement(graph, session, mixed=mixed)
    return session


def _check_placement(graph: ComputeGraph, session: CheckedSession, *, mixed: bool) -> None:
    try:
        left = strays(graph, session.placement())
    except BackendError:  # an engine that does not tell cannot be trusted with the device
        session.close()
        raise
    if not left:
        return
    named = ", ".join(f"{operator} ({count})" for operator, count in left.items())
    if mixed:
        log.warning("operators run on the processor", device=session.device, operators=named)
        return
    session.close()
    raise UnsupportedDeviceError(
        f"{session.backend} would run these operators on the processor instead of {session.device!r}: {named}",
        hint="allow it with fallback='cpu', or take another back end",
    )


def _check_dtypes(graph: ComputeGraph, spec: BackendSpec) -> None:
    for tensor in (*graph.signature.inputs, *graph.signature.outputs):
        if tensor.dtype not in spec.dtypes:
            raise UnsupportedOpError(
                f"{spec.name} cannot take or give {tensor.name!r}, which is {tensor.dtype}",
                hint=f"it knows {', '.join(spec.dtypes)}; try another back end",
            )


def _with_alternatives(error: UnsupportedOpError, graph: ComputeGraph, engine: str) -> UnsupportedOpError:
    """Return the error with the engines that do have the operators which its text names."""
    named = [operator for operator in graph.operators() if operator in _words(error.message)]
    known = [set(engines_with(operator)) - {engine} for operator in named]
    having = sorted(set.intersection(*known)) if known else []
    if not having:
        return error
    return UnsupportedOpError(
        error.message, hint=f"{', '.join(having)} passed the standard's tests of {', '.join(named)}"
    )


def _words(text: str) -> set[str]:
    return {word for part in text.split() for word in part.strip(".,;:()'\"").replace(":", ".").split(".")}
