"""Do the engines agree? The same inputs through each of them, output by output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from burnish.errors import BurnishError, InternalError, NotFoundError, ParityError
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.backend import Backend, SessionOptions
from burnish.runtime.checked import CheckedSession
from burnish.runtime.choice import quick_backends
from burnish.runtime.compare import Difference
from burnish.runtime.divergence import Divergence, Pair, Tolerance, find_divergence
from burnish.runtime.resolve import backend_names, get_backend
from burnish.runtime.session import open_session

REFERENCE = "onnxruntime"


@dataclass(frozen=True, slots=True)
class OutputParity(Difference):
    """How far one output of one engine is from the reference engine's."""

    backend: str
    output: str


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Every engine against the reference engine."""

    reference: str
    rows: tuple[OutputParity, ...]
    unavailable: dict[str, str]
    """Engines that could not run the graph, and why."""
    divergences: dict[str, Divergence] = field(default_factory=dict)
    """Where each engine that disagrees parts from the reference, when that was asked for."""
    unexplained: dict[str, str] = field(default_factory=dict)
    """Engines that disagree though it could not be found where, and why not."""

    @property
    def ok(self) -> bool:
        """Whether every engine that ran agrees."""
        return all(row.ok for row in self.rows)

    def check(self) -> None:
        """Raise a `ParityError` that names the engines and outputs that disagree, and the operator if known."""
        wrong = [f"{r.backend}: {r.output} {r}" for r in self.rows if not r.ok]
        if wrong:
            where = [f"{backend} parts at {found}" for backend, found in self.divergences.items()]
            raise ParityError(
                f"engines disagree with {self.reference}: {'; '.join(wrong + where)}",
                hint="use an engine that agrees"
                if where
                else "`burnish parity --bisect` finds the operator at which they part",
            )


@dataclass(frozen=True, slots=True)
class _Engine:
    """A back end on a device, with its options."""

    backend: Backend
    device: str
    options: SessionOptions | None

    @property
    def name(self) -> str:
        return self.backend.spec.name

    def open(self, graph: ComputeGraph) -> CheckedSession:
        if self.name in backend_names() and get_backend(self.name) is self.backend:
            return open_session(graph, device=self.device, backend=self.name, options=self.options)
        session = self.backend.open(graph, device=self.device, options=self.options or SessionOptions())
        return CheckedSession(graph, session, backend=self.name, device=self.device)

    def run(self, graph: ComputeGraph, inputs: Mapping[str, Array]) -> dict[str, Array]:
        with self.open(graph) as session:
            return session.run(inputs)


def parity(
    graph: ComputeGraph,
    inputs: Mapping[str, Array],
    *,
    backends: Sequence[str | Backend] | None = None,
    device: str = "cpu",
    rtol: float = 1e-3,
    atol: float = 1e-4,
    reference: str | Backend = REFERENCE,
    bisect: bool = False,
    options: SessionOptions | None = None,
) -> ParityReport:
    """Run the same inputs on several engines and compare each with a reference engine on the CPU.

    Args:
        graph: What to run.
        inputs: Arrays by name; real examples tell more than random ones.
        backends: Engines to compare, by name or as back ends of one's own; None for every known one that does
            not have to compile a graph for long.
        device: Where the compared engines run.
        rtol: Allowed error relative to the reference value, elementwise.
        atol: Allowed absolute error, added to the relative one.
        reference: Engine that the others are compared with.
        bisect: Whether to look for the first operator at which an engine that disagrees parts from it.
        options: How the compared engines run; None for the defaults. The reference always has the defaults.

    Raises:
        NotFoundError: No back end has this name.
        BurnishError: The reference itself cannot run; errors of the other engines are in the report.
    """
    judge, tolerance = _Engine(_loaded(reference), "cpu", None), Tolerance(rtol=rtol, atol=atol)
    expected = judge.run(graph, inputs)
    rows: list[OutputParity] = []
    unavailable: dict[str, str] = {}
    divergences: dict[str, Divergence] = {}
    unexplained: dict[str, str] = {}
    for named in quick_backends() if backends is None else backends:
        name = named if isinstance(named, str) else named.spec.name
        try:
            engine = _Engine(_loaded(named), device, options)
            if engine == judge:
                continue
            got = engine.run(graph, inputs)
        except BurnishError as error:
            unavailable[name] = _reason(error)
            continue
        compared = [
            _row(name, output, tolerance.compare(expected[output], got[output])) for output in expected
        ]
        rows += compared
        if bisect and not all(row.ok for row in compared):
            try:
                divergences[name] = _divergence(graph, inputs, judge, engine, tolerance)
            except BurnishError as error:
                unexplained[name] = _reason(error)
    return ParityReport(judge.name, tuple(rows), unavailable, divergences, unexplained)


def _loaded(named: str | Backend) -> Backend:
    return get_backend(named) if isinstance(named, str) else named


def _reason(error: BurnishError) -> str:
    """Return an engine's error as text; one that is the caller's or ours is raised again."""
    if isinstance(error, (InternalError, NotFoundError)):
        raise error
    return str(error)


def _row(backend: str, output: str, difference: Difference) -> OutputParity:
    values = {item.name: getattr(difference, item.name) for item in fields(difference)}
    return OutputParity(**values, backend=backend, output=output)


def _divergence(
    graph: ComputeGraph, inputs: Mapping[str, Array], judge: _Engine, engine: _Engine, tolerance: Tolerance
) -> Divergence:
    dtypes = [dtype for dtype in judge.backend.spec.dtypes if dtype in engine.backend.spec.dtypes]
    found = find_divergence(graph, Pair(judge.open, engine.open, inputs, tolerance), dtypes=dtypes)
    if found is None:
        raise ParityError(
            "no value differs when it is made an output: that keeps the engine from fusing it away"
        )
    return found
