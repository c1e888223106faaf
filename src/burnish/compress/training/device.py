"""Where training runs, and in what precision its products are taken."""

from typing import Literal

import torch

from burnish.errors import UnsupportedDeviceError

DeviceName = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]


def training_device(wanted: DeviceName) -> torch.device:
    """Return the device to train on; ``auto`` takes a GPU where there is one.

    Raises:
        UnsupportedDeviceError: A GPU is wanted and there is none that PyTorch can use.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UnsupportedDeviceError(
            "training on 'cuda': PyTorch finds no GPU here",
            hint="set device to 'auto' or 'cpu', or install a build of PyTorch for CUDA",
        )
    return torch.device(wanted)


class MixedPrecision:
    """Runs the forward pass in half precision where that is faster; weights stay in float32.

    Args:
        wanted: ``auto`` takes half precision on a GPU, bfloat16 if it has it, and float32 on a CPU.
        device: Where training runs.
    """

    def __init__(self, wanted: Precision, device: torch.device) -> None:
        on_gpu = device.type == "cuda"
        narrow = wanted == "bfloat16" or not on_gpu or torch.cuda.is_bf16_supported()
        self._device = device.type
        self._dtype = torch.bfloat16 if narrow else torch.float16
        self._enabled = wanted == "bfloat16" or (wanted == "auto" and on_gpu)
        # float16 has so few exponents that small gradients vanish: the scaler lifts them before and undoes it after
        self.scaler = torch.amp.GradScaler(device.type, enabled=self._enabled and not narrow)

    def forward(self) -> torch.autocast:
        """Return the context in which the forward pass runs."""
        return torch.autocast(self._device, dtype=self._dtype, enabled=self._enabled)
