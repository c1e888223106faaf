"""What this machine really does, measured.

This room knows no engine. Whoever has some hands them in: as *products*, functions that, given a size n, return
a call that multiplies two n x n matrices; and as *chains*, which, given a number n, return a call of n operators.
"""

from burnish.hardware.probe.compute import ComputePeak, Product, compute_peak, numpy_product
from burnish.hardware.probe.energy import Energy, Meter
from burnish.hardware.probe.host import Cache, Host, read_host
from burnish.hardware.probe.memory import MemoryPeak, Traffic, memory_peak, working_sets
from burnish.hardware.probe.nvml import NvmlMeter, nvml_limit_w, nvml_meter
from burnish.hardware.probe.overhead import Chain, Overhead, dispatch_overhead, fit_line
from burnish.hardware.probe.rapl import RaplMeter, rapl_limit_w, rapl_meter
from burnish.hardware.probe.sampling import Call, Measured, ProbeConfig, Spread, Timer, wall_clock
from burnish.hardware.probe.sustained import Sustained, sustain

__all__ = [
    "Cache",
    "Call",
    "Chain",
    "ComputePeak",
    "Energy",
    "Host",
    "Measured",
    "MemoryPeak",
    "Meter",
    "NvmlMeter",
    "Overhead",
    "ProbeConfig",
    "Product",
    "RaplMeter",
    "Spread",
    "Sustained",
    "Timer",
    "Traffic",
    "compute_peak",
    "dispatch_overhead",
    "fit_line",
    "memory_peak",
    "numpy_product",
    "nvml_limit_w",
    "nvml_meter",
    "rapl_limit_w",
    "rapl_meter",
    "read_host",
    "sustain",
    "wall_clock",
    "working_sets",
]
