"""Smaller and faster under an accuracy floor, every step judged by a measurement."""

from burnish.compress.run import CompressConfig, CompressResult, compress
from burnish.compress.train import TrainConfig, train

__all__ = ["CompressConfig", "CompressResult", "TrainConfig", "compress", "train"]
