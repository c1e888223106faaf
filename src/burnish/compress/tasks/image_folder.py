"""Images in folders that are named as their classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from burnish.compress.tasks.goals import LOGITS, Classes, HeadLabels, class_numbers
from burnish.compress.tasks.image_augment import shifted_and_mirrored
from burnish.compress.tasks.parts import ALIASES, SPLITS, deal
from burnish.compress.tasks.saved_network import IMAGE_HEAD, head_labels
from burnish.compress.tasks.settings import settings_from
from burnish.errors import ConfigError, InputError, NotFoundError
from burnish.evaluate.task import Split, SplitName, Task
from burnish.graph.signature import Array
from burnish.plugins import require
from burnish.units import format_bytes

if TYPE_CHECKING:
    import torch

_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolderConfig:
    """Where the images are, and what judges them."""

    folder: str = ""
    """Folder of one folder a class; or of ``train`` and, unless a tenth is held out, ``valid`` (or ``val``, ``dev``)
    and ``test``."""
    pixels: int = 64
    """Side of the square that each image is scaled and cropped to."""
    model: str = ""
    """Folder of a classifier of images in Hugging Face's layout; empty trains a ResNet-18 from scratch."""

    def __post_init__(self) -> None:
        if self.pixels < 8:
            raise ValueError(f"pixels must be at least 8, got {self.pixels}")


class ImageFolderTask:
    """Which class an image belongs to, from image_N3HW float32, normalised a channel as ImageNet is.

    All images are held in memory.

    Args:
        config: Where and how.
    """

    name = "image-folder"
    output_names: tuple[str, ...] = (LOGITS,)

    def __init__(self, config: ImageFolderConfig | None = None) -> None:
        self.config = config or ImageFolderConfig()
        self._splits: dict[SplitName, Split] = {}

    def configured(self, setting: str) -> Task:
        """Return the task of a folder: ``FOLDER`` or ``FOLDER,pixels=128,model=FOLDER``."""
        return ImageFolderTask(settings_from(ImageFolderConfig, setting, first="folder", task=self.name))

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of their numbers: of the head where the network keeps its own."""
        return self._files[0]

    def build_model(self) -> "torch.nn.Module":
        """Return the network, image_N3HW -> logits_NK."""
        if self.config.model:
            from burnish.compress.tasks.image_classifier import load_image_network

            return load_image_network(Path(self.config.model), classes=len(self.classes))
        from burnish.compress.tasks.image_networks import ResNet18

        return ResNet18(classes=len(self.classes))

    def split(self, name: SplitName) -> Split:
        """Return one part of the images; read once."""
        if name not in self._splits:
            paths, labels = self._files[1][name], self._files[2][name]
            self._splits[name] = Split({"image": _read(paths, self.config.pixels)}, labels)
        return self._splits[name]

    def augment(self, batch: Split, rng: np.random.Generator) -> Split:
        """Shift each image by up to an eighth of its side, and mirror half of them."""
        images = batch.inputs["image"]
        return Split(
            {"image": shifted_and_mirrored(images, rng, shift=self.config.pixels // 8)}, batch.labels
        )

    def loss(self, outputs: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
        """Return the cross-entropy with label smoothing of 0.1."""
        return self._goal.loss(outputs, labels)

    def scores(self, outputs: Mapping[str, Array], labels: Array) -> Array:
        """Return 1.0 where the largest logit is at the label, else 0.0."""
        return self._goal.scores(outputs[LOGITS], labels)

    @property
    def _goal(self) -> Classes:
        return Classes(outputs=len(self.classes), smoothing=0.1)

    @cached_property
    def _files(self) -> tuple[list[str], dict[SplitName, list[Path]], dict[SplitName, Array]]:
        """Names of the classes; files and labels of each split."""
        if not self.config.folder:
            raise ConfigError(
                "task 'image-folder': its folder is not named",
                hint="name a folder of one folder a class: image-folder:FOLDER",
            )
        root = Path(self.config.folder)
        if not root.is_dir():
            raise NotFoundError(f"{root}: no such folder", hint="give a folder of one folder a class")
        if (root / "train").is_dir():
            places = {name: _folder_of(root, name) for name in SPLITS}
            found = {name: _images(place) for name, place in places.items() if place is not None}
        else:
            found = {"train": _images(root)}
        lacking = [name for name in SPLITS if name not in found]
        if lacking:
            files = found["train"]
            parts = deal([path.parent.name for path in files], len(files), lacking)
            found |= {name: [files[int(row)] for row in rows] for name, rows in parts.items()}
        classes, labels = class_numbers(
            {name: [path.parent.name for path in files] for name, files in found.items()},
            self._head(found["train"]),
        )
        return classes, found, labels

    def _head(self, files: list[Path]) -> HeadLabels | None:
        """Return what the network's outputs stand for; None where it gets a fresh head."""
        if not self.config.model:
            return None
        head = head_labels(Path(self.config.model), IMAGE_HEAD)
        kept = head is not None and len(head.names) == len({path.parent.name for path in files})
        return head if kept else None


def _folder_of(root: Path, split: SplitName) -> Path | None:
    found = [root / name for name in ALIASES[split] if (root / name).is_dir()]
    if len(found) > 1:
        raise InputError(f"{root}: holds both {found[0].name} and {found[1].name}", hint="keep one of them")
    return found[0] if found else None


def _images(folder: Path) -> list[Path]:
    """Return the images in the folders of classes, in the order of their names."""
    found: list[Path] = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."):
        images = sorted(path for path in place.iterdir() if path.suffix.lower() in _ENDINGS)
        if not images:
            raise InputError(f"{place}: holds no image", hint=f"images end in {', '.join(_ENDINGS)}")
        found += images
    if not found:
        raise InputError(f"{folder}: holds no folder of a class", hint="put images into FOLDER/CLASS/")
    return found


def _read(paths: list[Path], pixels: int) -> Array:
    needed, free = len(paths) * 3 * pixels * pixels * 4, psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"{len(paths)} images of {pixels} pixels take {format_bytes(needed)}, of which {format_bytes(free)} "
            "are free",
            hint="set fewer pixels",
        )
    images: Any = require("PIL.Image", extra="compress", need="reading images")
    operations: Any = require("PIL.ImageOps", extra="compress", need="reading images")
    taken = np.empty((len(paths), 3, pixels, pixels), np.float32)
    mean, std = (np.array(values, np.float32) for values in (_MEAN, _STD))
    for position, path in enumerate(paths):
        try:
            with images.open(path) as opened:
                square = operations.fit(opened.convert("RGB"), (pixels, pixels), images.Resampling.BILINEAR)
        except Exception as error:  # each format fails in its own way
            raise InputError(f"{path}: is no image that can be read: {error}") from error
        taken[position] = ((np.asarray(square, np.float32) / 255 - mean) / std).transpose(2, 0, 1)
    return taken


TASK = ImageFolderTask()
