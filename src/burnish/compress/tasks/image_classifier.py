"""Networks that judge images, from a folder in Hugging Face's layout."""

from pathlib import Path

import torch
from torch import nn

from burnish.compress.tasks.saved_network import load_network


def load_image_network(folder: Path, *, classes: int) -> nn.Module:
    """Load a classifier of images; a head for another number of classes is replaced by a fresh one.

    Args:
        folder: config.json and safetensors.
        classes: Outputs.

    Returns:
        A module whose forward takes pixel values_N3HW and gives logits_NK.

    Raises:
        NotFoundError: The folder, its config.json or its weights are missing.
        InputError: The weights cannot be read, lack more than the head, or have it in another shape.
        MissingExtraError: transformers or safetensors is not installed.
    """
    return ImageClassifier(
        load_network(
            folder,
            "AutoModelForImageClassification",
            fresh=("classifier.", "head."),
            num_labels=classes,
            ignore_mismatched_sizes=True,
        )
    )


class ImageClassifier(nn.Module):
    """A classifier that takes pixels by position and gives logits alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803 - the name carries the shape
        """Return logits_NK."""
        logits: torch.Tensor = self.network(pixel_values=image_NCHW).logits
        return logits
