"""Do the engines agree? The same inputs through each of them, output by output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from burnish.errors import BurnishError, InternalError, ParityError
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.resolve import backend_names
from burnish.runtime.session import open_session

REFERENCE = "onnxruntime"


@dataclass(frozen=True, slots=True)
class OutputParity:
    """How far one output of one engine is from the reference engine's."""

    backend: str
    output: str
    max_abs: float
    max_rel: float
    """Largest error relative to the largest magnitude of the reference output."""
    cosine: float
    top1_agreement: float | None
    """Fraction of rows with the same largest entry; None for outputs that are no table of scores."""
    ok: bool


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Every engine against the reference engine."""

    reference: str
    rows: tuple[OutputParity, ...]
    unavailable: dict[str, str]
    """Engines that could not run the graph, and why."""

    @property
    def ok(self) -> bool:
        """Whether every engine that ran agrees."""
        return all(row.ok for row in self.rows)

    def check(self) -> None:
        """Raise a `ParityError` that names the engines and outputs that disagree."""
        wrong = [f"{r.backend}: {r.output} is off by {r.max_abs:.3g}" for r in self.rows if not r.ok]
        if wrong:
            raise ParityError(
                f"engines disagree with {self.reference}: {'; '.join(wrong)}",
                hint="compare with optimization 'none', or choose the engine that the accuracy was measured on",
            )


def parity(
    graph: ComputeGraph,
    inputs: Mapping[str, Array],
    *,
    backends: Sequence[str] | None = None,
    device: str = "cpu",
    rtol: float = 1e-3,
    atol: float = 1e-4,
) -> ParityReport:
    """Run the same inputs on several engines and compare each with ONNX Runtime on the CPU.

    Args:
        graph: What to run.
        inputs: Arrays by name; real examples tell more than random ones.
        backends: Engines to compare; None for every known one.
        device: Where the compared engines run.
        rtol: Allowed error relative to the reference value, elementwise.
        atol: Allowed absolute error, added to the relative one.

    Raises:
        BurnishError: The reference itself cannot run; errors of the other engines are in the report.
    """
    with open_session(graph, backend=REFERENCE) as session:
        expected = session.run(inputs)
    rows: list[OutputParity] = []
    unavailable: dict[str, str] = {}
    for name in backend_names() if backends is None else backends:
        if name == REFERENCE and device == "cpu":
            continue
        try:
            with open_session(graph, device=device, backend=name) as session:
                got = session.run(inputs)
        except BurnishError as error:
            if isinstance(error, InternalError):
                raise
            unavailable[name] = str(error)
            continue
        rows += (_compare(name, output, expected[output], got[output], rtol, atol) for output in expected)
    return ParityReport(REFERENCE, tuple(rows), unavailable)


def _compare(
    backend: str, output: str, expected: Array, got: Array, rtol: float, atol: float
) -> OutputParity:
    if expected.shape != got.shape:
        return OutputParity(backend, output, np.inf, np.inf, 0.0, None, False)
    if expected.dtype.kind in "OSU":
        same = bool(np.array_equal(expected, got))
        return OutputParity(backend, output, 0.0 if same else np.inf, 0.0, float(same), None, same)
    x, y = np.asarray(expected, np.float64), np.asarray(got, np.float64)
    finite = np.isfinite(x) & np.isfinite(y)
    errors = np.abs(x - y)[finite]
    max_abs = float(errors.max(initial=0.0))
    scale = float(np.abs(x[finite]).max(initial=0.0))
    ok = bool(np.allclose(y, x, rtol=rtol, atol=atol, equal_nan=True))
    max_rel = max_abs / scale if scale else (0.0 if max_abs == 0 else np.inf)
    return OutputParity(backend, output, max_abs, max_rel, _cosine(x[finite], y[finite]), _top1(x, y), ok)


def _cosine(x: Array, y: Array) -> float:
    norms = float(np.linalg.norm(x) * np.linalg.norm(y))
    if norms == 0.0:
        return 1.0 if np.array_equal(x, y) else 0.0
    return float(np.clip(np.dot(x.ravel(), y.ravel()) / norms, -1.0, 1.0))


def _top1(x: Array, y: Array) -> float | None:
    if x.ndim != 2 or x.shape[1] < 2 or not len(x):
        return None
    return float((x.argmax(axis=1) == y.argmax(axis=1)).mean())
