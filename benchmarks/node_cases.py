"""The node tests of the ONNX standard, each as one question to a back end: does it give the right answer?"""

import warnings
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import numpy_helper

from burnish.errors import BurnishError, ShapeError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.signature import DTYPES, numpy_dtype
from burnish.runtime import SessionOptions, open_session

# Their outputs are drawn at random: an engine need not draw the same.
_RANDOM = ("test_bernoulli", "test_training_dropout_default", "test_training_dropout")
_NOT_RANDOM = ("test_training_dropout_zero_ratio",)
_ROUNDINGS = 4  # units in the last place, of the largest value, that an output may be off


@dataclass(frozen=True)
class Verdict:
    """What became of one test on one engine."""

    outcome: str
    """``passed``, ``failed`` or ``unsupported``."""
    kind: str = ""
    """Of a failure: ``values``, ``dtype``, ``shape``, ``refused``, ``error``, ``crash`` or ``timeout``."""
    detail: str = ""


def collect() -> list[Any]:
    """Return every test case of the installed onnx package, in its own order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the generators of the cases
        from onnx.backend.test.case.node import collect_testcases

        cases: list[Any] = collect_testcases(None)
        return cases


def outside(case: Any) -> str:
    """Say why a case cannot be put to any engine through burnish; empty when it can."""
    if case.name.startswith(_RANDOM) and not case.name.startswith(_NOT_RANDOM):
        return "outputs are random"
    graph = case.model.graph
    for value in (*graph.input, *graph.output):
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type":
            return f"an input or output is no tensor but of kind {str(kind).removesuffix('_type')}"
        word = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
        if {"float": "float32", "double": "float64"}.get(word, word) not in DTYPES:
            return f"an input or output is {word}, which is no dtype of a graph's signature"
    try:
        ComputeGraph(case.model.SerializeToString()).signature  # noqa: B018 - reading it checks it
    except ShapeError:
        return "the signature cannot be read"
    return ""


def operator(case: Any) -> str:
    """Return the operator that a case is about, or nothing where its graph has several."""
    nodes = [node for node in case.model.graph.node if node.op_type != "Constant"]
    if len(nodes) > 1 or case.name.endswith("_expanded"):
        return ""
    node = nodes[0] if nodes else case.model.graph.node[0]
    domain = "" if node.domain in ("", "ai.onnx") else f"{node.domain}::"
    return f"{domain}{node.op_type}"


def judge(case: Any, backend: str) -> Verdict:
    """Put one case to one back end."""
    graph = ComputeGraph(case.model.SerializeToString())
    try:
        session = open_session(graph, backend=backend, options=SessionOptions(threads=1))
    except UnsupportedOpError as error:
        return Verdict("unsupported", detail=error.message)
    except BurnishError as error:
        return Verdict("failed", "refused", error.message)
    with session:
        for given, expected in case.data_sets:
            arrays = [_array(a, spec.dtype) for a, spec in zip(given, graph.signature.inputs, strict=True)]
            try:
                outputs = session.run(dict(zip(graph.signature.input_names, arrays, strict=True)))
            except UnsupportedOpError as error:
                return Verdict("unsupported", detail=error.message)
            except BurnishError as error:
                return Verdict("failed", "error", error.message)
            for spec, value in zip(graph.signature.outputs, expected, strict=True):
                verdict = _compare(np.asarray(outputs[spec.name]), _array(value, spec.dtype), case)
                if verdict.outcome != "passed":
                    return verdict
    return Verdict("passed")


def _array(value: Any, dtype: str) -> Any:
    """Return the suite's value as an array of the declared dtype: some are tensors of ONNX, or bfloat16 as bits."""
    array = numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)
    if dtype == "bfloat16" and array.dtype == np.uint16:
        return array.view(numpy_dtype(dtype))
    return array.astype(object) if dtype == "string" else array


def _compare(got: Any, expected: Any, case: Any) -> Verdict:
    if got.dtype != expected.dtype:
        return Verdict("failed", "dtype", f"gives {got.dtype}, the standard {expected.dtype}")
    if got.shape != expected.shape:
        return Verdict("failed", "shape", f"gives {list(got.shape)}, the standard {list(expected.shape)}")
    if expected.dtype.kind in "OSU":
        same = bool(np.array_equal(got, expected))
        return Verdict("passed") if same else Verdict("failed", "values", "other strings")
    x, y = expected.astype(np.float64), got.astype(np.float64)
    floating = expected.dtype.kind in "fV"
    scale = float(np.abs(x[np.isfinite(x)]).max(initial=0.0))
    slack = _ROUNDINGS * float(ml_dtypes.finfo(expected.dtype).eps) * scale if floating else 0.0
    if np.allclose(y, x, rtol=case.rtol, atol=case.atol + slack, equal_nan=True):
        return Verdict("passed")
    finite = np.isfinite(x) & np.isfinite(y)
    error = float(np.abs(x - y)[finite].max(initial=0.0))
    special = int((~finite & ~((x == y) | (np.isnan(x) & np.isnan(y)))).sum())
    unlike = f", {special} of {x.size} differ in NaN or infinity" if special else ""
    return Verdict("failed", "values", f"off by {error:.3g} where the largest value is {scale:.3g}{unlike}")
