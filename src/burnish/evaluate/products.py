"""Matrix products by dtype on the engines that really multiply in it, and why the others do not."""

from collections.abc import Callable
from functools import partial

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from burnish.errors import BurnishError
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.hardware.device import Dtype
from burnish.hardware.probe import Call, Product, numpy_product
from burnish.runtime.backend import SessionOptions
from burnish.runtime.checked import CheckedSession
from burnish.runtime.session import open_session

ENGINES = ("onnxruntime", "openvino", "torch")
"""Those that need not compile for long."""

MEASURED_DTYPES: tuple[Dtype, ...] = ("float64", "float32", "float16", "bfloat16", "int8")
"""Dtypes of which a processor's products are measured."""

_FLOATS: dict[str, tuple[npt.DTypeLike, float]] = {
    "float64": (np.float64, 1e-12),
    "float32": (np.float32, 1e-5),
    "float16": (np.float16, 2e-2),
    "bfloat16": (ml_dtypes.bfloat16, 1e-1),
}
"""What holds a dtype, and how far off the largest value a product of `_CHECKED_SIZE` may be in it.

An order above the rounding of each dtype and its sums; an engine that multiplies in the next smaller one fails.
"""
_CHECKED_SIZE = 64


def engine_products(
    dtype: Dtype, threads: int = 0, *, device: str = "cpu"
) -> tuple[dict[str, Product], dict[str, str]]:
    """Return the products of the engines that multiply in a dtype, and why the others do not.

    Each engine's product is compared with an exact one first: an engine that takes float64 and multiplies in
    float32 would else pass for fast.

    Args:
        dtype: One of `MEASURED_DTYPES`. Products of int8 are of unsigned activations and signed 7-bit weights,
            which every processor can sum without saturating.
        threads: Of the engines; 0 leaves them to each.
        device: Where the engines run.

    Returns:
        Products by engine, numpy's alone where no engine multiplies floats; and reasons by engine.
    """
    found: dict[str, Product] = {}
    refused: dict[str, str] = {}
    options = SessionOptions(threads=threads)
    for engine in ENGINES:
        try:
            error = _error(engine, dtype, options, device)
        except BurnishError as refusal:
            refused[engine] = refusal.message
            continue
        if error > _allowed(dtype):
            refused[engine] = f"multiplies in less than {dtype}: off by {error:.1g} of the largest value"
        else:
            found[engine] = partial(engine_product, engine, dtype, options, device)
    if not found and dtype in ("float32", "float64"):
        found["numpy"] = partial(numpy_product, dtype=_FLOATS[dtype][0])
    return found, refused


def engine_product(engine: str, dtype: Dtype, options: SessionOptions, device: str, size: int) -> Call:
    """Return a call that multiplies two n x n matrices of a dtype on an engine."""
    session = _session(engine, dtype, options, device, size)
    run: Callable[[CheckedSession, dict[str, Array]], object] = CheckedSession.run
    return partial(run, session, {"x": _activations(size, dtype)})


def product_graph(size: int, dtype: Dtype = "float32") -> ComputeGraph:
    """Return ``y = x @ w`` for n x n matrices; ``w`` is a weight, which engines may pack beforehand.

    Products of int8 give int32.
    """
    weights = ir.tensor(_weights(size, dtype), name="w")
    shape = ir.Shape([size, size])
    x_type = ir.DataType.UINT8 if dtype == "int8" else weights.dtype
    y_type = ir.DataType.INT32 if dtype == "int8" else weights.dtype
    x = ir.Value(name="x", type=ir.TensorType(x_type), shape=shape)
    w = ir.Value(name="w", type=ir.TensorType(weights.dtype), shape=shape, const_value=weights)
    y = ir.Value(name="y", type=ir.TensorType(y_type), shape=shape)
    node = ir.Node("", "MatMulInteger" if dtype == "int8" else "MatMul", [x, w], outputs=[y])
    body = ir.Graph([x], [y], nodes=[node], initializers=[w], opset_imports={"": 17}, name="product")
    return ComputeGraph(ir.Model(body, ir_version=8))


def _session(engine: str, dtype: Dtype, options: SessionOptions, device: str, size: int) -> CheckedSession:
    return open_session(product_graph(size, dtype), device=device, backend=engine, options=options)


def _error(engine: str, dtype: Dtype, options: SessionOptions, device: str) -> float:
    """Return the largest error of an engine's small product, as a share of its largest value."""
    exact = np.float64 if dtype != "int8" else np.int64
    x, w = (make(_CHECKED_SIZE, dtype) for make in (_activations, _weights))
    with _session(engine, dtype, options, device, _CHECKED_SIZE) as session:
        y = session.run({"x": x})["y"].astype(exact)
    expected = x.astype(exact) @ w.astype(exact)
    return float(np.abs(y - expected).max() / np.abs(expected).max())


def _allowed(dtype: Dtype) -> float:
    return 0.0 if dtype == "int8" else _FLOATS[dtype][1]


def _activations(size: int, dtype: Dtype) -> Array:
    generator = np.random.default_rng(1)
    if dtype == "int8":
        return generator.integers(0, 256, (size, size)).astype(np.uint8)
    return generator.standard_normal((size, size)).astype(_FLOATS[dtype][0])


def _weights(size: int, dtype: Dtype) -> Array:
    generator = np.random.default_rng(2)
    if dtype == "int8":
        return generator.integers(-64, 64, (size, size)).astype(np.int8)
    return generator.standard_normal((size, size)).astype(_FLOATS[dtype][0])
