"""What a benchmark measures against each other: models on engines, with options, batch sizes and threads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from burnish.errors import ConfigError
from burnish.graph import ComputeGraph
from burnish.graph.samples import random_inputs
from burnish.graph.signature import Array
from burnish.runtime.backend import Optimization, SessionOptions


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """An engine with options; `parse_engine` reads it from text."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        chosen = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}:{chosen}" if chosen else self.name

    def session_options(self, threads: int) -> SessionOptions:
        """Return the options of a session; ``threads`` and ``optimization`` are burnish's own, the rest the engine's.

        Raises:
            ConfigError: A value is not one of those that the option has.
        """
        extra = dict(self.options)
        optimization: Any = extra.pop("optimization", "all")
        if optimization not in get_args(Optimization):
            raise ConfigError(
                f"{self}: optimization is one of {', '.join(get_args(Optimization))}, not {optimization!r}"
            )
        chosen = extra.pop("threads", str(threads))
        if not chosen.isdecimal():
            raise ConfigError(f"{self}: threads is a number, not {chosen!r}")
        return SessionOptions(threads=int(chosen), optimization=optimization, extra=extra)


@dataclass(frozen=True, slots=True)
class Contender:
    """One model on one engine with one batch size and number of threads."""

    label: str
    model: str
    engine: EngineChoice
    batch: int
    threads: int
    """0 leaves them to the engine."""
    graph: ComputeGraph
    inputs: Mapping[str, Array]
    flops: int
    """Operations of one call; a multiply-add counts as two."""

    @property
    def options(self) -> SessionOptions:
        """How its session is opened."""
        return self.engine.session_options(self.threads)


def parse_engine(text: str) -> EngineChoice:
    """Read an engine and its options.

    Raises:
        ConfigError: An option is not of the form KEY=VALUE.

    >>> parse_engine("openvino:NUM_STREAMS=1,threads=2").options
    {'NUM_STREAMS': '1', 'threads': '2'}
    """
    name, _, options = text.partition(":")
    pairs = [option.partition("=") for option in filter(None, options.split(","))]
    for key, equals, value in pairs:
        if not (key and equals and value):
            raise ConfigError(
                f"cannot read the engine {text!r}", hint="write ENGINE or ENGINE:KEY=VALUE,KEY=VALUE"
            )
    return EngineChoice(name, {key: value for key, _, value in pairs})


def with_options(engines: Iterable[EngineChoice], further: Sequence[EngineChoice]) -> list[EngineChoice]:
    """Return the engines with the options that ``further`` gives each of them by its name.

    Raises:
        ConfigError: An option is for an engine that is not among them.
    """
    chosen = list(engines)
    given: dict[str, dict[str, str]] = {engine.name: {} for engine in chosen}
    for extra in further:
        if extra.name not in given:
            raise ConfigError(
                f"--option {extra}: {extra.name!r} is not measured", hint="name it in --backends"
            )
        given[extra.name] |= extra.options
    return [EngineChoice(engine.name, {**given[engine.name], **engine.options}) for engine in chosen]


def contenders(
    models: Sequence[Path],
    engines: Sequence[EngineChoice],
    *,
    batches: Sequence[int] = (1,),
    threads: Sequence[int] = (0,),
    sizes: Mapping[str, int] | None = None,
) -> Iterator[Contender]:
    """Yield every combination. Its label names what sets it apart: model and engine, and whatever is swept.

    Args:
        models: ONNX files.
        engines: With their options.
        batches: Rows a call.
        threads: Of the engine.
        sizes: Sizes of further symbolic dimensions.

    Raises:
        ShapeError: A symbolic dimension has no size.
    """
    for path in models:
        graph = ComputeGraph(path)
        for batch in batches:
            inputs = random_inputs(graph.signature, batch=batch, sizes=sizes)
            flops = graph.cost(batch, sizes=sizes).flops
            for count in threads:
                for engine in engines:
                    label = f"{path} on {engine}"
                    label += f", batch {batch}" if len(batches) > 1 else ""
                    label += f", {count or 'default'} threads" if len(threads) > 1 else ""
                    yield Contender(label, str(path), engine, batch, count, graph, inputs, flops)
