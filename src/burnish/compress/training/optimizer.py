"""What turns gradients into new weights."""

import torch
from torch import nn

from burnish.compress.training.config import TrainConfig
from burnish.errors import InputError


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Return the optimizer of the parameters that learn; those with ``requires_grad`` off are left alone.

    Raises:
        InputError: No parameter learns.
    """
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not learning:
        raise InputError(f"{type(model).__name__} has nothing to learn: no parameter requires a gradient")
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            learning,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            nesterov=config.momentum > 0,
        )
    # biases and scales of normalisations are not what overfits: they do not decay
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=config.learning_rate, fused=True
    )
