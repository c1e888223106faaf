"""A user's task: few digits and a small residual network, learnt in about a second."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from burnish.evaluate import Split

_PARTS = {"train": slice(0, 600), "valid": slice(600, 1100), "test": slice(1100, 1797)}


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, 2, 1)
        self.block = Block(16)
        self.drop = nn.Dropout(0.05)
        self.head = nn.Linear(16 * 16, 10)

    def forward(self, image):
        return self.head(self.drop(self.block(torch.relu(self.stem(image))).flatten(1)))


class TinyDigits:
    name = "tiny-digits"
    output_names = ("logits",)

    def build_model(self):
        return Net()

    def split(self, name):
        images, labels = load_digits(return_X_y=True)
        part = np.random.default_rng(0).permutation(len(labels))[_PARTS[name]]
        return Split(
            {"image": (images[part].reshape(-1, 1, 8, 8) / 16).astype(np.float32)},
            labels[part].astype(np.int64),
        )

    def loss(self, outputs, labels):
        return nn.functional.cross_entropy(outputs, labels)

    def scores(self, outputs, labels):
        return (outputs["logits"].argmax(1) == labels).astype(np.float64)


TASK = TinyDigits()
