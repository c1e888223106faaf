"""PyTorch: eager, compiled by Inductor when first run, or compiled by Inductor to a package."""

from collections.abc import Callable, Mapping
from typing import Any

import onnx_ir as ir

from burnish.errors import ConfigError, DeviceError, InputError, nearest
from burnish.graph import ComputeGraph
from burnish.graph.signature import DTYPES, Array
from burnish.plugins import require
from burnish.runtime.backend import (
    BackendSpec,
    DeviceStatus,
    Placed,
    SessionOptions,
    bind_by_copy,
)
from burnish.runtime.failures import failure
from burnish.runtime.importing import raised

MODES = ("eager", "inductor", "aotinductor")
_OLDEST_OPSET = 13
_CONVERT_TO = 18


class TorchBackend:
    """PyTorch. ``options.extra`` knows ``mode``, one of `MODES`.

    - ``eager``: the graph is carried out node by node with torch's own functions.
    - ``inductor``: the graph is traced and compiled by ``torch.compile``, weights frozen into it.
    - ``aotinductor``: the same, compiled to a package with a runtime of its own, which Python is not part of.
    """

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

        ``options.optimization`` makes no difference; the threads are those of the whole process. The compiled
        modes compile for free sizes where torch can, and anew for sizes of which it cannot: the first request
        of such a size waits.

        Raises:
            ConfigError: An option or its value is unknown.
            CompileError: A compiled mode has no C++ compiler, or torch cannot trace or compile the graph.
        """
        torch = _torch()
        mode = _mode(options.extra)
        if options.threads:
            torch.set_num_threads(options.threads)
        from burnish.runtime.torch_ops.interpreter import Interpreter

        interpreter = Interpreter(_modern(graph.model), device)
        session = TorchSession(interpreter, graph, device)
        if mode != "eager":
            from burnish.runtime.torch_ops.compiled import CompiledGraph

            session.use(CompiledGraph(interpreter, graph.signature, packaged=mode == "aotinductor"))
        return session


class TorchSession:
    """A loaded graph: carried out node by node, or by what it was compiled to."""

    def __init__(self, interpreter: Any, graph: ComputeGraph, device: str) -> None:
        self._interpreter = interpreter
        self._compiled: Any = None
        self._device = device
        self._signature = graph.signature
        self._placement = tuple(
            Placed(node.op, "", "CPU" if device == "cpu" else device) for node in interpreter.steps
        )

    def use(self, compiled: Any) -> None:
        """Run what the graph was compiled to from now on, after compiling for two rows to see that it can."""
        compiled.compile_ahead()
        self._compiled = compiled

    def run(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """Run once; see `burnish.runtime.Session.run`.

        On the CPU inputs are read where they lie, and fresh outputs are torch's own memory. Given ones are
        copied into, from the device itself.

        Raises:
            CompileError: The graph cannot be compiled for sizes that come for the first time.
        """
        torch = _torch()
        from burnish.runtime.torch_ops.memory import from_array, storages, to_array, write_into

        interpreter = self._interpreter  # read once: another thread may close it
        if interpreter is None:
            raise DeviceError("the torch session is closed")
        try:
            given = [from_array(inputs[name], self._device) for name in self._signature.input_names]
            with torch.inference_mode():
                results = self._call(interpreter, given)
                named = dict(zip(self._signature.output_names, results, strict=True))
                if outputs is not None:
                    for name, tensor in named.items():
                        write_into(name, tensor, outputs[name])
                    return dict(outputs)
            taken = storages([*given, *interpreter.buffers()])
            arrays = {}
            for name, tensor in named.items():
                block = tensor.untyped_storage().data_ptr()
                # a result may share memory with an input, a weight or another result: the caller gets its own
                arrays[name] = to_array(tensor.clone() if block in taken else tensor)
                taken.add(block)
            return arrays
        except (RuntimeError, IndexError, TypeError, ValueError, ArithmeticError) as error:
            if isinstance(error, InputError):
                raise
            raise failure("torch", str(error)) from error

    def bind(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """Bind; see `burnish.runtime.Session.bind`."""
        return bind_by_copy(self, inputs, outputs)

    def placement(self) -> tuple[Placed, ...]:
        """Tell which operator runs where: all of them on the device."""
        return self._placement

    def close(self) -> None:
        """Let go of the weights, and of what was compiled."""
        self._interpreter = None
        if self._compiled is not None:
            self._compiled.close()
            self._compiled = None

    def _call(self, interpreter: Any, given: list[Any]) -> Any:
        compiled = self._compiled
        # compilers assume that there is something to compute
        if compiled is None or not all(tensor.numel() for tensor in given):
            return interpreter(*given)
        return compiled(*given)


def _mode(extra: Mapping[str, str]) -> str:
    unknown = next((name for name in extra if name != "mode"), None)
    if unknown is not None:
        raise ConfigError(f"the torch back end has no option {unknown!r}", hint=nearest(unknown, ["mode"]))
    mode = extra.get("mode", "eager")
    if mode not in MODES:
        raise ConfigError(f"torch has no mode {mode!r}", hint=nearest(mode, MODES))
    return mode


def _modern(model: ir.Model) -> ir.Model:
    """Return the model in an opset that the functions follow."""
    if model.graph.opset_imports.get("", _CONVERT_TO) >= _OLDEST_OPSET:
        return model
    proto = raised(ir.serde.serialize_model(model), oldest=_OLDEST_OPSET, to=_CONVERT_TO, engine="torch")
    return ir.serde.deserialize_model(proto)


def _torch() -> Any:
    return require("torch", extra="compress", need="the back end 'torch'")


BACKEND = TorchBackend()
