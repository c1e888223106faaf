"""From TFLite to one graph, by way of tf2onnx, which in turn needs TensorFlow."""

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import onnx_ir as ir

from burnish.errors import InputError, NotFoundError
from burnish.graph import storing
from burnish.graph.graph import ComputeGraph
from burnish.graph.naming import rename_outside
from burnish.plugins import require

_OPSET = 18  # the newest that tf2onnx writes
_MAGIC = b"TFL3"
_NEED = "reading TFLite"


def is_tflite(path: Path) -> bool:
    """Tell whether a file is TFLite by the mark in its head."""
    try:
        with path.open("rb") as stream:
            return stream.read(8)[4:] == _MAGIC
    except OSError:
        return False


def capture_tflite(path: Path) -> ComputeGraph:
    """Convert a TFLite file.

    Sizes are as fixed as in the file. Images that TFLite takes as NHWC stay so, and are noted as such.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is not TFLite, or holds an operator that the converter lacks.
        MissingExtraError: TensorFlow or tf2onnx is not installed.
    """
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file", hint="check the path of the model")
    if not is_tflite(path):
        raise InputError(f"{path}: is not a TFLite model", hint="its head lacks the mark 'TFL3'")
    require("tensorflow", extra="tflite", need=_NEED)
    converter = require("tf2onnx.convert", extra="tflite", need=_NEED)
    try:
        with _quiet():
            proto, _ = converter.from_tflite(str(path), opset=_OPSET)
    except Exception as error:  # the converter raises plain exceptions of many kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{path}: cannot be converted from TFLite: {reason}", hint="it may be damaged"
        ) from error
    model = ir.serde.deserialize_model(proto)
    sides = [[value.name or "" for value in side] for side in (model.graph.inputs, model.graph.outputs)]
    rename_outside(model, *([name.removesuffix(":0") for name in side] for side in sides))
    images = [value.name or "" for value in model.graph.inputs if _is_image(value)]
    return ComputeGraph(storing.to_bytes(model)).annotated(layouts=dict.fromkeys(images, "NHWC"))


def _is_image(value: ir.Value) -> bool:
    """Tell whether an input is only ever turned from NHWC to what ONNX convolves."""
    users = value.consumers()
    return bool(users) and all(
        node.op_type == "Transpose" and list(node.attributes.get_ints("perm", [])) == [0, 3, 1, 2]
        for node in users
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converter's progress out of the user's terminal; what fails is in the exception."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
