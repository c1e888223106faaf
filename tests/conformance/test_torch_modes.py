"""The modes of the torch back end: eager, and both ways of compiling."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch

from burnish.errors import CompileError, ConfigError
from burnish.graph.samples import random_inputs
from burnish.runtime import SessionOptions, open_session
from burnish.testing import graphs

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++"))), reason="there is no C++ compiler here"
)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is visible")

# Sizes that a reshape repeats, as exporters write them: the batch must stay free through all of it.
RESHAPED = """
    <ir_version: 8, opset_import: ["" : 17]>
    g (float[batch, 6] x) => (float[batch, 3] y, float[2] constant)
    <int64 zero = {0}, int64[1] front = {0}, int64[2] tail = {2, 3}, float[2] c = {1, 2}, int64[1] one = {1}> {
        shape = Shape(x)
        b = Gather(shape, zero)
        b1 = Unsqueeze(b, front)
        wanted = Concat <axis = 0> (b1, tail)
        r = Reshape(x, wanted)
        y = ReduceSum <keepdims = 0> (r, one)
        constant = Identity(c)
    }
"""


def opened(graph, mode):
    return open_session(graph, backend="torch", options=SessionOptions(extra={"mode": mode}))


def expected(x):
    return x.reshape(-1, 2, 3).sum(axis=1)


def test_unknown_modes_and_options_are_refused():
    for extra, match in (({"mode": "inductr"}, "inductor"), ({"made": "eager"}, "mode")):
        with pytest.raises(ConfigError, match=match):
            open_session(graphs.double(), backend="torch", options=SessionOptions(extra=extra))


def test_compiling_without_a_compiler_says_so(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CompileError, match="no C\\+\\+ compiler"):
        opened(graphs.double(), "inductor")


@needs_compiler
@pytest.mark.parametrize("mode", ["inductor", "aotinductor"])
def test_compiled_modes_leave_the_batch_free(mode, monkeypatch):
    """One program for every batch but that of one, which is another; an empty one needs none.

    Packages go with their session.
    """
    from burnish.runtime.torch_ops import compiled

    made = []
    add = compiled.CompiledGraph._add
    monkeypatch.setattr(
        compiled.CompiledGraph, "_add", lambda self, shapes: made.append(shapes) or add(self, shapes)
    )
    batches = [np.arange(size * 6, dtype=np.float32).reshape(size, 6) for size in (3, 1, 0, 5, 1, 2, 7)]
    with opened(graphs.from_text(RESHAPED), mode) as session, ThreadPoolExecutor(4) as pool:
        for x, outputs in zip(batches, pool.map(lambda x: session.run({"x": x}), batches), strict=True):
            np.testing.assert_allclose(outputs["y"], expected(x))
        session.run({"x": batches[0]})["constant"][...] = 9
        np.testing.assert_array_equal(session.run({"x": batches[0]})["constant"], [1, 2])
        folder = Path(session._session._compiled._folder.name)
        assert len(list(folder.glob("*.pt2"))) == (2 if mode == "aotinductor" else 0)
    assert not folder.exists()
    assert sorted(made) == [((1, 6),), ((2, 6),)]


def test_eager_reads_inputs_where_they_lie():
    """Writeable, read-only and bfloat16 arrays reach torch at the address that they were given at."""
    from burnish.runtime.torch_ops import memory

    for dtype in (np.float32, ml_dtypes.bfloat16):
        array = np.ones((2, 3), dtype)
        array.flags.writeable = False
        assert memory.from_array(array, "cpu").data_ptr() == array.ctypes.data


def test_eager_hands_out_its_own_memory():
    """What torch computed is not copied; what lies in an input or a weight is."""
    from burnish.runtime.torch_ops import memory

    result = torch.ones(2, 3)
    assert memory.to_array(result).ctypes.data == result.data_ptr()
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[2, 3] x) => (float[3, 2] flipped, float[6] flat, float[2] weight)
        <float[2] w = {1, 2}, int64[1] all = {-1}>
        { flipped = Transpose(x) flat = Reshape(x, all) weight = Identity(w) }
    """)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    with opened(graph, "eager") as session:
        first = session.run({"x": x})
        for array in first.values():
            assert not np.shares_memory(array, x)
            array[...] = 9
        again = session.run({"x": x})
    np.testing.assert_array_equal(again["weight"], [1, 2])
    np.testing.assert_array_equal(again["flat"], np.arange(6))


def test_sizes_never_pass_through_tensors(monkeypatch):
    """On an accelerator, reading a size from a tensor would wait for the device."""
    from burnish.runtime.torch_ops.interpreter import Interpreter

    interpreter = Interpreter(graphs.from_text(RESHAPED).model, "cpu")

    def refused(self):
        raise AssertionError("a size was read from a tensor")

    monkeypatch.setattr(torch.Tensor, "tolist", refused)
    monkeypatch.setattr(torch.Tensor, "item", refused)
    y, _ = interpreter(torch.arange(12, dtype=torch.float32).reshape(2, 6))
    np.testing.assert_array_equal(y.numpy(), expected(np.arange(12, dtype=np.float32)))


@pytest.mark.device
@needs_cuda
@pytest.mark.parametrize("mode", ["eager", "inductor", "aotinductor"])
def test_cuda_gives_what_the_processor_gives(mode):
    graph = graphs.network()
    inputs = random_inputs(graph.signature, batch=3)
    options = SessionOptions(extra={"mode": mode})
    with open_session(graph, backend="torch", device="cuda", options=options) as session:
        scores = session.run(inputs)["scores"]
    np.testing.assert_allclose(scores, graph.infer(inputs)["scores"], rtol=1e-3, atol=1e-4)
