"""PyTorch: the graph is carried out node by node with torch's own functions."""

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir

from burnish.errors import DeviceError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.signature import DTYPES, Array
from burnish.plugins import require
from burnish.runtime.backend import BackendSpec, DeviceStatus, SessionOptions
from burnish.runtime.torch_ops import Node, table


class TorchBackend:
    """PyTorch in eager mode."""

    spec = BackendSpec(
        name="torch",
        package="torch",
        extra="compress",
        devices=("cpu", "cuda", "mps"),
        dtypes=tuple(dtype for dtype in DTYPES if dtype != "string"),
    )

    def devices(self) -> list[DeviceStatus]:
        """Tell which devices this build of PyTorch can use here."""
        torch = _torch()
        cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
        built = torch.backends.cuda.is_built()
        no_cuda = "no CUDA device is visible" if built else "the installed torch is built without CUDA"
        return [
            DeviceStatus("cpu", True),
            DeviceStatus("cuda", cuda, "" if cuda else no_cuda),
            DeviceStatus("mps", mps, "" if mps else "no Apple GPU is visible"),
        ]

    def open(self, graph: ComputeGraph, *, device: str, options: SessionOptions) -> "TorchSession":
        """Load a graph; see `burnish.runtime.Backend.open`.

        Eager PyTorch does not rewrite graphs, and its threads are set for the whole process.
        """
        torch = _torch()
        if options.threads:
            torch.set_num_threads(options.threads)
        known = table()
        missing = sorted({node.op_type for node in graph.model.graph if node.op_type not in known})
        if missing:
            raise UnsupportedOpError(
                f"the torch back end has no {', '.join(missing)}", hint="try onnxruntime or openvino"
            )
        return TorchSession(torch, graph, device)


class TorchSession:
    """The nodes of a graph in order, with its weights on the device."""

    def __init__(self, torch: Any, graph: ComputeGraph, device: str) -> None:
        self._torch = torch
        self._device = device
        self._outputs = graph.signature.output_names
        known = table()
        body = graph.model.graph
        self._steps = [(known[node.op_type], _plain(node)) for node in body]
        self._weights = {
            str(name): self._to_torch(value.const_value.numpy())
            for name, value in body.initializers.items()
            if value.const_value is not None
        }
        self._last_use = {name: i for i, (_, node) in enumerate(self._steps) for name in node.inputs}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; see `burnish.runtime.Session.run`."""
        values: dict[str, Any] = {name: self._to_torch(array) for name, array in inputs.items()}
        try:
            with self._torch.inference_mode():
                for index, (function, node) in enumerate(self._steps):
                    self._step(values, index, function, node)
                found = {name: self._value(values, name) for name in self._outputs}
                return {name: self._to_numpy(value) for name, value in found.items()}
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            raise DeviceError(f"torch failed while running: {error}") from error

    def close(self) -> None:
        """Let go of the weights."""
        self._steps, self._weights = [], {}

    def _step(self, values: dict[str, Any], index: int, function: Any, node: Node) -> None:
        arguments = [self._value(values, name) if name else None for name in node.inputs]
        results = function(node, *arguments)
        results = results if isinstance(results, tuple) else (results,)
        values.update(zip(node.outputs, results, strict=False))
        for name in node.inputs:  # let go of what no later node reads, as an engine's arena would
            if self._last_use[name] == index and name not in self._outputs:
                values.pop(name, None)

    def _value(self, values: dict[str, Any], name: str) -> Any:
        return values[name] if name in values else self._weights[name]

    def _to_torch(self, array: Array) -> Any:
        if array.dtype == ml_dtypes.bfloat16:
            tensor = self._torch.from_numpy(array.view(np.int16).copy()).view(self._torch.bfloat16)
        else:
            tensor = self._torch.from_numpy(array if array.flags.writeable else array.copy())
        return tensor.to(self._device)

    def _to_numpy(self, tensor: Any) -> Array:
        tensor = tensor.detach().cpu()
        if tensor.dtype == self._torch.bfloat16:
            array: Array = tensor.view(self._torch.int16).numpy().view(ml_dtypes.bfloat16).copy()
            return array
        # a result may share memory with an input or a weight: the caller gets its own
        return np.array(tensor.numpy(), copy=True)


def _plain(node: ir.Node) -> Node:
    return Node(
        op=node.op_type,
        inputs=tuple(value.name or "" if value is not None else "" for value in node.inputs),
        outputs=tuple(value.name or "" for value in node.outputs),
        attributes={name: _attribute(value) for name, value in node.attributes.items()},
    )


def _attribute(attribute: ir.Attr) -> Any:
    value = attribute.value
    if isinstance(value, ir.TensorProtocol):
        return value.numpy()
    return list(value) if isinstance(value, (tuple, list)) else value


def _torch() -> Any:
    return require("torch", extra="compress", need="the back end 'torch'")


BACKEND = TorchBackend()
