"""What is packed comes back, and nothing half-written is left."""

import dataclasses
import subprocess
import zipfile

import numpy as np
import pytest

from burnish.bundle import Bundle, EngineChoice, Measured, pack
from burnish.errors import ConflictError, InputError, NotFoundError, ShapeError
from burnish.graph.samples import random_inputs
from burnish.graph.signature import DTYPES
from burnish.testing import graphs


def test_everything_comes_back(packed, request_):
    opened = Bundle.open(packed.path)
    manifest = opened.manifest
    assert opened.digest == packed.digest
    assert manifest.name == "digits"
    assert manifest.metrics == request_.metrics
    assert manifest.hyper_parameters == request_.hyper_parameters
    assert manifest.evidence == request_.evidence
    assert manifest.licence == "Apache-2.0"
    assert opened.graph().digest == graphs.double().digest == manifest.graph_digest
    assert opened.signature == graphs.double().signature


def test_golden_samples_hold_what_the_engine_answered(packed):
    inputs, outputs = packed.golden()
    np.testing.assert_array_equal(inputs["x"], np.arange(6, dtype=np.float32).reshape(2, 3))
    np.testing.assert_array_equal(outputs["y"], 2 * inputs["x"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_golden_samples_keep_every_dtype(tmp_path, request_, dtype):
    graph = graphs.same(dtype)
    inputs = random_inputs(graph.signature, batch=3)
    if dtype == "string":
        inputs["x"][0, 0] = "grün"
    bundle = pack(tmp_path / "b", graph, dataclasses.replace(request_, golden_inputs=inputs))
    for side, name in zip(bundle.golden(), ("x", "y"), strict=True):
        assert side[name].dtype == inputs["x"].dtype
        np.testing.assert_array_equal(side[name], inputs["x"])


def test_no_golden_sample_is_pickled(packed):
    assert b"pickle" not in packed.read("golden.npz")
    assert b"|O" not in packed.read("golden.npz")


def test_the_digest_tells_bundles_apart_but_not_their_shapes(tmp_path, request_):
    one, same = (pack(tmp_path / name, graphs.double(), request_) for name in ("a.burnish", "b"))
    other = dataclasses.replace(request_, hyper_parameters={"lr": 0.2})
    changed = pack(tmp_path / "c", graphs.double(), other)
    if one.manifest.created == same.manifest.created:  # packed within one second
        assert one.digest == same.digest
    assert changed.digest != one.digest


def test_equal_content_gives_equal_files(tmp_path, request_, monkeypatch):
    class Frozen:
        @staticmethod
        def now(_zone):
            from datetime import UTC, datetime

            return datetime(2026, 1, 2, tzinfo=UTC)

    monkeypatch.setattr("burnish.bundle.packing.datetime", Frozen)
    one, two = (pack(tmp_path / name, graphs.double(), request_) for name in ("a.burnish", "b.burnish"))
    assert one.path.read_bytes() == two.path.read_bytes()


def test_a_file_is_a_plain_zip_that_other_tools_read(archive):
    with zipfile.ZipFile(archive.path) as plain:
        assert plain.testzip() is None
        assert "graph.onnx" in plain.namelist()


def test_a_folder_can_be_checked_with_sha256sum(folder):
    done = subprocess.run(["sha256sum", "-c", "manifest.json.sha256"], cwd=folder.path, check=False)
    assert done.returncode == 0


def test_new_files_have_the_usual_permissions(packed, tmp_path):
    (tmp_path / "usual").touch()
    usual = (tmp_path / "usual").stat().st_mode
    files = [packed.path] if packed.path.is_file() else list(packed.path.iterdir())
    assert {file.stat().st_mode for file in files} == {usual}


def test_what_is_there_is_left_alone(tmp_path, request_):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(ConflictError, match="already exists"):
        pack(tmp_path / "taken", graphs.double(), request_)
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize("name", ["", "Digits", "a/b", "../a", "ä", "-a", "a" * 129, "a b", "a\n"])
def test_an_odd_name_is_refused(tmp_path, request_, name):
    with pytest.raises(InputError, match="cannot be a model's name"):
        pack(tmp_path / "b", graphs.double(), dataclasses.replace(request_, name=name))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": {"accuracy": Measured(value=float("nan"), low=0.0, high=1.0, n=1)}},
        {"hyper_parameters": {"lr": np.float32(0.1)}},
        {"hyper_parameters": {"sizes": {1: 2}}},
        {"evidence": {"seen": object()}},
        {"recipe": {"bad": "\udc80"}},
    ],
)
def test_what_json_cannot_say_is_refused_before_anything_is_written(tmp_path, request_, change):
    with pytest.raises(InputError):
        pack(tmp_path / "b", graphs.double(), dataclasses.replace(request_, **change))
    assert not list(tmp_path.iterdir())


def test_golden_inputs_must_fit(tmp_path, request_):
    wrong = dataclasses.replace(request_, golden_inputs={"x": np.zeros((1, 4), np.float32)})
    with pytest.raises(ShapeError):
        pack(tmp_path / "b", graphs.double(), wrong)


def test_an_unknown_engine_is_refused(tmp_path, request_):
    wrong = dataclasses.replace(request_, engine=EngineChoice(backend="onnxruntme"))
    with pytest.raises(NotFoundError, match="onnxruntme"):
        pack(tmp_path / "b", graphs.double(), wrong)


@pytest.mark.parametrize("name", ["b", "b.burnish"])
def test_an_interruption_leaves_nothing(tmp_path, request_, monkeypatch, name):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("burnish.bundle.write._put", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pack(tmp_path / name, graphs.double(), request_)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path, request_):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        pack(tmp_path / "file" / "b", graphs.double(), request_)
