"""Learning with the rounding of integers in place, and files that engines run with integer kernels."""

from burnish.compress.qat.aware import QatResult, quantize_aware
from burnish.compress.qat.config import QatConfig

__all__ = ["QatConfig", "QatResult", "quantize_aware"]
