"""How to learn."""

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from burnish.compress.training.device import DeviceName, Precision

FREE = ("checkpoint_every_s", "device")
"""Settings that may be others when training goes on, and for which finished training is not thrown away."""


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
        if not (_is_positive(self.learning_rate) and _is_positive(self.temperature)):
            raise ValueError(
                f"learning_rate and temperature must be above 0: {self.learning_rate}, {self.temperature}"
            )
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum lies from 0 to less than 1, got {self.momentum}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must be at least 0, got {self.weight_decay}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be at least 0 and fit 63 bits, got {self.seed}")
        if not self.checkpoint_every_s >= 0:
            raise ValueError(f"checkpoint_every_s must be at least 0, got {self.checkpoint_every_s}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm must be above 0, got {self.clip_norm}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, got {self.patience}")


def binding(config: Any) -> dict[str, Any]:
    """Return the settings on which what is learnt depends, as plain data: what decides whether work is done again.

    Args:
        config: Of training, or a dataclass with one inside, at any depth.

    >>> binding(TrainConfig(checkpoint_every_s=1.0)) == binding(TrainConfig())
    True
    """
    free = FREE if isinstance(config, TrainConfig) else ()
    return {
        field.name: _plain(getattr(config, field.name)) for field in fields(config) if field.name not in free
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return binding(value)
    return type(value)(_plain(one) for one in value) if isinstance(value, (tuple, list)) else value


def _is_positive(value: float) -> bool:
    return 0 < value < math.inf
