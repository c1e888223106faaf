"""Does a device really compute in a dtype? A tiny graph tells, not a list."""

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

from burnish.errors import BurnishError
from burnish.graph.signature import numpy_dtype
from burnish.runtime.backend import Backend
from burnish.runtime.session import open_session
from burnish.testing import graphs

Probed = Literal["float32", "float16", "bfloat16", "float64", "int8", "int64"]
PROBED: tuple[Probed, ...] = ("float32", "float16", "bfloat16", "float64", "int8", "int64")
"""``int8`` stands for a quantized graph: 8-bit inputs and weights between QuantizeLinear and DequantizeLinear."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one probe."""

    works: bool
    first_run_ms: float | None
    """Opening and the first run together; None when it failed."""
    reason: str = ""
    """Why not."""


def probe(backend: Backend, device: str, dtype: Probed) -> Answer:
    """Run a small matrix product with one bias on a device, and compare with the exact answer.

    Args:
        backend: An engine that is installed.
        device: One that it calls available.
        dtype: What to compute in.
    """
    # multiples of one half that a sum of two leaves exact in every dtype, int8 scales included
    values = np.arange(6).reshape(2, 3)
    quantized = dtype == "int8"
    graph = graphs.quantized() if quantized else graphs.product(dtype)
    x = values.astype(np.float32 if quantized else numpy_dtype(dtype))
    begin = time.perf_counter()
    try:
        with open_session(graph, device=device, backend=backend.spec.name) as session:
            y = session.run({"x": x})["y"]
    except BurnishError as error:
        return Answer(False, None, error.message)
    if not np.array_equal(y.astype(np.float64), values + np.roll(values, 1, axis=1)):
        return Answer(False, None, "it gave a wrong answer")
    return Answer(True, (time.perf_counter() - begin) * 1000)
