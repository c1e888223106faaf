"""Copies are counted: by address where an engine tells its tensors', and by the memory that a copy would need."""

import sys

import numpy as np
import pytest

from burnish.runtime import open_session
from burnish.runtime.ov_support.running import tensor_over
from burnish.testing import graphs
from burnish.testing.copies import address_of, peak_growth_bytes, same_memory

MIB = 2**20
SHAPE = (4096, 4096)
BYTES = 64 * MIB
SLACK = 12 * MIB


def doubling(dims):
    return graphs.from_text(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[{dims}] x) => (float[{dims}] y) {{ y = Add(x, x) }}
    """)


FIXED, FREE = doubling("4096, 4096"), doubling("n, m")
IN_PLACE = [("onnxruntime", FIXED), ("onnxruntime", FREE), ("openvino", FIXED)]
IDS = ["onnxruntime-fixed", "onnxruntime-free", "openvino-fixed"]


def test_openvino_reads_and_writes_where_the_caller_says():
    x, y = np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)
    locked = x.copy()
    locked.flags.writeable = False
    for given in (x, locked):
        with open_session(doubling("2, 3"), backend="openvino") as session:
            session.run({"x": given}, {"y": y})
            request = session._session._local.lent
            assert same_memory(request.get_input_tensor(0), given)
            assert same_memory(request.get_output_tensor(0), y)
            fresh = session.run({"x": given})["y"]
            request = session._session._local.fresh
            assert same_memory(request.get_input_tensor(0), given)
            assert same_memory(request.get_output_tensor(0), fresh)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "bool", "int64"])
def test_openvino_wraps_every_dtype_without_a_copy(dtype):
    from burnish.graph.signature import numpy_dtype

    array = np.ones((3, 5), numpy_dtype(dtype))
    assert same_memory(tensor_over(array), array)


def test_onnxruntime_writes_where_the_caller_says(monkeypatch):
    x, y = np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)
    with open_session(graphs.double()) as session:
        inner = session._session
        made = []
        bind = inner._fed
        monkeypatch.setattr(inner, "_fed", lambda inputs: made.append(bind(inputs)) or made[-1])
        session.run({"x": x}, {"y": y})
        assert made[0].get_outputs()[0].data_ptr() == address_of(y)
        bound = session.bind({"x": x}, {"y": y})
        bound()
        assert made[1].get_outputs()[0].data_ptr() == address_of(y)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_onnxruntime_hands_its_buffers_over(dtype):
    """A fresh result is a view of the engine's buffer, which the view keeps alive."""
    from burnish.graph.signature import numpy_dtype

    x = np.ones((2, 3), numpy_dtype(dtype))
    with open_session(graphs.same(dtype)) as session:
        y = session.run({"x": x})["y"]
    assert not y.flags.owndata
    np.testing.assert_array_equal(x, y)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of resident memory is Linux's")
@pytest.mark.parametrize(("backend", "graph"), IN_PLACE, ids=IDS)
def test_nothing_is_allocated_between_lent_buffers(backend, graph):
    """64 MiB in and 64 MiB out: one copy of either would show."""
    x, y = np.ones(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    with open_session(graph, backend=backend) as session:
        session.run({"x": x}, {"y": y})
        assert peak_growth_bytes(lambda: session.run({"x": x}, {"y": y})) < SLACK
        bound = session.bind({"x": x}, {"y": y})
        bound()
        assert peak_growth_bytes(bound) < SLACK
        assert peak_growth_bytes(lambda: [x.copy()]) > BYTES - SLACK, "the measure itself sees a copy"


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of resident memory is Linux's")
@pytest.mark.parametrize(("backend", "graph"), IN_PLACE, ids=IDS)
def test_fresh_results_are_allocated_once(backend, graph):
    """A run takes memory for its result and no more: neither the input nor the result is copied."""
    x = np.ones(SHAPE, np.float32)
    with open_session(graph, backend=backend) as session:
        kept = [session.run({"x": x})["y"]]
        assert peak_growth_bytes(lambda: kept.append(session.run({"x": x})["y"])) < BYTES + SLACK
        assert not np.shares_memory(kept[0], kept[1])
