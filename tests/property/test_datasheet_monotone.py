"""A better data sheet never makes an estimate slower, and less work never takes longer."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from burnish.hardware.datasheet import DataSheetModel
from burnish.hardware.device import Device
from burnish.hardware.work import Work

KINDS = ("gpu", "edge", "cpu", "accelerator")
ROLES = ("conv", "depthwise", "matmul", "recurrent", "softmax", "elementwise", "move", "pool", "free")
factors = st.floats(1, 1e3)
sizes = st.integers(0, 10**15)

devices = st.builds(
    lambda kind, peak, bandwidth, overhead: Device(
        name="d", title="D", kind=kind, peaks={"int8": peak}, bandwidth=bandwidth, overhead_s=overhead
    ),
    st.sampled_from(KINDS),
    st.floats(1e9, 1e16),
    st.floats(1e8, 1e14),
    st.none() | st.floats(0, 1e-3),
)
works = st.builds(
    lambda role, flops, size: Work(
        name="w",
        op="Op",
        role=role,
        index=0,
        flops=flops,
        bytes=size,
        weight_bytes=0,
        elements=1,
        dtype="int8",
    ),
    st.sampled_from(ROLES),
    sizes,
    sizes,
)


def seconds(device, work):
    return DataSheetModel(device).time(work).seconds


@given(devices, works, factors, factors, st.floats(0, 1))
def test_a_faster_device_is_never_slower(device, work, peak, bandwidth, launch):
    faster = replace(
        device,
        peaks={"int8": device.peaks["int8"] * peak},
        bandwidth=device.bandwidth * bandwidth,
        overhead_s=None if device.overhead_s is None else device.overhead_s * launch,
    )
    assert seconds(faster, work) <= seconds(device, work)


@given(devices, works, sizes, sizes)
def test_more_work_never_takes_less(device, work, flops, size):
    more = replace(work, flops=work.flops + flops, bytes=work.bytes + size)
    assert seconds(device, more) >= seconds(device, work)


@given(devices, works)
def test_the_interval_holds_the_estimate(device, work):
    time = DataSheetModel(device).time(work)
    assert 0 <= time.low <= time.seconds <= time.high
