"""A graph loaded by ONNX Runtime, fed over the caller's memory."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np

from burnish.errors import BackendError, DeviceError, InputError
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.backend import Placed, bind_by_copy, copy_into
from burnish.runtime.dlpack import ForeignTensor, array_at
from burnish.runtime.failures import failure
from burnish.runtime.ort_support.providers import runtime

_BFLOAT16 = 16  # onnx.TensorProto.BFLOAT16
# What ONNX Runtime says when the graph meets values that it cannot be computed for.
_VALUES = (
    "cannot be reshaped",
    "Attempting to broadcast",
    "out of bounds",
    "out of data bounds",
    "out of range",
)


class OnnxRuntimeSession:
    """A loaded graph.

    On the processor, inputs are read where they lie, and fresh outputs are the engine's own buffers, handed
    over. On a GPU, host memory is copied to the device and back; tensors in its memory are used in place.
    """

    def __init__(self, session: Any, graph: ComputeGraph) -> None:
        self._session = session
        signature = graph.signature
        self._outputs = signature.output_names
        self._provider = session.get_providers()[0]
        self._operators = [(node.op_type, node.name or "") for node in graph.model.graph.all_nodes()]
        dtypes = {spec.dtype for spec in (*signature.inputs, *signature.outputs)}
        self._strings = "string" in dtypes  # which have no buffer that could be shared
        # numpy's own types go through the engine's shortest path; bfloat16 must be named to it
        self._numpy_only = "bfloat16" not in dtypes
        self._on_host = self._provider == "CPUExecutionProvider"

    def run(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """Run once; see `burnish.runtime.Session.run`."""
        if outputs is not None:
            if self._strings:
                return copy_into(outputs, self.run(inputs))
            self.bind(inputs, outputs)()
            return dict(outputs)
        try:
            if self._numpy_only and (self._on_host or not _any_foreign(inputs)):
                return dict(zip(self._outputs, self._session.run(self._outputs, inputs), strict=True))
            return self._run_bound(inputs)
        except Exception as error:
            raise _run_error(error) from error

    def bind(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """Bind buffers; see `burnish.runtime.Session.bind`."""
        if self._strings:
            return bind_by_copy(self, inputs, outputs)
        session = self._session
        kept = (dict(inputs), dict(outputs))  # the binding holds addresses only
        try:
            binding = self._fed(kept[0])
            for name, array in kept[1].items():
                binding.bind_output(name, *_buffer(array))
        except Exception as error:
            raise _run_error(error) from error

        def run() -> None:
            try:
                if not self._on_host:
                    self._feed(binding, kept[0])  # host memory is copied to the device when it is bound
                session.run_with_iobinding(binding)
            except Exception as error:
                raise _run_error(error) from error

        return run

    def placement(self) -> tuple[Placed, ...]:
        """Tell which provider runs each node, as they were assigned before the last fusions."""
        if self._on_host:
            return tuple(Placed(operator, name, self._provider) for operator, name in self._operators)
        if not hasattr(self._session, "get_provider_graph_assignment_info"):
            raise BackendError(
                f"onnxruntime {runtime().__version__} does not tell which provider runs what",
                hint="install a newer one",
            )
        return tuple(
            Placed(node.op_type, node.name, part.ep_name)
            for part in self._session.get_provider_graph_assignment_info()
            for node in part.get_nodes()
        )

    def close(self) -> None:
        """Let go of the session."""
        self._session = None

    def _run_bound(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        binding = self._fed(inputs)
        for name in self._outputs:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        return {
            name: _handed_over(value)
            for name, value in zip(self._outputs, binding.get_outputs(), strict=True)
        }

    def _fed(self, inputs: Mapping[str, Array]) -> Any:
        binding = self._session.io_binding()
        self._feed(binding, inputs)
        return binding

    def _feed(self, binding: Any, inputs: Mapping[str, Array]) -> None:
        for name, array in inputs.items():
            binding.bind_input(name, *_buffer(array))
        if not self._on_host:
            binding.synchronize_inputs()  # other libraries' kernels may still write them


def _any_foreign(inputs: Mapping[str, Array]) -> bool:
    return any(isinstance(tensor, ForeignTensor) for tensor in inputs.values())


def _buffer(array: Array | ForeignTensor) -> tuple[str, int, Any, tuple[int, ...], int]:
    """Return device, its number, element type, shape and address, as a binding takes them."""
    kind = _BFLOAT16 if array.dtype == ml_dtypes.bfloat16 else array.dtype.type
    if isinstance(array, ForeignTensor):
        return array.memory, array.device_id, kind, array.shape, array.address
    return "cpu", 0, kind, array.shape, array.__array_interface__["data"][0]


def _handed_over(value: Any) -> Array:
    """Return an array over the engine's buffer, which the array keeps."""
    if value.element_type() != _BFLOAT16:
        array: Array = value.numpy()
        return array
    shape = tuple(value.shape())
    if not math.prod(shape):
        return np.empty(shape, ml_dtypes.bfloat16)
    return array_at(value.data_ptr(), shape, np.dtype(ml_dtypes.bfloat16), value)


def _run_error(error: Exception) -> DeviceError | InputError:
    text = str(error).strip()
    first = text.splitlines()[0] if text else type(error).__name__
    refused = "INVALID_ARGUMENT" in first or any(words in first for words in _VALUES)
    return failure("onnxruntime", first, refused_values=refused)
