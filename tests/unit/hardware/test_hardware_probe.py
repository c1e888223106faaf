"""Rates are work over time, and the best engine and size give the peak."""

import time

import numpy as np
import pytest

from burnish.hardware.probe import Measured, ProbeConfig, compute_peak, memory_peak, numpy_product

QUICK = ProbeConfig(sizes=(8, 64), rounds=3, min_sample_s=0.0, stream_bytes=1 << 20, budget_s=60)


def sleeping(seconds_by_size):
    return lambda size: lambda: time.sleep(seconds_by_size[size])


def test_a_rate_is_two_operations_a_multiply_add():
    peak = compute_peak({"slow": sleeping({8: 0.002, 64: 0.002})}, QUICK)
    assert peak.size == 64
    assert 0 < peak.flops.value <= 2 * 64**3 / 0.002
    assert peak.flops.low <= peak.flops.median <= peak.flops.value
    assert peak.flops.n == 3


def test_the_fastest_engine_at_its_best_size_is_the_peak():
    slow, fast = sleeping({8: 0.02, 64: 0.02}), sleeping({8: 0.02, 64: 0.001})
    peak = compute_peak({"slow": slow, "fast": fast}, QUICK, threads=1)
    assert (peak.engine, peak.size, peak.threads) == ("fast", 64, 1)


def test_a_product_multiplies():
    product = numpy_product(16)
    first = np.array(product())
    assert first.shape == (16, 16)
    assert np.isfinite(first).all()
    assert np.abs(first).max() > 0


def test_memory_traffic_is_counted_as_arrays_that_pass():
    peak = memory_peak(QUICK, threads=2)
    assert peak.threads == 2
    for rate in (peak.copy, peak.add):
        assert isinstance(rate, Measured)
        assert 0 < rate.low <= rate.median <= rate.value


def test_a_probe_without_engines_or_rounds_is_refused():
    with pytest.raises(ValueError, match="at least one engine"):
        compute_peak({}, QUICK)
    for wrong in ({"rounds": 0}, {"sizes": ()}, {"sizes": (0,)}, {"stream_bytes": 8}):
        with pytest.raises(ValueError, match="a probe needs"):
            ProbeConfig(**wrong)
