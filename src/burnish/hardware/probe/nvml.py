"""A graphics card's energy and power limit by NVML."""

import time
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


class NvmlMeter:
    """Energy of one graphics card: its own counter, or where it has none, power times time.

    Args:
        nvml: The module ``pynvml``, initialized.
        handle: Of the card.
        name: Of the card.
        clock: Seconds; for tests.
    """

    def __init__(
        self, nvml: ModuleType, handle: Any, name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._nvml, self._handle, self._clock = nvml, handle, clock
        self._joules, self._at, self._watts = 0.0, clock(), 0.0
        try:
            self._start_mj: int | None = nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        except nvml.NVMLError:  # before Volta
            self._start_mj = None
            self._watts = self._power()
        self.name = f"nvml {name}"

    def joules(self) -> float:
        """Return the energy since the meter was made."""
        if self._start_mj is not None:
            now: int = self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)
            return (now - self._start_mj) / 1e3
        at, watts = self._clock(), self._power()
        self._joules += (at - self._at) * (watts + self._watts) / 2
        self._at, self._watts = at, watts
        return self._joules

    def _power(self) -> float:
        return float(self._nvml.nvmlDeviceGetPowerUsage(self._handle)) / 1e3


def nvml_meter(uuid: str) -> tuple[NvmlMeter | None, str]:
    """Return a meter of a graphics card, or None and the reason why its energy cannot be read.

    Args:
        uuid: As the driver writes it, such as ``GPU-...``: NVML and CUDA may count cards differently.
    """
    nvml = _nvml()
    if nvml is None:
        return None, "the package nvidia-ml-py is not installed"
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid.encode())
        return NvmlMeter(nvml, handle, str(nvml.nvmlDeviceGetName(handle))), ""
    except nvml.NVMLError as error:
        return None, f"NVML: {error}"


def nvml_limit_w(uuid: str) -> float | None:
    """Return the power that the driver holds a graphics card to, in watts; None where it is not readable.

    Args:
        uuid: As for `nvml_meter`.
    """
    nvml = _nvml()
    if nvml is None:
        return None
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid.encode())
        return float(nvml.nvmlDeviceGetEnforcedPowerLimit(handle)) / 1e3
    except nvml.NVMLError:
        return None


def _nvml() -> ModuleType | None:
    try:
        return import_module("pynvml")
    except ModuleNotFoundError:
        return None
