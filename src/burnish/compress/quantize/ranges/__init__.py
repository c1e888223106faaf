"""Which numbers of a tensor are kept when it gets integers: histograms that merge exactly, and calibrators."""

from burnish.compress.quantize.ranges.calibrators import CALIBRATORS, Calibrator, range_of
from burnish.compress.quantize.ranges.grid import Grid, Range
from burnish.compress.quantize.ranges.histogram import Histogram, merged

__all__ = ["CALIBRATORS", "Calibrator", "Grid", "Histogram", "Range", "merged", "range_of"]
