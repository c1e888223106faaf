"""Handwritten digits: 1,797 images of 8x8 that ship inside scikit-learn, and a small residual network.

Data: E. Alpaydin and C. Kaynak, UCI Optical Recognition of Handwritten Digits (test part).
"""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.compress.tasks.goals import LOGITS, Classes
from burnish.evaluate.task import Split, SplitName
from burnish.graph.signature import Array
from burnish.plugins import require

if TYPE_CHECKING:
    import torch

_SHARES: dict[SplitName, tuple[float, float]] = {"train": (0.0, 0.4), "valid": (0.4, 0.7), "test": (0.7, 1.0)}
_WIDTH = 64
_GOAL = Classes(outputs=10, smoothing=0.1)


class DigitsTask:
    """Which digit, from an image of shape [1, 8, 8] scaled to [0, 1]."""

    name = "digits"
    output_names = (LOGITS,)

    def build_model(self) -> "torch.nn.Module":
        """Return the untrained network, image_N1HW -> logits_N10."""
        from burnish.compress.tasks.residual import ResidualNet

        return ResidualNet(channels=1, classes=_GOAL.outputs, width=_WIDTH)

    def split(self, name: SplitName) -> Split:
        """Return 40% to learn from, 30% to choose by, 30% to report on, each with all digits in proportion."""
        low, high = _SHARES[name]
        images, labels = self._data
        picked = [
            rows[round(low * len(rows)) : round(high * len(rows))]
            for rows in (np.flatnonzero(labels == digit) for digit in range(10))
        ]
        order = np.random.default_rng(1).permutation(np.concatenate(picked))
        return Split({"image": images[order]}, labels[order])

    def loss(self, outputs: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
        """Return the cross-entropy with label smoothing of 0.1."""
        return _GOAL.loss(outputs, labels)

    def scores(self, outputs: Mapping[str, Array], labels: Array) -> Array:
        """Return 1.0 where the largest logit is at the label, else 0.0."""
        return _GOAL.scores(outputs[LOGITS], labels)

    @cached_property
    def _data(self) -> tuple[Array, Array]:
        datasets: Any = require("sklearn.datasets", extra="compress", need="the task 'digits'")
        digits = datasets.load_digits()
        order = np.random.default_rng(0).permutation(len(digits.target))
        images = (digits.images[order, None] / 16.0).astype(np.float32)
        return images, digits.target[order].astype(np.int64)


TASK = DigitsTask()
