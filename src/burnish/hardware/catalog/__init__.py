"""The catalogue: what devices can do, draw and cost, as data with a source for every figure."""

from burnish.hardware.catalog.finding import find
from burnish.hardware.catalog.loading import devices, user_file

__all__ = ["devices", "find", "user_file"]
