"""What lends memory is taken as it lies; what does not is refused by name."""

import array
import gc

import ml_dtypes
import numpy as np
import pytest
import torch

from burnish.errors import InputError
from burnish.runtime import dlpack, open_session
from burnish.runtime.tensors import as_tensor, lies_fit
from burnish.testing import graphs
from burnish.testing.copies import address_of, same_memory

TORCH_DTYPES = {
    "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64,
    "int8": torch.int8, "int64": torch.int64, "uint8": torch.uint8, "bool": torch.bool,
}  # fmt: skip


@pytest.mark.parametrize("name", TORCH_DTYPES)
def test_torch_tensors_are_seen_where_they_lie(name):
    tensor = torch.tensor([[0, 1, 1], [1, 0, 1]]).to(TORCH_DTYPES[name])
    seen = as_tensor("x", tensor)
    assert same_memory(seen, tensor)
    assert seen.dtype == (ml_dtypes.bfloat16 if name == "bfloat16" else np.dtype(name))
    assert seen.astype(int).tolist() == [[0, 1, 1], [1, 0, 1]]
    seen[0, 0] = 1
    assert tensor[0, 0] == 1


def test_strides_are_kept():
    tensor = torch.arange(6).to(torch.bfloat16).reshape(2, 3).t()
    seen = as_tensor("x", tensor)
    assert seen.astype(int).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert not lies_fit(seen)
    assert not dlpack.read(tensor).contiguous
    assert dlpack.read(tensor.contiguous()).contiguous


def test_memory_lives_as_long_as_what_looks_at_it():
    tensor = torch.full((1000, 1000), 7.0).to(torch.bfloat16)
    seen = as_tensor("x", tensor)
    del tensor
    gc.collect()
    torch.zeros((1000, 1000)).to(torch.bfloat16)
    assert (seen == 7).all()


def test_empty_tensors():
    assert as_tensor("x", torch.empty((0, 3), dtype=torch.bfloat16)).shape == (0, 3)


def test_buffers_are_seen_where_they_lie():
    buffer = array.array("f", [1, 2, 3])
    seen = as_tensor("x", buffer)
    assert seen.dtype == np.float32
    assert address_of(seen) == buffer.buffer_info()[0]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1.0], "'x' is a list"),
        (None, "'x' is a NoneType"),
        (torch.ones(2, requires_grad=True), "gradient"),
        (torch.empty(2, dtype=torch.float8_e4m3fn), "'x'"),
    ],
)
def test_what_lends_no_memory_is_refused(value, words):
    with pytest.raises(InputError, match=words):
        as_tensor("x", value)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_torch_in_and_torch_out(backend, name):
    x = torch.tensor([[1.0, 2.5, -3.0]]).to(TORCH_DTYPES[name])
    y = torch.zeros_like(x)
    with open_session(graphs.same(name), backend=backend) as session:
        assert session.run({"x": x}, {"y": y})["y"] is y
        assert torch.equal(x, y)
        y.zero_()
        session.bind({"x": x}, {"y": y})()
        assert torch.equal(x, y)
        if name == "float32":
            fresh = session.run({"x": x})["y"]
            assert torch.equal(torch.from_dlpack(fresh), x)
            assert same_memory(torch.from_dlpack(fresh), fresh)
