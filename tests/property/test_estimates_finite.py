"""Whatever the sizes, an estimate is a positive number within its interval, and more work does not take less time."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.evaluate.micro import design
from burnish.hardware.as_run import as_run
from burnish.hardware.calibrated import CalibratedModel, Calibration, Sample
from burnish.hardware.device import Device
from burnish.hardware.estimate import estimate
from burnish.testing import networks

DEVICE = Device(
    name="made-up", title="Made up", kind="cpu", peaks={"float32": 1e11}, bandwidth=1e10, overhead_s=1e-6
)


@cache
def model():
    """Learn from the small graphs of the quick design, timed by a formula with noise."""
    rng, samples = np.random.default_rng(0), []
    for micro in design(share=0.05):
        parts = tuple((work, 2) for work in as_run(micro.build(1)[0], "onnxruntime").works)
        seconds = sum(2 * (work.flops / 7e10 + work.bytes / 8e9 + 2e-6) for work, _ in parts)
        samples.append(Sample(micro.key, parts, seconds * math.exp(rng.normal(0, 0.1)), 0.05))
    return CalibratedModel(DEVICE, Calibration("onnxruntime", 0, tuple(samples), complete=True))


@cache
def listed(name, batch):
    return as_run(networks.graph(name), "onnxruntime", name=name, batch=batch)


@pytest.mark.parametrize("name", ["resnet18", "minilm"])
@given(batch=st.integers(1, 64))
@settings(max_examples=5, deadline=None)
def test_networks(name, batch):
    told = estimate(listed(name, batch), model())
    assert 0 < told.low <= told.seconds <= told.high < math.inf
    for time in told.times:
        assert 0 <= time.low <= time.seconds <= time.high < math.inf
    twice = estimate(listed(name, 2 * batch), model())
    assert twice.seconds > 0.9 * told.seconds
    assert sum(told.by_bound().values()) == pytest.approx(1)


@given(st.lists(st.integers(0, 10**12), min_size=9, max_size=9), st.sampled_from(design(share=0.05)))
@settings(max_examples=50, deadline=None)
def test_operators_of_any_size(sizes, micro):
    (work, *_) = (one for one in as_run(micro.build(1)[0], "onnxruntime").works if one.role != "free")
    names = ("m", "n", "k", "count", "kernel", "stride", "width", "flops", "bytes")
    told = model().time(replace(work, **dict(zip(names, sizes, strict=True))))
    assert 0 < told.low <= told.seconds <= told.high < math.inf
