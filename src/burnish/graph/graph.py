"""The computation graph that every later step reads."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import onnx_ir as ir

from burnish import plugins
from burnish.errors import ShapeError
from burnish.graph import onnx_io, storing
from burnish.graph.convert import convert_model
from burnish.graph.cost import GraphCost, cost_of
from burnish.graph.digest import model_digest
from burnish.graph.notes import NOTES, read_notes, write_notes
from burnish.graph.signature import DTYPES, Array, Dim, DType, Signature, TensorSpec

Run = Callable[[Mapping[str, Array]], dict[str, Array]]


class ComputeGraph:
    """One model as ONNX, ready to be read, measured and run.

    Args:
        source: Path of an ONNX file, its bytes, or an `onnx_ir.Model`.

    Raises:
        NotFoundError: The file, or its external data, does not exist.
        UnsupportedOpError: It holds an operator that its opset does not have.
        InputError: It is not a valid ONNX model.

    A graph is not changed once made: steps that rewrite a model return a new one.
    """

    def __init__(self, source: str | Path | bytes | ir.Model) -> None:
        self._origin: storing.Origin | None = None
        if isinstance(source, ir.Model):
            self.model = source
        elif isinstance(source, bytes):
            self.model = onnx_io.parse_model(source, source="the given bytes")
        else:
            self._origin = storing.Origin.of(Path(source))
            self.model = onnx_io.read_model(Path(source))
        self._sessions: dict[tuple[Any, ...], Any] = {}
        self._opening = threading.Lock()

    @cached_property
    def signature(self) -> Signature:
        """Inputs and outputs with dtypes and shapes; a dimension that varies is a symbol."""
        graph = self.model.graph
        inputs = (value for value in graph.inputs if value.name not in graph.initializers)
        plain = Signature(tuple(map(_spec, inputs)), tuple(map(_spec, graph.outputs)))
        return read_notes(plain, self.model.metadata_props.get(NOTES, ""))

    @cached_property
    def digest(self) -> str:
        """Content digest: equal for graphs that compute the same from the same weights.

        File names, documentation, producer, metadata and the names of inner values, nodes and weights do not
        count; those of inputs and outputs do.
        """
        return model_digest(self.model)

    @cached_property
    def parameters(self) -> int:
        """Number of stored weights (elements of initializers)."""
        return sum(value.const_value.size for value in self._initializers() if value.const_value)

    @cached_property
    def size_bytes(self) -> int:
        """Size of the serialized model; of its weights alone when they do not fit one message."""
        if storing.fits_one_message(self.model):
            return len(self.to_bytes())
        return storing.weight_bytes(self.model)

    def operators(self) -> dict[str, int]:
        """Return how often each operator occurs, most frequent first."""
        return dict(Counter(node.op_type for node in self.model.graph.all_nodes()).most_common())

    def cost(self, batch: int = 1, *, sizes: Mapping[str, int] | None = None) -> GraphCost:
        """Return multiply-adds, operations and bytes per node.

        Args:
            batch: Size of the leading symbolic dimension of the inputs.
            sizes: Sizes of other symbolic dimensions, such as ``{"tokens": 128}``.

        Raises:
            ShapeError: A symbolic dimension has no size.
        """
        return cost_of(self.model, batch=batch, sizes=sizes or {})

    def macs(self, batch: int = 1) -> int:
        """Return the multiply-adds of the whole graph; `cost` tells what they leave out."""
        return self.cost(batch).macs

    def to_bytes(self) -> bytes:
        """Serialize, weights included.

        Raises:
            InputError: The weights are too large for one ONNX message; `save` and `engine_source` are not bound by
                its limit.
        """
        return storing.to_bytes(self.model)

    def save(self, path: str | Path) -> None:
        """Write the model to ``path``, whole or not at all.

        It is one ONNX file. When the weights do not fit one message (2 GB), they lie in one more file beside it,
        ``NAME.DIGEST.data``, which must travel with it.
        """
        storing.save(self.model, Path(path))

    @contextmanager
    def engine_source(self) -> Iterator[bytes | Path]:
        """Give what an engine loads: the model's bytes, or a path when it is too large for one message.

        The path may be that of a temporary file; an engine has to have read or mapped it when the block ends.
        """
        if storing.fits_one_message(self.model):
            yield self.to_bytes()
        elif self._origin is not None and self._origin.is_current():
            yield self._origin.path
        else:
            with storing.as_file(self.model) as path:
                yield path

    def convert(self, opset: int) -> "ComputeGraph":
        """Return the graph in another version of ONNX's operator set; it computes the same.

        Raises:
            UnsupportedOpError: An operator has no equivalent in this version.
            InputError: There is no such version, or the graph is too large for the converter.
        """
        return ComputeGraph(convert_model(self.model, opset))

    def annotated(
        self,
        *,
        ragged: Mapping[str, Sequence[int]] | None = None,
        layouts: Mapping[str, str] | None = None,
    ) -> "ComputeGraph":
        """Return the graph with notes on its inputs and outputs; weights are shared.

        Args:
            ragged: Axes, by name of a tensor, whose size may differ from row to row and be padded.
            layouts: What the axes of a tensor are, by name, such as ``NCHW`` or ``BL``.

        Raises:
            ShapeError: No tensor has such a name, axis or number of axes.
        """
        model = self.model.clone()
        model.metadata_props[NOTES] = write_notes(self.signature, ragged or {}, layouts or {})
        return ComputeGraph(model)

    def infer(
        self,
        inputs: Array | Mapping[str, Array],
        device: str = "cpu",
        *,
        backend: str | None = None,
        options: Any = None,
        fallback: str | Sequence[str] | None = None,
    ) -> dict[str, Array]:
        """Run the graph once; the loaded engine is kept for the next call.

        Args:
            inputs: Arrays by name, or the one array of a graph with one input.
            device: Where to run, such as ``cpu`` or ``cuda``.
            backend: Engine; by default the preferred one of the device.
            options: `burnish.runtime.SessionOptions`; None for the defaults.
            fallback: Devices to try, in this order, when the device cannot be used here.

        Returns:
            Output arrays by name.

        Raises:
            UnsupportedDeviceError: The device cannot be used here; the text lists those that can, and why
                the others cannot.
            ShapeError: An input's name, dtype, rank or size differs from the signature.
        """
        if not isinstance(inputs, Mapping):
            inputs = self._only_input(inputs)
        session = self.session(device, backend=backend, options=options, fallback=fallback)
        return cast("Run", session.run)(inputs)

    def session(
        self,
        device: str = "cpu",
        *,
        backend: str | None = None,
        options: Any = None,
        fallback: str | Sequence[str] | None = None,
    ) -> Any:
        """Return the loaded session that `infer` uses, opening it when it is not open yet.

        The graph does not know any engine: it asks the entry point ``burnish.executors`` for one.
        """
        key = (device, backend, options, fallback if isinstance(fallback, str | None) else tuple(fallback))
        session = self._sessions.get(key)
        if session is None:
            with self._opening:
                session = self._sessions.get(key)
                if session is None:
                    open_session = plugins.load("burnish.executors", "default")
                    session = open_session(
                        self, device=device, backend=backend, options=options, fallback=fallback
                    )
                    self._sessions[key] = session
        return session

    def close(self) -> None:
        """Give back the engines that `infer` keeps."""
        while self._sessions:
            self._sessions.popitem()[1].close()

    def __repr__(self) -> str:
        inputs, outputs = (
            ", ".join(map(str, side)) for side in (self.signature.inputs, self.signature.outputs)
        )
        return f"ComputeGraph({inputs} -> {outputs})"

    def _only_input(self, array: Array) -> dict[str, Array]:
        names = self.signature.input_names
        if len(names) != 1:
            raise ShapeError(
                f"the graph has {len(names)} inputs but one bare array was given",
                hint=f"give a mapping with {', '.join(names)}",
            )
        return {names[0]: array}

    def _initializers(self) -> list[ir.Value]:
        graphs = [self.model.graph, *self.model.graph.subgraphs()]
        unique = {id(value): value for graph in graphs for value in graph.initializers.values()}
        return list(unique.values())


def load(path: str | Path) -> ComputeGraph:
    """Read an ONNX file into a `ComputeGraph`; errors are those of the class."""
    return ComputeGraph(path)


def _spec(value: ir.Value) -> TensorSpec:
    name = value.name or ""
    if not isinstance(value.type, ir.TensorType) or value.dtype is None:
        raise ShapeError(
            f"{name!r} is not a plain tensor but {value.type}", hint="burnish runs graphs of tensors only"
        )
    if value.shape is None:
        raise ShapeError(
            f"{name!r} has no declared number of dimensions, and none can be inferred",
            hint="declare its shape when exporting",
        )
    dims: list[Dim] = []
    for axis, dim in enumerate(value.shape):
        dims.append(dim if isinstance(dim, int) else dim.value or f"{name}_dim{axis}")
    return TensorSpec(name, _dtype(name, value.dtype), tuple(dims))


def _dtype(name: str, dtype: ir.DataType) -> DType:
    word = {"FLOAT": "float32", "DOUBLE": "float64"}.get(dtype.name, dtype.name.lower())
    if word not in DTYPES:
        raise ShapeError(f"{name!r} is {dtype.name}, which cannot be an input or output")
    return word
