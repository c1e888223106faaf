"""Smaller and faster under an accuracy floor, every step judged by a measurement."""

from burnish.compress.measure import Option
from burnish.compress.reporter import Progress
from burnish.compress.run import CompressConfig, CompressResult, compress
from burnish.compress.train import TrainConfig, train, train_task

__all__ = [
    "CompressConfig",
    "CompressResult",
    "Option",
    "Progress",
    "TrainConfig",
    "compress",
    "train",
    "train_task",
]
