"""What a mixture does to the outputs and the score, and how fast it is, on the engine it is for."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

import numpy as np

from burnish.compress.target_engine import EngineConfig
from burnish.errors import BackendError
from burnish.evaluate.accuracy import Interval, paired_difference
from burnish.evaluate.answers import answers
from burnish.evaluate.latency import Latency, benchmark
from burnish.evaluate.task import Split, Task, not_finite, score
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array

_BATCH = 128
_AT_ONCE = 8
"""Graphs that are timed in one run of interleaved rounds; each holds its weights in memory."""
_MOST = 1e30
"""Ratio of powers beyond which outputs count as equal; 300 dB."""

Outputs = Mapping[str, Array]


class Judge:
    """Compares graphs with a float one on the same examples.

    Args:
        graph: The float graph, whose outputs are the signal.
        task: Scores what comes out.
        split: Examples.
        engine: What runs them.
        original: Graph whose score the others are compared with; None takes the float one.

    Raises:
        InputError: The task cannot score what comes out.
    """

    def __init__(
        self,
        graph: ComputeGraph,
        task: Task,
        split: Split,
        engine: EngineConfig,
        original: ComputeGraph | None = None,
    ) -> None:
        self._task, self._split, self._engine = task, split, engine
        self._outputs = self._run(graph)
        reference = self._outputs if original is None else self._run(original)
        self._scores = score(task, reference, split.labels)

    def __call__(self, graph: ComputeGraph) -> tuple[float, Interval]:
        """Return the signal to quantization noise at the outputs in dB, and the difference in score.

        Raises:
            BackendError: The engine cannot run the graph, or its numbers overflow there.
        """
        outputs = self._run(graph)
        found = not_finite(outputs)
        if found:
            raise BackendError(f"its output {found}")
        scores = score(self._task, outputs, self._split.labels)
        return signal_to_noise_db(self._outputs, outputs), paired_difference(self._scores, scores)

    def _run(self, graph: ComputeGraph) -> Outputs:
        with self._engine.open(graph) as session:
            return answers(
                self._task, self._split, lambda batch: session.run(batch.inputs), batch_size=_BATCH
            )


def signal_to_noise_db(exact: Outputs, noisy: Outputs) -> float:
    """Return the power of the outputs over that of their error, in decibels, the worst output counting.

    >>> x = np.array([1.0, -1.0])
    >>> round(signal_to_noise_db({"y": x}, {"y": x * 1.1}), 3)
    20.0
    """
    ratios = [_ratio(exact[name], noisy[name]) for name in exact if exact[name].dtype.kind == "f"]
    return 10 * float(np.log10(max(min(ratios, default=_MOST), 1 / _MOST)))


def time_all(
    graphs: Mapping[str, Callable[[], ComputeGraph]],
    reference: ComputeGraph,
    rows: Split,
    engine: EngineConfig,
    told: Callable[[int, int], None],
) -> dict[str, tuple[Latency, Latency]]:
    """Time graphs, some at once in interleaved rounds, always beside the float one.

    Args:
        graphs: How to get each, by name.
        reference: The float graph.
        rows: One call's examples.
        engine: What runs them, and how they are timed.
        told: How many are done, and of how many.

    Returns:
        By name the latency of the graph, and that of the float one in the same rounds.
    """
    found: dict[str, tuple[Latency, Latency]] = {}
    names = list(graphs)
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        measured = _timed([reference, *(graphs[name]() for name in some)], rows, engine)
        found |= {name: (latency, measured[0]) for name, latency in zip(some, measured[1:], strict=True)}
        told(len(found), len(names))
    return found


def _timed(graphs: Sequence[ComputeGraph], rows: Split, engine: EngineConfig) -> list[Latency]:
    with ExitStack() as stack:
        sessions = [stack.enter_context(engine.open(graph)) for graph in graphs]
        calls = {str(number): partial(session.run, rows.inputs) for number, session in enumerate(sessions)}
        return list(benchmark(calls, engine.bench).values())


def _ratio(exact: Array, noisy: Array) -> float:
    signal = float(np.square(exact, dtype=np.float64).mean())
    noise = float(np.square(noisy - exact, dtype=np.float64).mean())
    return signal / noise if noise * _MOST > signal else _MOST
