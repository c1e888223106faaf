"""``burnish bundle`` from the outside: output, exit codes, hints."""

import json
import sys

import numpy as np
import pytest

from burnish.bundle import Bundle
from burnish.cli.main import main
from burnish.testing import graphs


@pytest.fixture
def burnish(monkeypatch, capsys):
    """Run the command line in this process; return its exit code, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["burnish", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code
        return (code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def model(tmp_path):
    graphs.double().save(tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_pack_show_verify(burnish, model, tmp_path):
    path = tmp_path / "m.burnish"
    code, out, _ = burnish("bundle", "pack", model, "--out", path, "--name", "m", "--json")
    assert code == 0
    packed = json.loads(out)
    assert packed["digest"] == Bundle.open(path).digest
    code, out, _ = burnish("bundle", "show", path, "--json")
    assert (code, json.loads(out)) == (0, packed)
    code, out, _ = burnish("bundle", "show", path)
    assert code == 0
    assert "x: float32[batch, 3]" in out
    code, out, _ = burnish("bundle", "verify", path, "--lock-policy", "strict", "--json")
    assert code == 0
    assert json.loads(out)["golden_error"] == 0
    assert "every byte is right" in burnish("bundle", "verify", path)[1]


def test_every_option_reaches_the_manifest(burnish, model, tmp_path):
    np.savez(tmp_path / "golden.npz", x=np.full((2, 3), 7, np.float32))
    (tmp_path / "hyper.json").write_text('{"lr": 0.5}')
    arguments = [
        *("--out", tmp_path / "b", "--name", "m", "--backend", "torch", "--device", "cpu", "--threads", 1),
        *("--golden", tmp_path / "golden.npz", "--hyper-parameters", tmp_path / "hyper.json"),
        *("--data-hash", "sha256:1", "--parent", "sha256:2", "--licence", "MIT", "--json"),
    ]
    code, out, _ = burnish("bundle", "pack", model, *arguments)
    assert code == 0
    manifest = json.loads(out)["manifest"]
    assert manifest["engine"] == {"backend": "torch", "threads": 1}
    assert manifest["hyper_parameters"] == {"lr": 0.5}
    assert (manifest["data_hash"], manifest["parent"], manifest["licence"]) == ("sha256:1", "sha256:2", "MIT")
    assert Bundle.open(tmp_path / "b").golden()[1]["y"].tolist() == [[14.0] * 3] * 2


def test_a_corrupt_bundle_has_its_own_exit_code(burnish, archive):
    data = bytearray(archive.path.read_bytes())
    data[100] ^= 1
    archive.path.write_bytes(data)
    for verb in ("show", "verify"):
        code, _, err = burnish("bundle", verb, archive.path)
        assert code == 5
        assert "error (artifact)" in err
        assert "hint:" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "absent.burnish"], "no such bundle"),
        (["pack", "absent.onnx", "--out", "o", "--name", "m"], "no such file"),
        (["pack", "{model}", "--out", "o", "--name", "Odd"], "cannot be a model's name"),
        (["pack", "{model}", "--out", "o", "--name", "m", "--backend", "onnxruntme"], "onnxruntme"),
        (["pack", "{model}", "--out", "o", "--name", "m", "--device", "cude"], "cude"),
        (["pack", "{model}", "--out", "{model}", "--name", "m"], "already exists"),
        (["pack", "{model}", "--out", "o", "--name", "m", "--golden", "{model}"], "numpy"),
        (["pack", "{model}", "--out", "o", "--name", "m", "--hyper-parameters", "{model}"], "JSON"),
        (["pack", "{model}", "--out", "o", "--name", "m", "--hyper-parameters", "no.json"], "no such file"),
    ],
)
def test_bad_input_is_one_clear_error(burnish, model, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    code, _, err = burnish("bundle", *(str(part).format(model=model) for part in arguments))
    assert code == 2
    assert says in " ".join(err.split())
    assert not (tmp_path / "o").exists()
