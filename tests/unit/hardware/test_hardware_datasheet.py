"""The data-sheet cost model: its parts, its bounds, and what it refuses."""

from dataclasses import replace

import pytest

from burnish.errors import UnsupportedDeviceError
from burnish.hardware import catalog
from burnish.hardware.datasheet import DataSheetModel
from burnish.hardware.device import Device
from burnish.hardware.efficiency import Efficiency, KindFactors, Spread, fitted
from burnish.hardware.estimate import estimate
from burnish.hardware.work import Work, Workload

CARD = Device(
    name="card",
    title="Card",
    kind="gpu",
    vendor="Maker",
    architecture="First",
    peaks={"int8": 100e12, "float16": 50e12},
    bandwidth=1e12,
)
SHARES = Efficiency(
    conv=0.5,
    matmul=0.25,
    product_traffic=0.8,
    other_traffic=2.0,
    kinds={"gpu": KindFactors(speed=1.0, floor_s=1e-6)},
    pooled=KindFactors(speed=0.5, floor_s=4e-6),
    seen=("gpu Maker First",),
    known=Spread(throughput=1.5, latency=1.5),
    unknown=Spread(throughput=3.0, latency=3.0),
)


def work(role="conv", *, flops=10**12, size=10**6, dtype="int8"):
    return Work(
        name="w",
        op="Op",
        role=role,
        index=0,
        flops=flops,
        bytes=size,
        weight_bytes=0,
        elements=1,
        dtype=dtype,
    )


def timed(one, device=CARD):
    return DataSheetModel(device, SHARES).time(one)


def test_arithmetic_takes_its_share_of_the_peak_and_the_least_time_on_top():
    assert timed(work("conv")).seconds == pytest.approx(1 / 50 + 1e-6)
    assert timed(work("matmul")).seconds == pytest.approx(1 / 25 + 1e-6)
    assert timed(work("conv", dtype="float16")).seconds == pytest.approx(1 / 25 + 1e-6)
    assert timed(work("conv")).bound == "compute"


def test_traffic_takes_its_share_of_the_bandwidth():
    assert timed(work("conv", flops=1, size=8 * 10**8)).seconds == pytest.approx(1e-3 + 1e-6)
    assert timed(work("softmax", flops=1, size=2 * 10**9)).seconds == pytest.approx(1e-3)
    assert timed(work("conv", flops=1, size=8 * 10**8)).bound == "memory"


def test_a_small_product_takes_the_least_time_and_a_slower_launch_counts():
    assert timed(work(flops=1, size=1)).bound == "overhead"
    assert timed(work(flops=1, size=1), replace(CARD, overhead_s=5e-6)).seconds == pytest.approx(
        5e-6, rel=1e-3
    )
    assert timed(work(flops=1, size=1), replace(CARD, overhead_s=1e-9)).seconds == pytest.approx(
        1e-6, rel=1e-3
    )


def test_relabelling_data_takes_no_time():
    assert timed(work("free")).seconds == 0


def test_operators_between_products_need_no_peak():
    assert timed(work("elementwise", dtype="float32")).seconds > 0


def test_a_product_without_a_peak_for_its_dtype_is_refused():
    with pytest.raises(UnsupportedDeviceError, match=r"card has no peak for float32.*int8"):
        timed(work(dtype="float32"))


@pytest.mark.parametrize("bandwidth", [None, 0.0])
def test_a_device_without_bandwidth_is_refused(bandwidth):
    with pytest.raises(UnsupportedDeviceError, match=r"card has no memory bandwidth.*bandwidth"):
        DataSheetModel(replace(CARD, bandwidth=bandwidth))


def test_a_kind_that_was_never_seen_gets_the_pooled_factors():
    other = timed(work("conv"), replace(CARD, kind="accelerator"))
    assert other.seconds == pytest.approx(1 / 25 + 4e-6)


@pytest.mark.parametrize(
    ("device", "dtype"),
    [
        (replace(CARD, architecture="Second"), "int8"),
        (replace(CARD, vendor="Other"), "int8"),
        (replace(CARD, kind="edge"), "int8"),
        (CARD, "float16"),
    ],
)
def test_what_was_not_fitted_on_gets_the_wide_interval(device, dtype):
    narrow, wide = timed(work()), timed(work(dtype=dtype), device)
    assert wide.high / wide.seconds > narrow.high / narrow.seconds
    assert wide.low / wide.seconds < narrow.low / narrow.seconds


def test_all_operators_are_wrong_together():
    works = (work("conv"), work("matmul"), work("softmax", size=10**12))
    whole = estimate(Workload("m", 1, works, {}, 0, 0), DataSheetModel(CARD, SHARES))
    assert whole.high == pytest.approx(whole.seconds * 1.5, rel=1e-3)
    assert whole.low == pytest.approx(whole.seconds / 1.5, rel=1e-3)


def test_every_device_of_the_catalogue_can_be_estimated_or_is_refused_by_name():
    for device in catalog.devices().values():
        if not device.bandwidth:
            with pytest.raises(UnsupportedDeviceError, match=device.name):
                DataSheetModel(device)
            continue
        for dtype in device.peaks:
            time = DataSheetModel(device).time(work(dtype=dtype))
            assert 0 < time.low < time.seconds < time.high


def test_a_measured_device_says_that_the_shares_are_not_its_own():
    assert DataSheetModel(CARD).basis == "data sheet"
    assert DataSheetModel(replace(CARD, origin="measured")).basis.startswith("measured peaks, shares fitted")


def test_what_ships_is_plausible():
    shares = fitted()
    assert 0 < shares.conv < 1
    assert 0 < shares.matmul < 1
    assert 1 < shares.known.throughput < shares.unknown.throughput
    assert 1 < shares.known.latency < shares.unknown.latency
    assert all(factors.floor_s > 0 for factors in shares.kinds.values())
    assert set(shares.kinds) == {sort.split()[0] for sort in shares.seen}
