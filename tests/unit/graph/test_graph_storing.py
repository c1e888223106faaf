"""Models that do not fit one ONNX message: same content, one more file, never half of one."""

import os
import shutil

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from burnish.errors import InputError, NotFoundError
from burnish.graph import ComputeGraph, load, storing

LARGE_BYTES = 2_200_000_000


def product(weight):
    """Return ``y = (x @ w) * s`` for a large weight and a small one."""
    width = weight.shape[0]
    proto = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[batch, {width}] x, float[{width}, {width}] w) => (float[batch, {width}] y) <float[1] s = {{2}}>
        {{ h = MatMul(x, w)  y = Mul(h, s) }}
    """)
    del proto.graph.input[1]
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    return ComputeGraph(proto.SerializeToString())


def weights(seed):
    return np.random.default_rng(seed).standard_normal((64, 64), dtype=np.float32)


X = np.random.default_rng(1).standard_normal((3, 64), dtype=np.float32)


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(storing, "MESSAGE_LIMIT_BYTES", 4096)


def answer(graph):
    """Return what an engine says, and what it was given to load."""
    with graph.engine_source() as source:
        where = os.fspath(source) if not isinstance(source, bytes) else source
        session = onnxruntime.InferenceSession(where, providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": X})[0], source


@pytest.mark.usefixtures("small_limit")
def test_what_does_not_fit_one_message_is_a_pair_of_files(tmp_path):
    graph = product(weights(0))
    with pytest.raises(InputError, match="do not fit one ONNX message"):
        graph.to_bytes()
    graph.save(tmp_path / "m.onnx")
    message, data = sorted(tmp_path.iterdir())
    assert message.name == "m.onnx"
    assert data.name.startswith("m.onnx.")
    assert data.stat().st_size == 64 * 64 * 4
    assert message.stat().st_size < 4096
    again = load(message)
    assert again.digest == graph.digest
    assert again.signature == graph.signature
    assert again.parameters == graph.parameters
    assert again.cost(2) == graph.cost(2)
    assert isinstance(again.model.graph.initializers["w"].const_value, ir.ExternalTensor)
    assert not isinstance(again.model.graph.initializers["s"].const_value, ir.ExternalTensor)


@pytest.mark.usefixtures("small_limit")
def test_saving_over_another_model_leaves_one_pair(tmp_path):
    path = tmp_path / "m.onnx"
    product(weights(0)).save(path)
    first = load(path)
    second = product(weights(1))
    second.save(path)
    assert len(list(tmp_path.iterdir())) == 2
    assert load(path).digest == second.digest
    assert first.digest == product(weights(0)).digest  # what was mapped stays
    load(path).save(path)  # onto itself
    assert load(path).digest == second.digest
    assert len(list(tmp_path.iterdir())) == 2


def test_a_model_that_fits_again_takes_the_data_away(tmp_path, monkeypatch):
    monkeypatch.setattr(storing, "MESSAGE_LIMIT_BYTES", 4096)
    path = tmp_path / "m.onnx"
    product(weights(0)).save(path)
    (tmp_path / "m.onnx.data").write_bytes(b"not ours")
    monkeypatch.undo()
    load(path).save(path)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("victim", ["data", "message"])
def test_an_interruption_leaves_the_old_pair(tmp_path, monkeypatch, victim):
    path = tmp_path / "m.onnx"
    old = product(weights(0))
    old.save(path)

    def fail(*arguments, **named):
        raise OSError("no space left on device")

    monkeypatch.setattr(storing, "_write_data" if victim == "data" else "write_atomic", fail)
    with pytest.raises(OSError, match="no space"):
        product(weights(1)).save(path)
    monkeypatch.undo()
    assert load(path).digest == old.digest
    assert not [found for found in tmp_path.iterdir() if found.name.endswith(".tmp")]


def test_an_engine_gets_bytes_the_file_itself_or_a_copy_of_it(tmp_path, monkeypatch):
    graph = product(weights(0))
    expected, source = answer(graph)
    assert isinstance(source, bytes)
    monkeypatch.setattr(storing, "MESSAGE_LIMIT_BYTES", 4096)
    path = tmp_path / "m.onnx"
    graph.save(path)
    loaded = load(path)
    found, source = answer(loaded)
    assert source == path
    np.testing.assert_array_equal(found, expected)
    product(weights(1)).save(path)  # the file is another's now
    found, source = answer(loaded)
    assert source != path
    assert not source.exists()
    np.testing.assert_array_equal(found, expected)
    found, _ = answer(graph)  # never had a file
    np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("small_limit")
def test_damage_to_the_data_is_told(tmp_path):
    path = tmp_path / "m.onnx"
    product(weights(0)).save(path)
    data = next(found for found in tmp_path.iterdir() if found.name != "m.onnx")
    content = data.read_bytes()
    data.write_bytes(content[:-1])
    with pytest.raises(InputError, match="external data cannot be read"):
        load(path)
    data.unlink()
    with pytest.raises(NotFoundError, match=f"external data '{data.name}' is missing"):
        load(path)


def test_more_than_two_gigabytes(tmp_path):
    room = shutil.disk_usage(tmp_path).free
    if room < 2 * LARGE_BYTES:
        pytest.skip(f"{room} bytes of disk are free, the test may need {2 * LARGE_BYTES}")
    rows = LARGE_BYTES // (4 * 1024)
    graph = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (int64[batch] ids, float[{rows}, 1024] table) => (float[batch, 1024] y) {{ y = Gather(table, ids) }}
    """)
    del graph.graph.input[1]
    table = graph.graph.initializer.add(name="table", data_type=1, dims=[rows, 1024])
    table.data_location = onnx.TensorProto.EXTERNAL
    size = rows * 1024 * 4
    for key, value in (("location", "t.data"), ("offset", "0"), ("length", str(size))):
        table.external_data.add(key=key, value=value)
    (tmp_path / "m.onnx").write_bytes(graph.SerializeToString())
    with (tmp_path / "t.data").open("wb") as stream:
        stream.truncate(size)  # a hole: no disk is taken
    loaded = load(tmp_path / "m.onnx")
    assert loaded.parameters == rows * 1024
    assert loaded.size_bytes > onnx.checker.MAXIMUM_PROTOBUF
    assert loaded.cost(3).nodes[0].parameters == rows * 1024
    with loaded.engine_source() as source:
        assert source == tmp_path / "m.onnx"
    with pytest.raises(InputError, match="do not fit one ONNX message"):
        loaded.to_bytes()
