"""A graph compiled by OpenVINO, fed over the caller's memory."""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

from burnish.errors import DeviceError, InputError
from burnish.graph.signature import Array, Signature, numpy_dtype
from burnish.plugins import require
from burnish.runtime.backend import Placed, check_result
from burnish.runtime.failures import failure
from burnish.runtime.lending import lend

# What OpenVINO says when sizes follow from values that do not go together.
_VALUES = (
    "shape_inference",
    "shape inference",
    "While validating node",
    "conflicts with the reshape pattern",
)
_NO_WORK = ("Input", "Output", "Const")


class OpenVinoSession:
    """A compiled graph with infer requests for each thread.

    On the processor inputs are read where they lie. Fresh outputs of fixed shape are written straight into
    numpy's memory; those whose shape depends on the inputs are copied out of the engine's, once. Into arrays
    that the caller lends, OpenVINO writes in place where the graph's shapes are fixed; where they are not, its
    CPU plug-in computes in memory of its own and copies.
    """

    def __init__(self, compiled: Any, ports: Mapping[str, int], signature: Signature) -> None:
        self._compiled = compiled
        self._ports = ports
        self._outputs = signature.output_names
        self._dtypes = [numpy_dtype(spec.dtype) for spec in signature.outputs]
        self._fixed = [
            tuple(shape.to_shape()) if shape.is_static else None
            for shape in (port.get_partial_shape() for port in compiled.outputs)
        ]
        self._passed = _passed_through(compiled)
        self._local = threading.local()

    def run(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """Run once; see `burnish.runtime.Session.run`."""
        if outputs is None:
            return self._run_fresh(inputs)
        local = self._local
        if not hasattr(local, "lent"):
            local.lent = self._compiled.create_infer_request()
        self._set(local.lent, inputs, outputs)
        self._infer_into(local.lent, outputs)
        return dict(outputs)

    def bind(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """Bind buffers; see `burnish.runtime.Session.bind`."""
        request = self._compiled.create_infer_request()
        kept = (dict(inputs), dict(outputs))
        self._set(request, *kept)

        def run() -> None:
            self._infer_into(request, kept[1])

        return run

    def placement(self) -> tuple[Placed, ...]:
        """Tell what the compiled graph consists of, in the order of running, and the devices that run it."""
        where = ", ".join(self._compiled.get_property("EXECUTION_DEVICES"))
        nodes = []
        for node in self._compiled.get_runtime_model().get_ordered_ops():
            kind = _kind(node)
            if kind not in _NO_WORK:
                nodes.append(Placed(kind, node.get_friendly_name(), where))
        return tuple(nodes)

    def close(self) -> None:
        """Let go of the compiled graph and its requests."""
        self._compiled = None
        self._local = threading.local()

    def _run_fresh(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        local = self._local
        if not hasattr(local, "fresh"):
            local.fresh = self._compiled.create_infer_request()
        own = [
            None if shape is None or index in self._passed else np.empty(shape, dtype)
            for index, (shape, dtype) in enumerate(zip(self._fixed, self._dtypes, strict=True))
        ]
        given = {name: array for name, array in zip(self._outputs, own, strict=True) if array is not None}
        self._set(local.fresh, inputs, given)
        results = self._infer(local.fresh)
        return {
            name: result.view(dtype).copy() if array is None else array
            for name, array, result, dtype in zip(self._outputs, own, results, self._dtypes, strict=True)
        }

    def _set(self, request: Any, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        # the request keeps addresses, not arrays; it is never run again before it is set again
        for name, port in self._ports.items():
            request.set_input_tensor(port, tensor_over(inputs[name]))
        for index, name in enumerate(self._outputs):
            if name in outputs and index not in self._passed:
                request.set_output_tensor(index, tensor_over(outputs[name]))

    def _infer_into(self, request: Any, outputs: Mapping[str, Array]) -> None:
        for index, (name, result) in enumerate(zip(self._outputs, self._infer(request), strict=True)):
            check_result(name, result.shape, outputs[name])  # what is too large is shrunk, and nothing said
            if index in self._passed:
                np.copyto(outputs[name], result.view(outputs[name].dtype))

    def _infer(self, request: Any) -> Sequence[Array]:
        try:
            results: Sequence[Array] = request.infer(share_outputs=True).to_tuple()
        except Exception as error:  # the binding raises plain RuntimeErrors
            raise run_error(error) from error
        return results


def _passed_through(compiled: Any) -> frozenset[int]:
    """Return which outputs are inputs once the engine has folded the graph.

    Their memory is that of the input: an array set for such an output is never written.
    """
    results = compiled.get_runtime_model().get_results()
    return frozenset(
        index
        for index, result in enumerate(results)
        if result.input_value(0).get_node().get_type_name() == "Parameter"
    )


def tensor_over(array: Array) -> Any:
    """Return OpenVINO's tensor over an array's memory, which must outlive it."""
    ov = openvino()
    if not array.flags.writeable:
        array = lend(array, alignment=1)
    if array.dtype == ml_dtypes.bfloat16:
        return ov.Tensor(array.view(np.uint16), ov.Shape(list(array.shape)), ov.Type.bf16)
    return ov.Tensor(array, shared_memory=True)


@cache
def openvino() -> Any:
    """Import OpenVINO."""
    return require("openvino", extra="openvino", need="the back end 'openvino'")


def run_error(error: Exception) -> DeviceError | InputError:
    """Return burnish's error for one of OpenVINO's while running."""
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip(" \t[m\x1b")]
    last = lines[-1] if lines else type(error).__name__
    return failure("openvino", last, refused_values=any(words in text for words in _VALUES))


def _kind(node: Any) -> str:
    """Return what a node has become, such as ``Convolution``."""
    info = node.get_rt_info()
    kind = info["layerType"] if "layerType" in info else node.get_type_name()
    return str(getattr(kind, "value", kind))
