"""The time of an operator on a device that is not here, from its data sheet.

Each operator takes ``max(operations / (peak * share), bytes / (bandwidth * share))``; a product takes the least
time of an operator on top, however small it is, while what lies between products is taken to be fused into them.
The shares were fitted to published results of tuned engines (`burnish.hardware.published`): others are slower.
"""

import math
from typing import Final

from burnish.errors import UnsupportedDeviceError
from burnish.hardware.device import Device, Dtype
from burnish.hardware.efficiency import Efficiency, fitted
from burnish.hardware.estimate import Bound, WorkTime
from burnish.hardware.loops import Role
from burnish.hardware.work import Work

_PRODUCTS: Final[frozenset[Role]] = frozenset(("conv", "depthwise", "matmul", "recurrent"))

_MEASURED: Final = "measured peaks, shares fitted to data sheets"
"""A measured peak is what products reach already: the shares are taken off once more, and times are rather long."""


class DataSheetModel:
    """A cost model of any device of the catalogue, or of one that was measured on another machine.

    Args:
        device: Of which the peaks that the operators need, and the bandwidth, are known.
        efficiency: Shares that count; None for those fitted to published results.

    Raises:
        UnsupportedDeviceError: The bandwidth is not known.
    """

    def __init__(self, device: Device, efficiency: Efficiency | None = None) -> None:
        if not device.bandwidth:
            raise UnsupportedDeviceError(
                f"{device.name} has no memory bandwidth", hint="add the figure `bandwidth` to the device"
            )
        self.device = device
        self.basis = _MEASURED if device.origin == "measured" else "data sheet"
        """What its times rest on, in a few words."""
        self._efficiency = efficiency or fitted()
        self._factors = self._efficiency.of_kind(device.kind)
        self._bandwidth = device.bandwidth * self._factors.speed

    def time(self, work: Work) -> WorkTime:
        """Return the time of one operator, with its 90% interval.

        Raises:
            UnsupportedDeviceError: The device does not have the operator's dtype; the text names it.
        """
        if work.role == "free":
            return WorkTime(work, 0.0, 0.0, 0.0, "overhead")
        product = work.role in _PRODUCTS
        compute = work.flops / self._rate(work) if product else 0.0
        memory = work.bytes / (self._bandwidth * self._efficiency.traffic(product=product))
        overhead = max(self._factors.floor_s, self.device.overhead_s or 0.0) if product else 0.0
        parts: dict[Bound, float] = {"compute": compute, "memory": memory, "overhead": overhead}
        seconds = max(compute, memory) + overhead
        low, high = self._interval(max(compute, memory), overhead, work.dtype if product else None)
        bound = max(parts, key=lambda part: parts[part])
        return WorkTime(work, seconds, low, high, bound, cause="the device's data sheet")

    def _rate(self, work: Work) -> float:
        return self.device.peak(work.dtype) * self._efficiency.share(work.role) * self._factors.speed

    def _interval(self, busy: float, overhead: float, dtype: Dtype | None) -> tuple[float, float]:
        spread = self._efficiency.spread(self.device, dtype)
        below = math.hypot(busy * (1 - 1 / spread.throughput), overhead * (1 - 1 / spread.latency))
        above = math.hypot(busy * (spread.throughput - 1), overhead * (spread.latency - 1))
        return busy + overhead - below, busy + overhead + above
