"""PyTorch: the graph is carried out node by node with torch's own functions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir

from burnish.errors import DeviceError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.signature import DTYPES, Array
from burnish.plugins import require
from burnish.runtime.backend import BackendSpec, DeviceStatus, SessionOptions

if TYPE_CHECKING:
    from burnish.runtime.torch_ops.node import Node

_OLDEST_OPSET = 13
_CONVERT_TO = 18


class TorchBackend:
    """PyTorch in eager mode."""

    spec = BackendSpec(
        name="torch",
        package="torch",
        extra="compress",
        devices=("cpu", "cuda", "mps"),
        dtypes=tuple(dtype for dtype in DTYPES if dtype not in ("string", "uint64")),
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

        Eager PyTorch does not rewrite graphs, so that ``options.optimization`` makes no difference; its
        threads are those of the whole process.
        """
        torch = _torch()
        if options.extra:
            raise UnsupportedOpError(
                f"the torch back end has no options of its own, got {', '.join(options.extra)}"
            )
        if options.threads:
            torch.set_num_threads(options.threads)
        return TorchSession(torch, _modern(graph.model), graph.signature.output_names, device)


class TorchSession:
    """The nodes of a graph in order, with its weights on the device."""

    def __init__(self, torch: Any, model: ir.Model, outputs: list[str], device: str) -> None:
        from burnish.runtime.torch_ops import TABLE, refusal

        self._torch = torch
        self._device = device
        self._outputs = outputs
        nodes = [_plain(node) for node in model.graph]
        refused = sorted({why for node in nodes if node.op != "Constant" and (why := refusal(node))})
        if refused:
            raise UnsupportedOpError(
                f"the torch back end has no {', '.join(refused)}", hint="try onnxruntime or openvino"
            )
        self._steps = [(TABLE[node.op], node) for node in nodes if node.op != "Constant"]
        self._weights = {name: self._to_torch(array) for name, array in _constants(model, nodes).items()}
        self._last_use = {name: i for i, (_, node) in enumerate(self._steps) for name in node.inputs}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; see `burnish.runtime.Session.run`."""
        try:
            values: dict[str, Any] = {name: self._to_torch(array) for name, array in inputs.items()}
            with self._torch.inference_mode():
                for index, (function, node) in enumerate(self._steps):
                    self._step(values, index, function, node)
                return {name: self._to_numpy(self._value(values, name)) for name in self._outputs}
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            raise DeviceError(f"torch failed while running: {error}") from error

    def close(self) -> None:
        """Let go of the weights."""
        self._steps, self._weights = [], {}

    def _step(self, values: dict[str, Any], index: int, function: Any, node: "Node") -> None:
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
        tensor = tensor.detach().cpu().contiguous()
        if tensor.dtype == self._torch.bfloat16:
            array: Array = tensor.view(self._torch.int16).numpy().view(ml_dtypes.bfloat16).copy()
            return array
        # a result may share memory with an input or a weight: the caller gets its own
        return np.array(tensor.numpy(), copy=True)


def _modern(model: ir.Model) -> ir.Model:
    """Return the model in an opset that the functions follow."""
    version = model.graph.opset_imports.get("", _CONVERT_TO)
    if version >= _OLDEST_OPSET:
        return model
    try:
        proto = onnx.version_converter.convert_version(ir.serde.serialize_model(model), _CONVERT_TO)
    except Exception as error:  # the converter raises plain RuntimeErrors, and others, for what it lacks
        raise UnsupportedOpError(
            f"the torch back end cannot raise opset {version} to {_CONVERT_TO}: {error}",
            hint="export with opset 13 or later, or try onnxruntime",
        ) from error
    return ir.serde.deserialize_model(proto)


def _constants(model: ir.Model, nodes: "list[Node]") -> dict[str, Array]:
    stored = {
        str(name): value.const_value.numpy()
        for name, value in model.graph.initializers.items()
        if value.const_value is not None
    }
    for node in nodes:
        if node.op == "Constant":
            ((kind, value),) = node.attributes.items()
            dtype = {"value_float": np.float32, "value_floats": np.float32}.get(kind)
            stored[node.outputs[0]] = np.asarray(value, dtype)
    return stored


def _plain(node: ir.Node) -> "Node":
    from burnish.runtime.torch_ops.node import Node

    return Node(
        op=node.op_type,
        domain=node.domain,
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
