"""Smaller numbers: integers and halves, in graphs that engines run with their fast kernels."""

from burnish.compress.quantize.apply import quantize
from burnish.compress.quantize.scheme import QuantScheme

__all__ = ["QuantScheme", "quantize"]
