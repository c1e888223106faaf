"""What is in the files, and what a network shares, without any training."""

import dataclasses
import warnings

import numpy as np
import pytest
import torch

from burnish.compress import TrainConfig
from burnish.compress.qat import QatConfig
from burnish.compress.qat.export import difference, export
from burnish.compress.qat.insert import CLOCK, quantizers
from burnish.compress.qat.prepare import prepare
from burnish.compress.quantize.kernels import integer_kernels
from burnish.runtime import SessionOptions

CONFIG = QatConfig(train=TrainConfig(epochs=1), calibration="minmax", reduce_range=True, activation="int8")


@pytest.fixture(scope="module")
def prepared(task, _trained):
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)  # PyTorch's own would reach the terminal
        return prepare(_trained, task, CONFIG).network


@pytest.fixture(scope="module")
def file(prepared, task):
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        return export(prepared, task, CONFIG)


def test_symmetric_integers_are_those_that_tensorrt_reads(file, prepared, task):
    coded = [node for node in file.model.graph if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    zeros = [node.inputs[2].const_value.numpy() for node in coded]
    assert zeros
    assert all(zero.dtype == np.int8 and not zero.any() for zero in zeros)
    multiplying = [node for node in file.model.graph if node.op_type in ("Conv", "Gemm")]
    assert len(multiplying) == 4
    assert all(node.inputs[2].const_value.dtype.name == "FLOAT" for node in multiplying)
    assert difference(file, prepared, task) < 0.02
    allowed = SessionOptions(extra={"session.qdqisint8allowed": "1"})
    assert integer_kernels(file, "openvino").share == 1
    assert sum(integer_kernels(file, "onnxruntime", allowed).integer.values()) >= 1


def test_a_file_holds_no_notes_of_the_exporter(file):
    assert not file.model.graph.metadata_props
    assert not any(node.metadata_props for node in file.model.graph)


def test_a_network_counts_its_steps_once(prepared, task):
    network = prepared.train()
    try:
        for step in range(3):
            assert int(network.get_submodule(CLOCK).seen) == step
            network(torch.from_numpy(task.split("train").inputs["image"][:8]))
    finally:
        network.eval()
    network(torch.from_numpy(task.split("train").inputs["image"][:8]))
    assert {int(module.clock.seen) for _, module in quantizers(network)} == {3}


def test_unsigned_integers_have_their_zero_where_the_range_has_it(task, trained):
    config = dataclasses.replace(CONFIG, activation="uint8")
    network = prepare(trained, task, config).network
    zeros = {int(module.zero_point) for _, module in quantizers(network) if hasattr(module, "zero_point")}
    assert max(zeros) > 0
