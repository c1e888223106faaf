"""The cost model that is learned from measured operators, on a machine that is made up."""

import dataclasses
import math

import msgspec
import numpy as np
import pytest

from burnish.errors import UnsupportedDeviceError
from burnish.hardware.calibrated import CalibratedModel, Calibration, Sample
from burnish.hardware.device import Device
from burnish.hardware.estimate import estimate
from burnish.hardware.work import Work, Workload

DEVICE = Device(
    name="made-up", title="Made up", kind="cpu", peaks={"float32": 1e11}, bandwidth=1e10, overhead_s=1e-6
)


def product(m, n, k):
    return Work(
        name="product", op="MatMul", role="matmul", index=0, flops=2 * m * n * k, bytes=4 * (m * n + m * k + n * k),
        weight_bytes=4 * n * k, elements=m * n, dtype="float32", m=m, n=n, k=k,
    )  # fmt: skip


def truth(work):
    """Return seconds on the made-up machine: narrow products are slow, and none reaches the peak."""
    efficiency = 0.8 * work.n / (work.n + 48)
    return max(work.flops / (1e11 * efficiency), work.bytes / 1e10) + 1e-6


def products(count, seed):
    random = np.random.default_rng(seed)
    return [
        product(*(int(size) for size in np.exp(random.uniform(math.log(16), math.log(1024), 3))))
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def model():
    samples = tuple(Sample(f"{i}", ((work, 3),), 3 * truth(work)) for i, work in enumerate(products(120, 0)))
    return CalibratedModel(DEVICE, Calibration("some-engine", 0, samples, complete=True))


def test_it_prices_operators_that_were_not_measured(model):
    off = [abs(model.time(work).seconds / truth(work) - 1) for work in products(100, 1)]
    assert np.median(off) < 0.05
    assert np.quantile(off, 0.9) < 0.2


def test_intervals_hold_most_operators(model):
    times = [(model.time(work), truth(work)) for work in products(100, 2)]
    assert all(time.low <= time.seconds <= time.high for time, _ in times)
    assert np.mean([time.low <= true <= time.high for time, true in times]) > 0.75


def test_free_operators_cost_nothing_and_the_sum_is_that_of_the_rest(model):
    work = product(64, 64, 64)
    free = dataclasses.replace(work, op="Reshape", role="free", flops=0)
    told = estimate(Workload("both", 1, (work, free), {}, 0, 0), model)
    assert told.seconds == pytest.approx(model.time(work).seconds)
    assert told.low < told.seconds < told.high


def test_time_shared_by_several_operators_is_shared_out():
    small, large = product(64, 64, 64), product(512, 512, 512)
    pairs = tuple(
        Sample(f"pair {i}", ((a, 1), (b, 1)), truth(a) + truth(b))
        for i, (a, b) in enumerate(zip(products(60, 3), products(60, 4), strict=True))
    )
    learned = CalibratedModel(DEVICE, Calibration("some-engine", 0, pairs, complete=True))
    for work in (small, large):
        assert 0.7 < learned.time(work).seconds / truth(work) < 1.4


def test_a_dtype_without_measurements_is_refused(model):
    other = dataclasses.replace(product(64, 64, 64), dtype="int8")
    with pytest.raises(UnsupportedDeviceError, match="int8"):
        model.time(other)


def test_too_few_measurements_are_refused():
    with pytest.raises(UnsupportedDeviceError, match="too few"):
        CalibratedModel(DEVICE, Calibration("some-engine", 0))


def test_a_calibration_survives_being_written(model):
    before = Calibration("some-engine", 2, (Sample("a", ((product(8, 8, 8), 2),), 1e-4, 0.1),), complete=True)
    assert msgspec.json.decode(msgspec.json.encode(before), type=Calibration) == before
