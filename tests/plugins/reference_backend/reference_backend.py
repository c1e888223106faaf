"""ONNX's reference evaluator as a back end: numpy, one operator after another, slow and to the letter."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from burnish.errors import ConfigError, DeviceError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.signature import DTYPES, Array
from burnish.runtime.backend import (
    BackendSpec,
    DeviceStatus,
    Placed,
    SessionOptions,
    bind_by_copy,
    copy_into,
)


class ReferenceBackend:
    """The evaluator that ships with the onnx package."""

    spec = BackendSpec(
        name="reference",
        package="onnx",
        extra="",
        devices=("cpu",),
        dtypes=tuple(dtype for dtype in DTYPES if dtype != "string"),
        empty_tensors=False,  # its convolution divides by the number of elements
    )

    def devices(self) -> list[DeviceStatus]:
        """Tell that it runs everywhere."""
        return [DeviceStatus("cpu", True)]

    def open(self, graph: ComputeGraph, *, device: str, options: SessionOptions) -> "ReferenceSession":
        """Load a graph; it has no options of its own, and neither threads nor optimizations."""
        if options.extra:
            raise ConfigError(f"the reference back end has no option {min(options.extra)!r}")
        try:
            evaluator = ReferenceEvaluator(onnx.load_from_string(graph.to_bytes()))
        except (RuntimeError, NotImplementedError) as error:
            raise UnsupportedOpError(f"the reference evaluator cannot run the graph: {error}") from error
        return ReferenceSession(evaluator, graph)


class ReferenceSession:
    """A graph in the evaluator, which keeps nothing between calls, so that threads may share it."""

    def __init__(self, evaluator: ReferenceEvaluator, graph: ComputeGraph) -> None:
        self._evaluator: ReferenceEvaluator | None = evaluator
        self._names = graph.signature.output_names
        self._placement = tuple(
            Placed(node.op_type, node.name or "", "CPU") for node in graph.model.graph.all_nodes()
        )

    def run(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """Run once."""
        evaluator = self._evaluator
        if evaluator is None:
            raise DeviceError("the reference session is closed")
        try:
            results = evaluator.run(None, dict(inputs))
        except Exception as error:  # operators raise whatever numpy raises
            raise DeviceError(f"reference failed while running: {error}") from error
        named = dict(zip(self._names, map(np.asarray, results), strict=True))
        if outputs is not None:
            return copy_into(outputs, named)
        return {name: array.copy() for name, array in named.items()}  # one may be an input itself

    def bind(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """Bind: nothing is gained from buffers known in advance."""
        return bind_by_copy(self, inputs, outputs)

    def placement(self) -> tuple[Placed, ...]:
        """Tell that everything runs in numpy."""
        return self._placement

    def close(self) -> None:
        """Let go of the graph."""
        self._evaluator = None


BACKEND = ReferenceBackend()
