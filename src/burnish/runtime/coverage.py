"""Which engines have which operators, as the node tests of the ONNX standard found it.

The table ``operators.json`` is measured, not declared: ``benchmarks/node_suite.py`` puts every test to every
engine, and ``scripts/operators_page.py`` counts its results by operator.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources

import msgspec

_TABLE = "operators.json"


@dataclass(frozen=True, slots=True)
class Passed:
    """How many node tests of one operator an engine passed, of those that it was given."""

    passed: int
    asked: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was measured, and with which versions."""

    onnx: str
    """Version of the onnx package that brought the tests."""
    engines: dict[str, str]
    """Version of each engine that was measured."""
    operators: dict[str, dict[str, tuple[int, int]]]
    """By operator (``domain::Name`` outside the standard's own domain) and engine: tests passed, and asked."""

    def of(self, operator: str, domain: str = "") -> dict[str, Passed]:
        """Return the counts of one operator by engine; empty for an operator that no test is about."""
        name = operator if domain in ("", "ai.onnx") else f"{domain}::{operator}"
        return {engine: Passed(*counts) for engine, counts in self.operators.get(name, {}).items()}


def engines_with(operator: str, domain: str = "") -> list[str]:
    """Return the engines that passed node tests of an operator, those that passed the largest share first.

    An operator that no test is about yields none, which does not mean that no engine has it.
    """
    shares = {name: c.passed / c.asked for name, c in coverage().of(operator, domain).items() if c.asked}
    return sorted((name for name, share in shares.items() if share), key=lambda name: -shares[name])


@cache
def coverage() -> Coverage:
    """Read the table once."""
    data = resources.files("burnish.runtime").joinpath(_TABLE).read_bytes()
    return msgspec.json.decode(data, type=Coverage)
