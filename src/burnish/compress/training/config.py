"""How to learn."""

from dataclasses import dataclass
from typing import Literal

from burnish.compress.training.device import DeviceName, Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How to learn."""

    epochs: int = 12
    """Passes over the training split."""
    batch_size: int = 64
    """Examples a step."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """SGD for convolutional networks, AdamW for transformers."""
    learning_rate: float = 0.1
    """Highest learning rate of the one cycle; AdamW wants far less, such as 5e-5 to go on from trained weights."""
    warmup: float = 0.3
    """Share of the steps in which the learning rate rises."""
    momentum: float = 0.9
    """Momentum of SGD (Nesterov)."""
    weight_decay: float = 5e-4
    """L2 penalty of SGD; decoupled decay of AdamW, which spares biases and normalisations."""
    clip_norm: float | None = None
    """Longest gradient of all parameters together; None does not limit it."""
    patience: int | None = None
    """Epochs without a better valid score after which training stops; None goes on to the last."""
    distill_weight: float = 0.7
    """Share of the loss that comes from the teacher, when there is one."""
    temperature: float = 2.0
    """Softness of the teacher's answers."""
    device: DeviceName = "auto"
    """Where to train; the model comes back to the CPU."""
    precision: Precision = "auto"
    """Of the products: half precision on a GPU and float32 on a CPU, or one of them everywhere."""
    checkpoint_every_s: float = 60.0
    """Time between checkpoints inside an epoch; it has no influence on what is learnt."""
    seed: int = 0
    """Seed of the order of examples and of initial weights."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(f"epochs and batch_size must be at least 1: {self.epochs}, {self.batch_size}")
        if not 0 <= self.distill_weight <= 1:
            raise ValueError(f"distill_weight lies between 0 and 1, got {self.distill_weight}")
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warmup lies between 0 and 1, got {self.warmup}")
        if self.learning_rate <= 0 or self.temperature <= 0:
            raise ValueError(
                f"learning_rate and temperature must be above 0: {self.learning_rate}, {self.temperature}"
            )
        if self.clip_norm is not None and self.clip_norm <= 0:
            raise ValueError(f"clip_norm must be above 0, got {self.clip_norm}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, got {self.patience}")
