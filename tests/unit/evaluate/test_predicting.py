"""A prediction is that of the operators which the device's engine would run, changed as asked."""

from dataclasses import replace

import pytest

from burnish.errors import ShapeError
from burnish.evaluate.predicting import PredictOptions, predict
from burnish.hardware.as_run import as_run
from burnish.hardware.calibrated import CalibratedModel, Calibration, Sample
from burnish.hardware.device import Device
from burnish.hardware.estimate import WorkTime
from burnish.hardware.whatif import changed
from burnish.hardware.work import Work
from burnish.testing import graphs

WORK = Work(
    name="one",
    op="One",
    role="conv",
    index=0,
    flops=1,
    bytes=1,
    weight_bytes=0,
    elements=1,
    dtype="float32",
    n=8,
    k=8,
)


class PerByte:
    """A microsecond a byte."""

    basis = "bytes alone"
    device = Device(name="toy", title="Toy", kind="cpu")

    def time(self, work):
        return WorkTime(work, work.bytes * 1e-6, 0.0, work.bytes * 2e-6, "memory")


def test_the_graph_is_fused_and_sized():
    one, eight = (predict(graphs.network(), PerByte(), batch=batch) for batch in (1, 8))
    assert "FusedConv" in {time.work.op for time in one.times}
    assert eight.workload.flops == 8 * one.workload.flops
    assert one.low <= one.seconds <= one.high < eight.high


def test_a_calibrated_machine_is_asked_about_the_operators_of_its_engine():
    samples = tuple(
        Sample(
            f"{role} {size}",
            ((replace(WORK, role=role, m=size, bytes=size * 8, flops=size * 100), 1),),
            size * 1e-7,
        )
        for role in ("conv", "matmul", "elementwise")
        for size in range(10, 100, 10)
    )
    device = replace(PerByte.device, peaks={"float32": 1e10}, bandwidth=1e10, origin="measured")
    model = CalibratedModel(device, Calibration("onnxruntime", 0, samples, complete=True))
    found = predict(graphs.network(), model, options=PredictOptions(name="net"))
    assert found.workload == as_run(graphs.network(), "onnxruntime", name="net")
    assert found.seconds > 0


def test_what_if_is_asked_of_the_listed_operators():
    graph, options = graphs.network(), PredictOptions(dtype="int8", prune=0.3, keep_ends=True, round_to=2)
    plain = predict(graph, PerByte())
    found = predict(graph, PerByte(), options=options)
    assert found.workload == changed(plain.workload, dtype="int8", prune=0.3, keep_ends=True, round_to=2)
    assert found.seconds < plain.seconds
    assert options.changes
    assert not PredictOptions(keep_ends=True).changes


def test_a_dimension_without_a_size_is_named():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (float[batch, tokens, 8] x) => (float[batch, tokens, 8] y) { y = Relu(x) }
    """)
    with pytest.raises(ShapeError, match=r"tokens.*size"):
        predict(graph, PerByte())
    found = predict(graph, PerByte(), options=PredictOptions(sizes={"tokens": 5}))
    assert found.workload.flops == 5 * 8
