"""Chains of tiny operators, which show what an engine takes to get from one operator to the next."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import numpy as np
import onnx_ir as ir

from burnish.errors import BackendError
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.hardware.probe import Call, Chain
from burnish.runtime.backend import SessionOptions
from burnish.runtime.checked import CheckedSession
from burnish.runtime.session import open_session

OPERATOR = "Sin"
"""Its own work is a few nanoseconds an element, and no engine here fuses two of them into one."""

_ELEMENTS = 8


def engine_chain(engine: str, threads: int = 0, *, device: str = "cpu") -> Chain:
    """Return a maker of calls that run n operators on an engine, one after the other.

    Calling it raises a `BackendError` where the engine does not run all of them: it fused some, or folded them.
    """
    return partial(_chain, engine, SessionOptions(threads=threads), device)


def chain_graph(length: int, operator: str = OPERATOR) -> ComputeGraph:
    """Return a graph of operators of one input, each of which takes what the one before gives."""
    shape, tensor = ir.Shape([1, _ELEMENTS]), ir.TensorType(ir.DataType.FLOAT)
    values = [ir.Value(name=f"v{index}", type=tensor, shape=shape) for index in range(length + 1)]
    nodes = [
        ir.Node("", operator, [values[index]], outputs=[values[index + 1]], name=f"link{index}")
        for index in range(length)
    ]
    body = ir.Graph([values[0]], [values[-1]], nodes=nodes, opset_imports={"": 17}, name="chain")
    return ComputeGraph(ir.Model(body, ir_version=8))


def _chain(engine: str, options: SessionOptions, device: str, length: int) -> Call:
    session = open_session(chain_graph(length), device=device, backend=engine, options=options)
    check_all_run(session, length)
    run: Callable[[CheckedSession, dict[str, Array]], object] = CheckedSession.run
    return partial(run, session, {"v0": np.full((1, _ELEMENTS), 0.5, np.float32)})


def check_all_run(session: CheckedSession, length: int) -> None:
    """Raise a `BackendError` when the engine does not run every link of a chain by itself."""
    kinds = Counter(placed.operator for placed in session.placement())
    most = max(kinds.values(), default=0)  # engines have names of their own for an operator
    if most < length:
        raise BackendError(
            f"{session.backend} runs {most} operators for {length}: it fuses or folds the others"
        )
