"""The computation graph that every later step reads."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import onnx_ir as ir

from burnish import plugins
from burnish.errors import ShapeError
from burnish.files import write_atomic
from burnish.graph import onnx_io
from burnish.graph.cost import GraphCost, cost_of
from burnish.graph.signature import DTYPES, Array, Dim, DType, Signature, TensorSpec

Run = Callable[[Mapping[str, Array]], dict[str, Array]]


class ComputeGraph:
    """One model as ONNX, ready to be read, measured and run.

    Args:
        source: Path of an ONNX file, its bytes, or an `onnx_ir.Model`.

    Raises:
        NotFoundError: The file, or its external data, does not exist.
        InputError: It is not a valid ONNX model.

    A graph is not changed once made: steps that rewrite a model return a new one.
    """

    def __init__(self, source: str | Path | bytes | ir.Model) -> None:
        if isinstance(source, ir.Model):
            self.model = source
        elif isinstance(source, bytes):
            self.model = onnx_io.parse_model(source, source="the given bytes")
        else:
            self.model = onnx_io.read_model(Path(source))
        self._sessions: dict[tuple[Any, ...], Any] = {}
        self._opening = threading.Lock()

    @cached_property
    def signature(self) -> Signature:
        """Inputs and outputs with dtypes and shapes; a dimension that varies is a symbol."""
        graph = self.model.graph
        inputs = (value for value in graph.inputs if value.name not in graph.initializers)
        return Signature(tuple(map(_spec, inputs)), tuple(map(_spec, graph.outputs)))

    @cached_property
    def digest(self) -> str:
        """Content digest: equal for graphs that compute the same from the same weights.

        File names, documentation, producer and metadata do not count.
        """
        return "sha256:" + hashlib.sha256(_canonical(self.model)).hexdigest()

    @cached_property
    def parameters(self) -> int:
        """Number of stored weights (elements of initializers)."""
        return sum(value.const_value.size for value in self._initializers() if value.const_value)

    @cached_property
    def size_bytes(self) -> int:
        """Size of the serialized model."""
        return len(self.to_bytes())

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
        """Serialize, weights included."""
        data: bytes = ir.serde.serialize_model(self.model).SerializeToString(deterministic=True)
        return data

    def save(self, path: str | Path) -> None:
        """Write the model to ``path`` as one ONNX file, whole or not at all."""
        write_atomic(Path(path), self.to_bytes())

    def infer(
        self,
        inputs: Array | Mapping[str, Array],
        device: str = "cpu",
        *,
        backend: str | None = None,
        options: Any = None,
    ) -> dict[str, Array]:
        """Run the graph once; the loaded engine is kept for the next call.

        Args:
            inputs: Arrays by name, or the one array of a graph with one input.
            device: Where to run, such as ``cpu`` or ``cuda``.
            backend: Engine; by default the preferred one of the device.
            options: `burnish.runtime.SessionOptions`; None for the defaults.

        Returns:
            Output arrays by name.

        Raises:
            UnsupportedDeviceError: The device cannot be used here; the text lists those that can, and why
                the others cannot.
            ShapeError: An input's name, dtype, rank or size differs from the signature.
        """
        if not isinstance(inputs, Mapping):
            inputs = self._only_input(inputs)
        return cast("Run", self.session(device, backend=backend, options=options).run)(inputs)

    def session(self, device: str = "cpu", *, backend: str | None = None, options: Any = None) -> Any:
        """Return the loaded session that `infer` uses, opening it when it is not open yet.

        The graph does not know any engine: it asks the entry point ``burnish.executors`` for one.
        """
        key = (device, backend, options)
        session = self._sessions.get(key)
        if session is None:
            with self._opening:
                session = self._sessions.get(key)
                if session is None:
                    open_session = plugins.load("burnish.executors", "default")
                    session = open_session(self, device=device, backend=backend, options=options)
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


def _canonical(model: ir.Model) -> bytes:
    """Serialize without what does not change the result."""
    proto = ir.serde.serialize_model(model)
    proto.producer_name = proto.producer_version = proto.domain = proto.doc_string = ""
    proto.model_version = 0
    del proto.metadata_props[:]
    _strip(proto.graph)
    for function in proto.functions:
        function.doc_string = ""
        del function.metadata_props[:]
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def _strip(graph: Any) -> None:
    graph.doc_string = ""
    graph.name = "graph"
    del graph.metadata_props[:]
    del graph.value_info[:]
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        item.doc_string = ""
        del item.metadata_props[:]
    for node in graph.node:
        node.name = ""
        for attribute in node.attribute:
            attribute.doc_string = ""
            for inner in (attribute.g, *attribute.graphs):
                if attribute.HasField("g") or attribute.graphs:
                    _strip(inner)
