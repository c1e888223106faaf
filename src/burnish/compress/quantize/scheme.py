"""How a quantized network is asked for."""

from dataclasses import dataclass
from typing import Literal

Method = Literal["static", "dynamic", "weight-only", "float16", "bfloat16"]
Calibration = Literal["minmax", "percentile", "mse", "kl", "auto"]

_LEVELS = 256
"""Of an activation; histograms that are hardly finer say nothing about what is lost between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantScheme:
    """How numbers become smaller ones."""

    method: Method = "static"
    """``static`` fixes the ranges of activations from samples, ``dynamic`` finds them at each call, ``weight-only``
    stores weights as integers and computes in floating point, the other two halve every number."""
    calibration: Calibration = "minmax"
    """How the range of an activation is found from the samples (``static``): by one of
    `burnish.compress.quantize.ranges`, or ``auto``, which measures for each tensor which of them leaves the least
    error at the network's outputs."""
    percentile: float = 99.99
    """Percent of an activation's numbers that the calibration ``percentile`` keeps."""
    calibration_bins: int = 2048
    """Fineness of the histograms of activations; between this number and twice as many bins are used."""
    samples: int = 256
    """Calibration examples, drawn at random from the split."""
    per_channel: bool = True
    """A scale for each output channel of a weight."""
    activation: Literal["uint8", "int8", "auto"] = "auto"
    """Integer type of activations; ``auto`` takes what the machine multiplies fastest without saturating. ``int8`` is
    what TensorRT reads: symmetric about zero, with biases in floating point."""
    reduce_range: bool | None = None
    """7-bit weights; None decides by the machine: on AVX2 without VNNI, 8-bit products saturate."""
    weight_bits: Literal[4, 8] = 8
    """Bits of a weight of a linear layer (``weight-only``)."""
    embedding_bits: Literal[4, 8, 32] = 32
    """Bits of a number in an embedding table; 32 leaves tables alone (any integer method)."""
    keep_ends_float: bool = False
    """Leave the first and the last multiplying node in floating point."""
    keep_float: tuple[str, ...] = ()
    """Names of further nodes that stay in floating point, as the mixed-precision search finds them."""
    equalize: float | None = None
    """Strength in (0, 1] with which ranges move from activations to the weights after them; None does not."""
    bias_correction: bool = False
    """Take the mean error that quantized weights make out of the biases."""

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1, got {self.samples}")
        if not 50 < self.percentile <= 100:
            raise ValueError(f"percentile lies in (50, 100], got {self.percentile}")
        if self.calibration_bins < 2 * _LEVELS:
            raise ValueError(f"calibration_bins must be at least {2 * _LEVELS}, got {self.calibration_bins}")
        if self.equalize is not None and not 0 < self.equalize <= 1:
            raise ValueError(f"equalize lies in (0, 1], got {self.equalize}")
