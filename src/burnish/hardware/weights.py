"""How much compute, power and cost count against each other."""

import math
from dataclasses import dataclass

from burnish.errors import ConfigError, nearest

AXES = ("compute", "power", "cost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Three shares; made to sum to 1 by `normalised`."""

    compute: float = 0.4
    power: float = 0.3
    cost: float = 0.3

    def __post_init__(self) -> None:
        for axis, value in zip(AXES, self.values, strict=True):
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(
                    f"weights: {axis} = {value:g} is not a number of at least 0", hint="give 0 or more"
                )
        if sum(self.values) <= 0:
            raise ConfigError("weights: all are 0", hint="give at least one above 0")

    @property
    def values(self) -> tuple[float, float, float]:
        """In the order of `AXES`."""
        return self.compute, self.power, self.cost

    def normalised(self) -> tuple[float, float, float]:
        """Return the shares, with sum 1."""
        total = sum(self.values)
        return self.compute / total, self.power / total, self.cost / total


def parse_weights(text: str) -> Weights:
    """Read ``compute=0.4,power=0.3,cost=0.3``; an axis that is not named weighs nothing.

    Raises:
        ConfigError: An unknown axis, one named twice, a value that is no number, or nothing above 0.

    >>> parse_weights("cost=2,power=2").normalised()
    (0.0, 0.5, 0.5)
    """
    found = dict.fromkeys(AXES, 0.0)
    seen = set[str]()
    for part in text.split(","):
        axis, _, number = (piece.strip() for piece in part.partition("="))
        if axis not in AXES:
            raise ConfigError(f"weights: unknown axis {axis!r} in {text!r}", hint=nearest(axis, AXES))
        if axis in seen:
            raise ConfigError(f"weights: {axis} is given twice in {text!r}", hint="name each axis once")
        seen.add(axis)
        try:
            found[axis] = float(number)
        except ValueError as error:
            raise ConfigError(
                f"weights: {part.strip()!r} is not AXIS=NUMBER", hint="such as cost=0.3"
            ) from error
    return Weights(**found)
