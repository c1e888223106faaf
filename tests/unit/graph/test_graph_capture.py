"""From a module to a graph, quietly and faithfully."""

import logging
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from burnish.errors import InputError, ShapeError
from burnish.graph.capture import OPSET, capture
from burnish.graph.other_sizes import check_other_sizes
from burnish.testing import graphs


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 3)

    def forward(self, image):
        return self.head(self.drop(torch.relu(self.norm(self.conv(image))).mean((2, 3))))


class DependsOnData(nn.Module):
    def forward(self, x):
        return x * 2 if x.sum() > 0 else x


class TwoWays(nn.Module):
    def forward(self, a, b):
        return a + b, a * b


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).standard_normal((5, 1, 6, 6)).astype(np.float32)


def test_capture_is_faithful_quiet_and_leaves_the_module_alone(images, capfd):
    torch.manual_seed(0)
    module = Classifier()
    module.train()
    module.norm.eval()  # a frozen part must stay frozen
    level = logging.getLogger("torch.onnx").level
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph = capture(module, {"image": images[:2]}, output_names=["scores"])
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("torch.onnx").level == level
    assert module.training
    assert module.drop.training
    assert not module.norm.training
    assert str(graph.signature.inputs[0]) == "image: float32[batch, 1, 6, 6]"
    assert str(graph.signature.outputs[0]) == "scores: float32[batch, 3]"
    assert graph.signature.batch_symbol == "batch"
    module.eval()
    expected = module(torch.from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(graph.infer(images)["scores"], expected, rtol=1e-4, atol=1e-5)
    captured = graph.infer(images)["scores"]
    with torch.no_grad():
        module.head.weight.zero_()  # the graph has weights of its own
    np.testing.assert_array_equal(graph.infer(images)["scores"], captured)


def test_several_inputs_and_outputs_keep_their_names():
    a, b = np.ones((2, 3), np.float32), np.full((2, 3), 2, np.float32)
    graph = capture(TwoWays(), {"left": a, "right": b}, output_names=["sum", "product"])
    outputs = graph.infer({"right": b, "left": a})
    np.testing.assert_array_equal(outputs["sum"], a + b)
    np.testing.assert_array_equal(outputs["product"], a * b)


def test_fixed_shapes_on_request(images):
    graph = capture(Classifier(), {"image": images[:2]}, output_names=["scores"], batch=None)
    assert graph.signature.inputs[0].shape == (2, 1, 6, 6)


def test_a_branch_on_data_is_an_error_never_a_frozen_branch(capfd):
    with pytest.raises(InputError, match="DependsOnData cannot be captured") as caught:
        capture(DependsOnData(), {"x": np.ones((2, 3), np.float32)})
    assert "data-dependent" in caught.value.message
    assert "control flow" in caught.value.hint
    assert capfd.readouterr() == ("", "")


def test_what_only_torchscript_can_trace_is_captured_by_it():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(nn.Sequential(nn.Linear(3, 2), nn.ReLU()))
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    graph = capture(scripted, {"x": x[:2]}, output_names=["y"])
    assert graph.signature.batch_symbol == "batch"
    expected = scripted(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(graph.infer(x)["y"], expected, rtol=1e-5, atol=1e-6)


class Lookup(nn.Module):
    """Values inside it get the names of its operators, such as embedding."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(20, 4)
        self.positions = nn.Embedding(12, 4)

    def forward(self, tokens):
        return self.table(tokens) + self.positions.weight[: tokens.shape[1]]


class Double(nn.Module):
    def forward(self, x):
        return {"y": 2 * x}


class FixesLength(nn.Module):
    def forward(self, tokens):
        return tokens + torch.arange(5)


class Mirror(nn.Module):
    def forward(self, x):
        return x, x + 1


def test_further_axes_may_vary():
    module = Lookup()
    graph = capture(
        module,
        {"tokens": np.zeros((2, 5), np.int64)},
        output_names=["embedding"],
        dynamic={"tokens": {1: "length"}},
    )
    # an inner value called embedding must not send the capture to the older exporter
    assert graph.model.opset_imports[""] == OPSET
    assert str(graph.signature.inputs[0]) == "tokens: int64[batch, length]"
    assert str(graph.signature.outputs[0]) == "embedding: float32[batch, length, 4]"
    for length in (1, 9):
        tokens = np.arange(3 * length).reshape(3, length) % 20
        expected = module(torch.from_numpy(tokens)).detach().numpy()
        np.testing.assert_allclose(graph.infer(tokens)["embedding"], expected, rtol=1e-6)


def test_a_traced_graph_that_holds_for_one_size_only_is_found_out():
    module, inputs = nn.Softsign(), {"x": np.ones((2, 3), np.float32)}
    with pytest.raises(InputError, match=r"gives other answers than the module with x \[3, 3\]"):
        check_other_sizes(graphs.double(), module, inputs, {"x": {0: "batch"}})
    check_other_sizes(graphs.double(), Double(), inputs, {"x": {0: "batch"}})


def test_an_axis_that_the_module_fixes_is_an_error():
    with pytest.raises(InputError, match=r"does not run with tokens \[3, 6\]"):
        capture(FixesLength(), {"tokens": np.ones((2, 5), np.float32)}, dynamic={"tokens": {1: "length"}})


@pytest.mark.parametrize(
    ("dynamic", "words"), [({"token": {1: "n"}}, "no input"), ({"tokens": {2: "n"}}, "axis 2")]
)
def test_dynamic_names_what_there_is(dynamic, words):
    with pytest.raises(ShapeError, match=words):
        capture(Lookup(), {"tokens": np.zeros((2, 5), np.int64)}, dynamic=dynamic)


def test_an_output_that_is_an_input_has_its_own_name():
    graph = capture(Mirror(), {"x": np.ones((2, 3), np.float32)}, output_names=["same", "next"])
    assert graph.signature.input_names == ["x"]
    assert graph.signature.output_names == ["same", "next"]
    x = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(graph.infer(x)["same"], x)
