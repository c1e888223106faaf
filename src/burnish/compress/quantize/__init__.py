"""Smaller numbers: integers and halves, in graphs that engines run with their fast kernels."""

from burnish.compress.quantize.apply import quantize, quantize_with_report
from burnish.compress.quantize.kernels import KernelCount, integer_kernels
from burnish.compress.quantize.report import Quantized, QuantReport
from burnish.compress.quantize.scheme import QuantScheme

__all__ = [
    "KernelCount",
    "QuantReport",
    "QuantScheme",
    "Quantized",
    "integer_kernels",
    "quantize",
    "quantize_with_report",
]
