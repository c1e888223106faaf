"""``burnish hardware probe`` as a user runs it."""

import json
import sys
import tomllib

import pytest

from burnish.cli.commands.hardware import probing
from burnish.cli.exit_codes import INTERRUPTED
from burnish.cli.main import main
from burnish.evaluate import processor
from burnish.hardware.probe import ProbeConfig

TINY = ProbeConfig(
    sizes=(16,),
    rounds=2,
    min_sample_s=0.0,
    budget_s=0.5,
    stream_bytes=1 << 18,
    chain_lengths=(4, 64),
    sustain_s=0.02,
    idle_s=0.0,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def probe(monkeypatch, capsys, cache):
    """Run the verb in this process; return exit code, standard output and standard error."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(ProbeConfig, "quick", classmethod(lambda _: TINY))

    def run(*words):
        words = ("hardware", "probe", "--quick", "--device", "cpu", "--threads", 1, *words)
        monkeypatch.setattr(sys, "argv", ["burnish", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        return left.value.code or 0, captured.out, captured.err

    return run


def test_the_tables_show_every_part(probe):
    code, out, _ = probe()
    assert code == 0
    for word in ("instruction sets", "matrix products", "float64", "int8", "memory traffic", "dispatch"):
        assert word in out
    for word in ("last third over first", "by the hypervisor", "energy", "this-machine"):
        assert word in out


def test_json_is_one_document_with_the_device(probe):
    code, out, _ = probe("--json")
    facts = json.loads(out)
    assert code == 0
    (device,) = facts["devices"]
    assert device["name"] == "this-machine"
    assert device["origin"] == "measured"
    assert device["peaks"]["float32"] == facts["probes"]["cpu"]["peaks"]["float32"]["value"]["flops"]["value"]
    assert facts["host"]["cores"] >= 1


def test_the_device_goes_into_a_file_of_devices(probe, tmp_path):
    path = tmp_path / "devices.toml"
    code, out, _ = probe("--out", path, "--name", "build-box")
    assert code == 0
    assert str(path) in out
    assert tomllib.loads(path.read_text())["devices"]["build-box"]["kind"] == "cpu"


def test_a_file_that_is_not_one_of_devices_stays(probe, tmp_path):
    path = tmp_path / "devices.toml"
    path.write_text("port = 8000\n")
    code, _, err = probe("--out", path)
    assert code != 0
    assert "unknown key" in err
    assert path.read_text() == "port = 8000\n"


def test_ctrl_c_tells_what_is_kept(probe, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(processor, "memory_peak", interrupted)
    code, out, err = probe("--refresh")
    assert code == INTERRUPTED
    assert out == ""
    told = " ".join(err.split())
    assert "5 of 10 parts of cpu are kept; the same command without --refresh goes on" in told


def test_the_target_is_checked_before_anything_is_measured(probe, monkeypatch, tmp_path):
    monkeypatch.setattr(probing, "measure", lambda *_, **__: pytest.fail("measured"))
    (tmp_path / "file").write_text("port = 8000\n")
    for words, said in (
        (("--out", tmp_path / "file" / "devices.toml"), "cannot be written"),
        (("--out", tmp_path), "is a folder"),
        (("--out", tmp_path / "file"), "unknown key"),
        (("--out", tmp_path / "devices.toml", "--name", "nvidia-l4"), "catalogue"),
        (("--out", tmp_path / "devices.toml", "--name", "this-machine"), "another meaning"),
    ):
        code, _, err = probe(*words)
        assert code != 0
        assert said in " ".join(err.split())


def test_threads_are_a_processors(probe, monkeypatch):
    monkeypatch.setattr(probing, "cards", lambda: ["cuda:0"])
    code, _, err = probe("--device", "cuda:0", "--threads", 4)
    assert code != 0
    assert "--threads 4" in " ".join(err.split())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--sustain-s", 0), "--sustain-s"),
        (("--sustain-s", 1e9), "--sustain-s"),
        (("--device", "cuda:99"), "is not here"),
        (("--name", "box"), "--out"),
    ],
)
def test_what_cannot_be_meant_is_refused(probe, words, text):
    code, _, err = probe(*words)
    assert code != 0
    assert text in " ".join(err.split())
