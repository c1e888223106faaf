"""From TFLite, where TensorFlow is installed; an honest error where it is not."""

import flatbuffers
import numpy as np
import pytest
import tflite

from burnish.errors import InputError, MissingExtraError, NotFoundError
from burnish.graph.tflite import capture_tflite, is_tflite
from burnish.plugins import is_installed

KERNEL = np.random.default_rng(0).standard_normal((4, 3, 3, 2), dtype=np.float32)
BIAS = np.array([0.5, -0.5, 0.25, 0.0], np.float32)


def vector(builder, start, items, put):
    start(builder, len(items))
    for item in reversed(items):
        put(item)
    return builder.EndVector()


def integers(builder, start, items):
    return vector(builder, start, items, builder.PrependInt32)


def tables(builder, start, items):
    return vector(builder, start, items, builder.PrependUOffsetTRelative)


def tensor(builder, name, shape, buffer):
    label = builder.CreateString(name)
    dims = integers(builder, tflite.TensorStartShapeVector, shape)
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, dims)
    tflite.TensorAddType(builder, tflite.TensorType.FLOAT32)
    tflite.TensorAddBuffer(builder, buffer)
    tflite.TensorAddName(builder, label)
    return tflite.TensorEnd(builder)


def buffer(builder, content):
    data = builder.CreateNumpyVector(np.frombuffer(content, np.uint8)) if content else None
    tflite.BufferStart(builder)
    if data is not None:
        tflite.BufferAddData(builder, data)
    return tflite.BufferEnd(builder)


def convolution():
    """Return a TFLite file with one convolution over an image in NHWC, padded to its own size."""
    builder = flatbuffers.Builder(4096)
    shapes = [
        ("image", (1, 5, 5, 2)),
        ("kernel", KERNEL.shape),
        ("bias", BIAS.shape),
        ("features", (1, 5, 5, 4)),
    ]
    contents = [b"", KERNEL.tobytes(), BIAS.tobytes()]
    buffers = tables(builder, tflite.ModelStartBuffersVector, [buffer(builder, item) for item in contents])
    used = [
        tensor(builder, name, shape, place) for (name, shape), place in zip(shapes, (0, 1, 2, 0), strict=True)
    ]
    tensors = tables(builder, tflite.SubGraphStartTensorsVector, used)
    tflite.Conv2DOptionsStart(builder)
    tflite.Conv2DOptionsAddPadding(builder, tflite.Padding.SAME)
    tflite.Conv2DOptionsAddStrideW(builder, 1)
    tflite.Conv2DOptionsAddStrideH(builder, 1)
    options = tflite.Conv2DOptionsEnd(builder)
    read = integers(builder, tflite.OperatorStartInputsVector, [0, 1, 2])
    given = integers(builder, tflite.OperatorStartOutputsVector, [3])
    tflite.OperatorStart(builder)
    tflite.OperatorAddInputs(builder, read)
    tflite.OperatorAddOutputs(builder, given)
    tflite.OperatorAddBuiltinOptionsType(builder, tflite.BuiltinOptions.Conv2DOptions)
    tflite.OperatorAddBuiltinOptions(builder, options)
    operators = tables(builder, tflite.SubGraphStartOperatorsVector, [tflite.OperatorEnd(builder)])
    first = integers(builder, tflite.SubGraphStartInputsVector, [0])
    last = integers(builder, tflite.SubGraphStartOutputsVector, [3])
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, tensors)
    tflite.SubGraphAddInputs(builder, first)
    tflite.SubGraphAddOutputs(builder, last)
    tflite.SubGraphAddOperators(builder, operators)
    graphs = tables(builder, tflite.ModelStartSubgraphsVector, [tflite.SubGraphEnd(builder)])
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, tflite.BuiltinOperator.CONV_2D)
    tflite.OperatorCodeAddBuiltinCode(builder, tflite.BuiltinOperator.CONV_2D)
    codes = tables(builder, tflite.ModelStartOperatorCodesVector, [tflite.OperatorCodeEnd(builder)])
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddOperatorCodes(builder, codes)
    tflite.ModelAddSubgraphs(builder, graphs)
    tflite.ModelAddBuffers(builder, buffers)
    builder.Finish(tflite.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def by_hand(image):
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.einsum("bhwcij,kijc->bhwk", windows, KERNEL) + BIAS


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(convolution())
    return path


@pytest.mark.skipif(
    not is_installed("tensorflow"), reason="tf2onnx reads TFLite only with tensorflow installed"
)
def test_a_convolution_keeps_its_layout_and_its_answers(model):
    graph = capture_tflite(model)
    (image,), (features,) = graph.signature.inputs, graph.signature.outputs
    assert (image.name, image.shape, image.layout) == ("image", (1, 5, 5, 2), "NHWC")
    assert (features.name, features.shape) == ("features", (1, 5, 5, 4))
    x = np.random.default_rng(1).standard_normal((1, 5, 5, 2), dtype=np.float32)
    np.testing.assert_allclose(graph.infer(x)["features"], by_hand(x), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(
    not is_installed("tensorflow"), reason="tf2onnx reads TFLite only with tensorflow installed"
)
def test_a_truncated_file_is_refused(model):
    model.write_bytes(model.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be converted from TFLite"):
        capture_tflite(model)


@pytest.mark.skipif(is_installed("tensorflow"), reason="tensorflow is installed")
def test_what_is_missing_is_named(model):
    with pytest.raises(MissingExtraError, match="needs the package 'tensorflow'") as caught:
        capture_tflite(model)
    assert "burnish[tflite]" in caught.value.hint


def test_what_is_not_tflite_is_refused(tmp_path):
    path = tmp_path / "model.tflite"
    with pytest.raises(NotFoundError, match="no such file"):
        capture_tflite(path)
    path.write_bytes(b"this is no model at all")
    assert not is_tflite(path)
    with pytest.raises(InputError, match="is not a TFLite model"):
        capture_tflite(path)
