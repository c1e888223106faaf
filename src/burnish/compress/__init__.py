"""Smaller and faster under an accuracy floor, every step judged by a measurement."""

from burnish.compress.run import CompressConfig, CompressResult, Option, compress
from burnish.compress.train import TrainConfig, train, train_task

__all__ = ["CompressConfig", "CompressResult", "Option", "TrainConfig", "compress", "train", "train_task"]
