"""The torch back end against the node cases of the ONNX standard itself.

A case counts only when the back end opens the graph: what it lacks it must refuse, and what it takes it must
get right.
"""

import warnings
from collections import Counter

import numpy as np
import pytest

from burnish.errors import DeviceError, ShapeError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.runtime import SessionOptions, open_session

# Opened, but not judged: the expected values come from arithmetic in another precision.
_LOOSE = ("_fp16", "_bf16", "_float16", "_bfloat16")


@pytest.fixture(scope="module")
def cases():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the generators of the cases
        from onnx.backend.test.case.node import collect_testcases

        return collect_testcases(None)


def same(got, expected, case):
    expected = np.asarray(expected)
    if got.dtype != expected.dtype or got.shape != expected.shape:
        return False
    rtol, atol = (
        (2e-2, 2e-2) if any(mark in case.name for mark in _LOOSE) else (case.rtol, max(case.atol, 1e-5))
    )
    return np.allclose(
        got.astype(np.float64), expected.astype(np.float64), rtol=rtol, atol=atol, equal_nan=True
    )


def verdict(case):
    try:
        graph = ComputeGraph(case.model.SerializeToString())
        session = open_session(graph, backend="torch", options=SessionOptions(threads=1))
    except (ShapeError, UnsupportedOpError):
        return "refused"
    with session:
        for given, expected in case.data_sets:
            arrays = [np.asarray(array) for array in given]
            if any(array.dtype.kind == "O" for array in arrays):
                return "refused"  # the suite keeps some casts as text
            outputs = session.run(dict(zip(graph.signature.input_names, arrays, strict=True)))
            if not all(
                same(outputs[name], value, case) for name, value in zip(outputs, expected, strict=True)
            ):
                return "wrong"
    return "right"


def test_what_is_taken_is_right(cases):
    found = Counter()
    wrong = []
    for case in cases:
        try:
            result = verdict(case)
        except DeviceError as error:
            result = f"failed: {error}"
        found[result] += 1
        if result not in ("right", "refused"):
            wrong.append(f"{case.name}: {result}")
    assert not wrong, "\n".join(wrong)
    assert found["right"] >= 1000
