"""Smaller and faster under an accuracy floor, every step judged by a measurement."""

from burnish.plugins import require

require("torch", extra="compress", need="compressing a model")  # every module below imports it

from burnish.compress.recipe.config import CompressConfig, Recipe, load_recipe  # noqa: E402
from burnish.compress.recipe.measure import Option  # noqa: E402 - after the check
from burnish.compress.recipe.run import CompressResult, compress  # noqa: E402
from burnish.compress.reporter import Progress, Row  # noqa: E402
from burnish.compress.training.train import TrainConfig, train, train_task  # noqa: E402

__all__ = [
    "CompressConfig",
    "CompressResult",
    "Option",
    "Progress",
    "Recipe",
    "Row",
    "TrainConfig",
    "compress",
    "load_recipe",
    "train",
    "train_task",
]
