"""All passes, in the order in which they run, and which of them suit an engine."""

from collections.abc import Sequence

from burnish.errors import InputError, NotFoundError, nearest
from burnish.graph.fusion.contract import Contract
from burnish.graph.fusion.rules import (
    activations,
    attention,
    casts,
    cleaning,
    contrib,
    convolutions,
    gelu,
    matmuls,
    norms,
    quantized,
    transposes,
)

_ORDER = (
    cleaning,
    casts,
    convolutions,
    activations,
    transposes,
    matmuls,
    gelu,
    norms,
    attention,
    quantized,
    contrib,
)

PASSES: dict[str, Contract] = {one.name: one for module in _ORDER for one in module.PASSES}
"""Every pass by its name, in the order in which they run."""

TARGETS = tuple(sorted({engine for one in PASSES.values() for engine in one.engines}))
"""Engines that have operators which not all engines have."""


def chosen(names: Sequence[str] | None, target: str | None) -> list[Contract]:
    """Return the passes to run, in their order.

    Args:
        names: Passes by name; None for all that suit the target.
        target: Engine that will run the graph; None for any engine.

    Raises:
        NotFoundError: A pass or a target does not exist.
        InputError: A pass writes operators that the target lacks.
    """
    if target is not None and target not in TARGETS:
        raise NotFoundError(
            f"no pass is made for an engine {target!r}",
            hint=f"{nearest(target, TARGETS)}; without a target the graph suits every engine",
        )
    if names is None:
        return [one for one in PASSES.values() if _suits(one, target)]
    for name in names:
        if name not in PASSES:
            raise NotFoundError(f"unknown pass {name!r}", hint=nearest(name, PASSES))
        if not _suits(PASSES[name], target):
            engines = PASSES[name].engines
            raise InputError(
                f"pass {name!r} writes operators that only {' and '.join(engines)} can load",
                hint=f"name the engine: target {engines[0]!r}",
            )
    return [one for one in PASSES.values() if one.name in names]


def _suits(contract: Contract, target: str | None) -> bool:
    return contract.portable or target in contract.engines
