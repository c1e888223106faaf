"""The peak that a model's speed is compared with: this machine's fastest matrix product on any engine here."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx_ir as ir

from burnish.errors import BurnishError
from burnish.graph import ComputeGraph
from burnish.hardware.probe import Call, ComputePeak, ProbeConfig, Product, compute_peak, numpy_product
from burnish.hardware.store import ProbeStore
from burnish.runtime.backend import SessionOptions
from burnish.runtime.checked import CheckedSession
from burnish.runtime.machine import fingerprint
from burnish.runtime.session import open_session

_ENGINES = ("onnxruntime", "openvino", "torch")


def machine_peak(
    threads: int = 0, *, refresh: bool = False, config: ProbeConfig | None = None, folder: Path | None = None
) -> ComputePeak:
    """Return the measured float32 peak of this machine's processor, from the cache where it is known.

    Args:
        threads: Threads of the engines; 0 leaves them to each.
        refresh: Whether to measure again.
        config: How to measure; None for the defaults.
        folder: Of the cache; None for the user's.

    Cost: some seconds where it is measured.
    """
    store = ProbeStore(repr(fingerprint()), folder)
    kind = f"compute-peak-{threads}"
    known = None if refresh else store.load(kind, ComputePeak)
    if known is None:
        known = compute_peak(_products(threads), config, threads=threads)
        store.save(kind, known)
    return known


def _products(threads: int) -> dict[str, Product]:
    """Return the products of the engines that work here; numpy's where none does."""
    found: dict[str, Product] = {}
    for engine in _ENGINES:
        make = partial(_engine_product, engine, SessionOptions(threads=threads))
        try:
            make(1)()
        except BurnishError:
            continue
        found[engine] = make
    return found or {"numpy": numpy_product}


def _engine_product(engine: str, options: SessionOptions, size: int) -> Call:
    session = open_session(product_graph(size), backend=engine, options=options)
    x = np.random.default_rng(1).standard_normal((size, size), np.float32)
    run: Callable[[CheckedSession, dict[str, np.ndarray[tuple[int, int], np.dtype[np.float32]]]], object]
    run = CheckedSession.run
    return partial(run, session, {"x": x})


def product_graph(size: int) -> ComputeGraph:
    """Return ``y = x @ w`` for n x n matrices; ``w`` is a weight, which engines may pack beforehand."""
    matrix = ir.TensorType(ir.DataType.FLOAT)
    shape = ir.Shape([size, size])
    weights = ir.tensor(np.random.default_rng(2).standard_normal((size, size), np.float32))
    x = ir.Value(name="x", type=matrix, shape=shape)
    w = ir.Value(name="w", type=matrix, shape=shape, const_value=weights)
    y = ir.Value(name="y", type=matrix, shape=shape)
    node = ir.Node("", "MatMul", [x, w], outputs=[y])
    body = ir.Graph([x], [y], nodes=[node], initializers=[w], opset_imports={"": 17}, name="product")
    return ComputeGraph(ir.Model(body, ir_version=8))
