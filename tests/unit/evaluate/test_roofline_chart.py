"""The roofline shows what the estimate holds, names every bound once, and hides no operator without saying so."""

from dataclasses import replace

import pytest

from burnish.errors import ConfigError
from burnish.evaluate.charts import to_svg
from burnish.evaluate.roofline_chart import roofline
from burnish.hardware.device import Device
from burnish.hardware.estimate import WorkTime, estimate
from burnish.hardware.work import Work, Workload

DEVICE = Device(
    name="toy",
    title="Toy",
    kind="cpu",
    peaks={"float32": 1e12, "int8": 4e12},
    bandwidth=1e11,
    overhead_s=1e-6,
)


class Ideal:
    """Each operator at the roof, after an overhead."""

    basis = "an ideal device"

    def __init__(self, device=DEVICE):
        self.device = device

    def time(self, work):
        if work.role == "free":
            return WorkTime(work, 0.0, 0.0, 0.0, "overhead")
        parts = {
            "compute": work.flops / self.device.peaks[work.dtype],
            "memory": work.bytes / DEVICE.bandwidth,
            "overhead": DEVICE.overhead_s,
        }
        seconds = max(parts["compute"], parts["memory"]) + parts["overhead"]
        return WorkTime(work, seconds, seconds / 2, seconds * 2, max(parts, key=parts.get))


def work(name, flops, size, *, role="matmul", dtype="float32"):
    return Work(
        name=name,
        op=name.title(),
        role=role,
        index=0,
        flops=flops,
        bytes=size,
        weight_bytes=0,
        elements=1,
        dtype=dtype,
    )


WORKS = (
    work("product", 10**9, 10**7),
    work("sum", 10**6, 10**7, role="elementwise"),
    work("tiny", 100, 100),
    work("copy", 0, 10**7, role="move"),
    work("view", 0, 0, role="free"),
)


def drawn(works=WORKS, *, device=DEVICE, uncosted=None):
    load = Workload("toy", 4, works, uncosted or {}, 0, 0)
    return roofline(estimate(load, Ideal(device)))


def rows(spec, key):
    values = [layer["data"]["values"] for layer in spec["layer"] if "values" in layer.get("data", {})]
    return next(some for some in values if some and key in some[0])


def caption(spec):
    return "\n".join(spec["title"]["subtitle"])


def test_each_operator_with_arithmetic_is_a_point_and_the_others_are_counted():
    spec = drawn()
    points = {point["name"]: point for point in rows(spec, "bound")}
    assert {name: point["bound"] for name, point in points.items()} == {
        "product": "compute",
        "sum": "memory",
        "tiny": "overhead",
    }
    assert points["product"]["intensity"] == 100
    assert points["product"]["flops_per_s"] == pytest.approx(1e9 / 1.001e-3)
    assert "have no point: 1, " in caption(spec)
    shares = sum(point["share"] for point in points.values())
    assert shares < 1
    assert f"{1 - shares:.1%}" in caption(spec)


def test_no_point_of_an_ideal_device_is_over_its_roof():
    spec = drawn()
    for point in rows(spec, "bound"):
        assert point["flops_per_s"] <= min(1e12, point["intensity"] * 1e11)
    assert "over the slope" not in caption(spec)
    slower = replace(DEVICE, bandwidth=1e10)
    assert "over the slope" in caption(drawn(device=slower))


def test_there_is_one_roof_for_each_dtype_in_use_with_its_ridge_named():
    spec = drawn((*WORKS, work("small", 10**9, 10**6, dtype="int8")))
    corners = rows(spec, "label")
    ridges = {corner["dtype"]: corner for corner in corners if corner["label"]}
    assert set(ridges) == {"float32", "int8"}
    for dtype, corner in ridges.items():
        assert corner["flops_per_s"] == DEVICE.peaks[dtype]
        assert corner["intensity"] == pytest.approx(DEVICE.peaks[dtype] / DEVICE.bandwidth)
        assert f"{corner['intensity']:.3g} FLOP/byte" in corner["label"]
    for corner in corners:
        assert corner["flops_per_s"] <= corner["intensity"] * DEVICE.bandwidth * 1.0001


def test_everything_lies_inside_the_axes():
    spec = drawn()
    encoding = spec["layer"][-1]["encoding"]
    for axis, field in (("x", "intensity"), ("y", "flops_per_s")):
        low, high = encoding[axis]["scale"]["domain"]
        for row in (*rows(spec, "bound"), *rows(spec, "label")):
            assert low < row[field] < high


def test_a_device_without_bandwidth_or_peaks_has_no_roof_of_that_kind():
    flat = drawn(device=replace(DEVICE, bandwidth=None))
    assert {corner["flops_per_s"] for corner in rows(flat, "label")} == {1e12}
    assert "bandwidth" not in caption(flat)


def test_operators_without_a_rule_are_named():
    assert "3 Mystery" in caption(drawn(uncosted={"Mystery": 3}))


def test_it_can_be_drawn():
    picture = to_svg(drawn())
    assert picture.startswith("<svg")
    for text in ("held up by", "float32: 1.0TFLOP/s", "compute", "memory", "overhead"):
        assert text in picture


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ConfigError, match="arithmetic"):
        drawn(WORKS[-2:])
