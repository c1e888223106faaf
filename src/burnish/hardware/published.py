"""What others measured on devices that are not here: the best results of public MLPerf Inference rounds, cited."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import msgspec

from burnish.hardware.device import Device

_MODELS = {
    "resnet50": "ResNet-50 (224 x 224 pixels)",
    "bert-large": "BERT-Large (SQuAD 1.1, without padding)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPoint:
    """The best published throughput of one model on one device, in INT8, offline."""

    device: str
    """Name in the catalogue."""
    model: str
    """``resnet50`` or ``bert-large``."""
    samples_per_s: float
    """Of one device, where several ran in one machine."""
    median: float
    """Of all published results of this device and model."""
    worst: float
    count: int
    """How many there are."""
    operations: int
    """Of one sample; a multiply-add is two."""
    beside_peak: float
    """Operations a second of what ran beside the device, such as the DLA of a Jetson module."""
    beside: str
    """What that was."""
    round: str
    submitter: str
    system: str
    accelerators: int
    """How many devices ran."""
    path: str
    """Of the log in the round's repository."""

    @property
    def title(self) -> str:
        """The model in words."""
        return _MODELS[self.model]

    @property
    def url(self) -> str:
        """Where the log can be read."""
        return f"https://github.com/mlcommons/inference_results_{self.round}/blob/master/{self.path}"

    def operations_per_s(self) -> float:
        """Return the operations a second that the throughput amounts to."""
        return self.operations * self.samples_per_s

    def utilisation(self, device: Device) -> float:
        """Return the share of the dense INT8 peak that was reached, with what ran beside the device.

        Raises:
            UnsupportedDeviceError: The device has no INT8 peak.
        """
        return self.operations_per_s() / (device.peak("int8") + self.beside_peak)


def published_points(device: str, model: str | None = None) -> tuple[PublishedPoint, ...]:
    """Return what was published of a device; empty for most devices.

    Args:
        device: Name in the catalogue, such as ``nvidia-a100-sxm4-80gb``.
        model: ``resnet50`` or ``bert-large``; None for both.

    >>> [point] = published_points("nvidia-a100-sxm4-80gb", "resnet50")
    >>> point.round, point.submitter, round(point.samples_per_s)
    ('v2.1', 'Inspur', 43594)
    """
    points = _by_device().get(device, ())
    return tuple(point for point in points if model in (None, point.model))


@cache
def _by_device() -> Mapping[str, tuple[PublishedPoint, ...]]:
    text = (files(__package__) / "published.json").read_bytes()
    points = msgspec.json.decode(text, type=tuple[PublishedPoint, ...])
    return {
        name: tuple(point for point in points if point.device == name)
        for name in {point.device for point in points}
    }
