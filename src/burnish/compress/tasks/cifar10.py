"""CIFAR-10: 60,000 colour images of 32x32 pixels in ten classes.

Data: A. Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images. Two forms are read: the binary
release (``data_batch_1.bin`` to ``5``, ``test_batch.bin``), and lossless WebP sheets of 50 x 200 tiles
(``train1.webp`` to ``5``, ``test.webp``) beside ``labels.npz``.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from burnish.compress.tasks.data_folder import data_file
from burnish.compress.tasks.goals import LOGITS, Classes
from burnish.compress.tasks.image_augment import shifted_and_mirrored
from burnish.errors import InputError
from burnish.evaluate.task import Split, SplitName
from burnish.graph.signature import Array
from burnish.plugins import require

if TYPE_CHECKING:
    import torch

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_IMAGE_BYTES = 3 * 32 * 32
_VALID = 5_000
_PAD = 4
_GOAL = Classes(outputs=10, smoothing=0.1)


class Cifar10Task:
    """Which of ten things is in an image of shape [3, 32, 32], normalised a channel.

    Args:
        network: Builds the untrained network; the default is a `ResNet18` with a stem of stride 2.
        folder: Folder of the files; None takes ``cifar10`` below the folder that ``BURNISH_DATA`` names.
        valid_from: Where the 5,000 examples of the valid split come from. ``train`` holds them out of the 50,000;
            ``test`` is for weights that were learnt from all 50,000 elsewhere, which leaves 5,000 to test.
        pixels: Side of the images; fewer than 32 are averaged down, for cheap early epochs.
    """

    name = "cifar10"
    output_names = (LOGITS,)

    def __init__(
        self,
        network: "Callable[[], torch.nn.Module] | None" = None,
        *,
        folder: Path | None = None,
        valid_from: Literal["train", "test"] = "train",
        pixels: int = 32,
    ) -> None:
        self._network = network
        self._folder = folder
        self._valid_from = valid_from
        self._pixels = pixels

    def build_model(self) -> "torch.nn.Module":
        """Return the untrained network, image_N3HW -> logits_N10."""
        from burnish.compress.tasks.image_networks import ResNet18

        return (self._network or ResNet18)()

    def split(self, name: SplitName) -> Split:
        """Return one of the three parts; which images are held out does not depend on anything but their order."""
        source = self._valid_from if name == "valid" else name
        images, labels = self._test if source == "test" else self._train
        border = len(labels) - (_VALID if source == self._valid_from else 0)
        chosen = slice(border, None) if name == "valid" else slice(0, border)
        return Split({"image": images[chosen]}, labels[chosen])

    def augment(self, batch: Split, rng: np.random.Generator) -> Split:
        """Shift each image by up to an eighth of its side, and mirror half of them."""
        shift = max(1, _PAD * self._pixels // 32)
        moved = shifted_and_mirrored(batch.inputs["image"], rng, shift=shift)
        return Split({"image": moved}, batch.labels)

    def loss(self, outputs: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
        """Return the cross-entropy with label smoothing of 0.1."""
        return _GOAL.loss(outputs, labels)

    def scores(self, outputs: Mapping[str, Array], labels: Array) -> Array:
        """Return 1.0 where the largest logit is at the label, else 0.0."""
        return _GOAL.scores(outputs[LOGITS], labels)

    @cached_property
    def _train(self) -> tuple[Array, Array]:
        return self._read(
            "train", [f"data_batch_{i}" for i in range(1, 6)], [f"train{i}" for i in range(1, 6)]
        )

    @cached_property
    def _test(self) -> tuple[Array, Array]:
        return self._read("test", ["test_batch"], ["test"])

    def _read(self, split: str, batches: list[str], sheets: list[str]) -> tuple[Array, Array]:
        folder = self._folder or data_file("cifar10")
        if (folder / f"{batches[0]}.bin").exists():
            parts = [_binary(folder / f"{name}.bin") for name in batches]
            images = np.concatenate([pixels for pixels, _ in parts])
            labels = np.concatenate([told for _, told in parts])
        elif (folder / f"{sheets[0]}.webp").exists():
            images = np.concatenate([_sheet(folder / f"{name}.webp") for name in sheets])
            with np.load(folder / "labels.npz", allow_pickle=False) as stored:
                labels = stored[split]
        else:
            raise InputError(
                f"{folder}: holds neither {batches[0]}.bin nor {sheets[0]}.webp",
                hint="give the folder of the binary release of CIFAR-10",
            )
        if len(images) != len(labels):
            raise InputError(f"{folder}: {len(images)} images of {split} but {len(labels)} labels")
        return self._normalised(images), labels.astype(np.int64)

    def _normalised(self, images_N3HW: Array) -> Array:  # noqa: N803 - the name carries the shape
        torch: Any = require("torch", extra="compress", need="the task 'cifar10'")
        images = torch.from_numpy(images_N3HW).float().div_(255)
        if self._pixels != images.shape[-1]:
            images = torch.nn.functional.interpolate(
                images,
                size=(self._pixels, self._pixels),
                mode="bilinear",
                antialias=True,
                align_corners=False,
            )
        mean, std = (torch.tensor(values)[:, None, None] for values in (_MEAN, _STD))
        normalised: Array = ((images - mean) / std).numpy()
        return normalised


def _binary(path: Path) -> tuple[Array, Array]:
    """Read records of one label and 3,072 bytes, the channels one after the other."""
    data = np.fromfile(path, np.uint8)
    if not len(data) or len(data) % (1 + _IMAGE_BYTES):
        raise InputError(
            f"{path}: {len(data)} bytes are no whole number of records of {1 + _IMAGE_BYTES}",
            hint="the file was cut short, or is not of the binary release",
        )
    records = data.reshape(-1, 1 + _IMAGE_BYTES)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def _sheet(path: Path) -> Array:
    """Read a sheet of tiles, 50 a row, row by row."""
    image: Any = require("PIL.Image", extra="compress", need="CIFAR-10 in WebP sheets")
    with image.open(path) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    rows, columns = pixels.shape[0] // 32, pixels.shape[1] // 32
    tiles: Array = pixels.reshape(rows, 32, columns, 32, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, 32, 32)
    return tiles


TASK = Cifar10Task()
