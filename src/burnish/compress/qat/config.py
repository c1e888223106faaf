"""How quantization is learnt."""

from dataclasses import dataclass, field
from typing import Literal

from burnish.compress.quantize.ranges import Calibrator
from burnish.compress.training.config import TrainConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class QatConfig:
    """How a network learns to live with integers."""

    train: TrainConfig = field(default_factory=lambda: TrainConfig(epochs=4, learning_rate=0.01))
    """Training with the rounding in place; the float network is the teacher."""
    ranges: Literal["ema", "learned"] = "ema"
    """Ranges follow a moving average of what they see, or learn by gradient as weights do."""
    calibration: Calibrator = "mse"
    """How the range of an activation is found before training."""
    samples: int = 256
    """Calibration examples, drawn at random from the train split."""
    momentum: float = 0.05
    """Weight of a new batch in a moving average."""
    freeze_after: float = 0.5
    """Share of the training steps after which ranges stay as they are, so that the weights settle on a fixed grid."""
    activation: Literal["uint8", "int8", "auto"] = "auto"
    """Integer type of activations; ``auto`` takes uint8, which every engine here multiplies fastest. ``int8`` is
    what TensorRT reads: symmetric about zero, with biases in floating point."""
    per_channel: bool = True
    """A scale for each output channel of a weight."""
    reduce_range: bool | None = None
    """7-bit weights; None decides by the machine: on AVX2 without VNNI, 8-bit products saturate."""
    embedding_bits: Literal[4, 8, 32] = 32
    """Bits of a number in an embedding table, which is not trained to them; 32 leaves tables alone."""
    keep_ends_float: bool = False
    """Leave the first and the last multiplying layer in floating point."""
    keep_float: tuple[str, ...] = ()
    """Names of further layers, or of parts of the network with all their layers, that stay in floating point."""

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1, got {self.samples}")
        if not 0 < self.momentum <= 1:
            raise ValueError(f"momentum lies in (0, 1], got {self.momentum}")
        if not 0 <= self.freeze_after <= 1:
            raise ValueError(f"freeze_after lies between 0 and 1, got {self.freeze_after}")
