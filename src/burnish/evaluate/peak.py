"""The peak that a model's speed is compared with: this machine's fastest matrix product on any engine here."""

from pathlib import Path

from burnish.evaluate.probing import kept_peak, machine_store
from burnish.evaluate.processor import processor
from burnish.hardware.device import Dtype
from burnish.hardware.probe import ComputePeak, ProbeConfig


def machine_peak(
    threads: int = 0,
    *,
    dtype: Dtype = "float32",
    refresh: bool = False,
    config: ProbeConfig | None = None,
    folder: Path | None = None,
) -> ComputePeak:
    """Return the measured peak of this machine's processor, from the cache where it is known.

    Args:
        threads: Threads of the engines; 0 leaves them to each.
        dtype: What is multiplied.
        refresh: Whether to measure again.
        config: How to measure; None for the defaults.
        folder: Of the cache; None for the user's.

    Raises:
        UnsupportedDeviceError: No engine here multiplies this dtype; the text says why.

    Cost: some seconds where it is measured.
    """
    store, config = machine_store(folder), config or ProbeConfig()
    return kept_peak(processor(threads), dtype, store, config, refresh=refresh).value
