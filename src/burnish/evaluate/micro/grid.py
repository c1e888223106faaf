"""Which small graphs are measured: a seeded design over the sizes that operators of real networks have."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from burnish.evaluate.accuracy import Floats
from burnish.evaluate.micro.cells import CELLS
from burnish.evaluate.micro.sketch import Sketch
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array

_SEED = 11
_MOST_FLOPS = 2.5e9
"""Of one copy: some 20 ms on two cores; efficiency has long stopped changing."""
_MOST_ELEMENTS = 12 << 20
"""Of a value: 48 MiB, more than most caches hold."""
_MOST_WEIGHTS = 16 << 20


@dataclass(frozen=True)
class Micro:
    """One small graph."""

    kind: str
    """Of `burnish.evaluate.micro.cells.CELLS`."""
    sizes: Mapping[str, int]

    @cached_property
    def key(self) -> str:
        """Name it."""
        return " ".join([self.kind, *(f"{name}={size}" for name, size in sorted(self.sizes.items()))])

    def build(self, copies: int) -> tuple[ComputeGraph, dict[str, Array]]:
        """Return the graph with so many copies of the operator, and its inputs."""
        sketch = Sketch()
        outputs = CELLS[self.kind](sketch, self.sizes, copies)
        return sketch.graph(outputs), sketch.feeds


@dataclass(frozen=True, slots=True)
class _Range:
    """Sizes from low to high, evenly in their logarithm, rounded to a multiple."""

    low: int
    high: int
    multiple: int = 1

    def at(self, share: float) -> int:
        size: float = self.low * (self.high / self.low) ** share
        return max(self.low, round(size / self.multiple) * self.multiple)


@dataclass(frozen=True, slots=True)
class _Choice:
    """One of a few, those named twice twice as often."""

    of: tuple[int, ...]

    def at(self, share: float) -> int:
        return self.of[min(len(self.of) - 1, int(share * len(self.of)))]


_BATCH = _Range(1, 8)
_SIDE = _Choice((4, 7, 7, 8, 10, 14, 14, 16, 20, 28, 28, 32, 56, 56, 64, 112))
_ROWS = {"batch": _BATCH, "rows": _Range(1, 4096), "columns": _Range(8, 4096)}
_PLAN: tuple[tuple[str, int, Mapping[str, _Range | _Choice]], ...] = (
    (
        "conv", 100,
        {"batch": _BATCH, "side": _SIDE, "inner": _Range(8, 1024, 8), "outer": _Range(8, 2048, 8),
         "kernel": _Choice((1, 1, 1, 3, 3, 5))},
    ),
    (
        "conv", 12,
        {"batch": _BATCH, "side": _SIDE, "inner": _Range(9, 300), "outer": _Range(9, 300),
         "kernel": _Choice((1, 1, 3))},
    ),
    (
        "strided_conv", 24,
        {"batch": _BATCH, "side": _SIDE, "inner": _Range(8, 1024, 8), "outer": _Range(8, 2048, 8),
         "kernel": _Choice((1, 2, 3, 3)), "stride": _Choice((2,))},
    ),
    (
        "strided_conv", 20,
        {"batch": _BATCH, "side": _Range(32, 256, 8), "inner": _Choice((1, 3, 3, 3)),
         "outer": _Range(8, 96, 8), "kernel": _Choice((3, 3, 5, 7, 7)), "stride": _Choice((1, 2, 2, 2))},
    ),
    (
        "patches", 10,
        {"batch": _BATCH, "side": _Range(64, 224, 32), "outer": _Range(64, 768, 16),
         "kernel": _Choice((4, 8, 16, 32))},
    ),
    (
        "depthwise", 44,
        {"batch": _BATCH, "side": _SIDE, "inner": _Range(8, 1024, 8), "kernel": _Choice((3, 3, 5, 7)),
         "stride": _Choice((1, 1, 1, 2))},
    ),
    (
        "depthwise", 8,
        {"batch": _BATCH, "side": _SIDE, "inner": _Range(9, 250), "kernel": _Choice((3,)),
         "stride": _Choice((1, 2))},
    ),
    (
        "grouped", 20,
        {"batch": _BATCH, "side": _SIDE, "each": _Choice((4, 4, 8, 16, 32, 64)), "groups": _Choice((2, 4, 8, 32)),
         "kernel": _Choice((1, 3, 3)), "stride": _Choice((1, 1, 2))},
    ),
    (
        "transposed_conv", 12,
        {"batch": _BATCH, "side": _SIDE, "inner": _Range(16, 1024, 16), "outer": _Range(8, 512, 8)},
    ),
    (
        "linear", 60,
        {"batch": _BATCH, "rows": _Range(2, 512), "k": _Range(32, 4096, 8), "n": _Range(32, 4096, 8)},
    ),
    (
        "linear", 24,
        {"batch": _Range(1, 64), "rows": _Choice((1,)), "k": _Range(32, 4096, 8), "n": _Range(32, 4096, 8)},
    ),
    (
        "attention", 30,
        {"batch": _BATCH, "heads": _Range(1, 16), "tokens": _Range(16, 512),
         "depth": _Choice((16, 32, 32, 64, 64, 128))},
    ),
    ("unary", 36, {**_ROWS, "op": _Choice(tuple(range(8)))}),
    ("bias_gelu", 12, _ROWS),
    ("binary", 36, {**_ROWS, "op": _Choice((0, 0, 1, 1, 2, 3)), "with": _Choice((0, 1, 2, 3))}),
    ("softmax", 20, {**_ROWS, "columns": _Range(8, 1024)}),
    ("normalize", 30, {**_ROWS, "columns": _Range(32, 2048), "skip": _Choice((0, 1))}),
    ("reduce", 24, {**_ROWS, "columns": _Range(8, 4096), "middle": _Choice((0, 0, 1))}),
    (
        "pool", 22,
        {"batch": _BATCH, "side": _SIDE, "inner": _Range(8, 512, 8), "kernel": _Choice((3, 3, 5)),
         "op": _Choice((0, 0, 1))},
    ),
    (
        "halved", 20,
        {"batch": _BATCH, "side": _Choice((8, 14, 16, 28, 32, 56, 112)), "inner": _Range(8, 512, 8),
         "kernel": _Choice((2, 3))},
    ),
    (
        "move", 48,
        {"batch": _BATCH, "rows": _Range(1, 512), "inner": _Range(2, 512), "columns": _Range(4, 512),
         "op": _Choice(tuple(range(7)))},
    ),
    ("blocked", 20, {"batch": _BATCH, "side": _SIDE, "inner": _Range(8, 1024, 8)}),
    ("joined", 16, {"batch": _BATCH, "side": _SIDE, "inner": _Range(16, 512, 16)}),
    (
        "recurrent", 20,
        {"batch": _BATCH, "steps": _Range(4, 128), "hidden": _Range(32, 768, 8), "op": _Choice((0, 0, 1)),
         "ways": _Choice((1, 2))},
    ),
)  # fmt: skip


def design(*, share: float = 1.0) -> list[Micro]:
    """Return the small graphs to measure, each once, in an order that mixes the kinds.

    Args:
        share: Of the full design; each kind keeps at least 3.
    """
    rng = np.random.default_rng(_SEED)
    found: dict[str, Micro] = {}
    for kind, count, ranges in _PLAN:
        wanted, kept = max(3, round(count * share)), 0
        while kept < wanted:
            for shares in _latin(rng, wanted, len(ranges)):
                drawn = {name: size.at(at) for (name, size), at in zip(ranges.items(), shares, strict=True)}
                micro = _micro(kind, drawn)
                if kept < wanted and micro.key not in found and _fits(micro):
                    found[micro.key] = micro
                    kept += 1
    micros = list(found.values())
    rng.shuffle(micros)
    return micros


def _latin(rng: np.random.Generator, points: int, dimensions: int) -> Floats:
    """Draw points of which no two share a stratum in any dimension (a Latin hypercube)."""
    strata = np.argsort(rng.random((dimensions, points)), axis=1).T
    drawn: Floats = (strata + rng.random((points, dimensions))) / points
    return drawn


def _micro(kind: str, sizes: dict[str, int]) -> Micro:
    """Fill in what follows from the drawn sizes."""
    if kind == "depthwise":
        return Micro("grouped_conv", {**sizes, "groups": sizes["inner"]})
    if kind == "grouped":
        each = sizes.pop("each")
        return Micro("grouped_conv", {**sizes, "inner": each * sizes["groups"]})
    if kind == "patches":
        return Micro("strided_conv", {**sizes, "inner": 3, "stride": sizes["kernel"]})
    return Micro(kind, sizes)


def _fits(micro: Micro) -> bool:
    """Tell whether one copy takes neither too long nor too much memory."""
    get = micro.sizes.get
    batch, inner, outer = get("batch", 1), get("inner", 1), get("outer", get("inner", 1))
    if "side" in micro.sizes:
        kernel, groups, stride = get("kernel", 1) ** 2, get("groups", 1), get("stride", 1)
        image = batch * get("side", 1) ** 2
        weights = inner * outer * kernel // groups
        elements = image * max(inner, outer // stride**2, 4 * outer if micro.kind == "transposed_conv" else 0)
        flops = 2 * image // stride**2 * weights
    elif micro.kind == "linear":
        rows = batch * get("rows", 1)
        weights = get("k", 1) * get("n", 1)
        elements, flops = rows * max(get("k", 1), get("n", 1)), 2 * rows * weights
    elif micro.kind == "attention":
        stack, tokens, depth = batch * get("heads", 1), get("tokens", 1), get("depth", 1)
        weights, elements, flops = 0, stack * tokens * max(tokens, depth), 2 * stack * tokens**2 * depth
    elif micro.kind == "recurrent":
        weights, elements = 4 * get("ways", 1) * (get("ways", 1) + 1) * get("hidden", 1) ** 2, 0
        flops = 2 * weights * get("steps", 1) * batch
    else:
        wide = inner if micro.kind == "move" and get("op", 0) < 4 else 1
        weights, elements, flops = 0, batch * get("rows", 1) * get("columns", 1) * wide, 0
    return flops <= _MOST_FLOPS and elements <= _MOST_ELEMENTS and weights <= _MOST_WEIGHTS
