"""``burnish hardware list``, ``show`` and ``import`` as a user runs them."""

import json
import math
from operator import itemgetter

import pytest
from typer.testing import CliRunner

from burnish.cli.commands.hardware import app
from burnish.errors import ConfigError, UnsupportedDeviceError
from burnish.hardware.catalog.figures import of
from burnish.hardware.catalog.loading import packaged

TABLE = """manufacturer,name,memory_size_gb,memory_bandwidth_gb_s,single_float_performance_gflop_s
NVIDIA,A40 PCIe,48.0,695.8,37420.0
NVIDIA,L4,24.0,300.1,30290.0
"""


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "burnish" / "devices.toml"


def run(*words):
    return CliRunner().invoke(app, list(map(str, words)))


def listed(*words):
    return json.loads(run("list", "--json", *words).stdout)


def test_list_shows_every_device():
    result = run("list")
    assert result.exit_code == 0
    assert f"{len(packaged())} devices" in result.stdout
    assert all(name in result.stdout for name in packaged())


def test_list_can_be_narrowed_to_a_kind_and_a_dtype():
    found = listed("--kind", "gpu", "--dtype", "float8")
    assert {"nvidia-h100-sxm5-80gb", "nvidia-l4"} <= {device["name"] for device in found}
    assert all(device["kind"] == "gpu" and device["peaks"]["float8"] for device in found)


@pytest.mark.parametrize(
    ("sort", "figure", "sign"),
    [
        ("name", lambda device: 0, 1),
        ("year", itemgetter("year"), 1),
        ("power", itemgetter("power_w"), 1),
        ("price", itemgetter("price_usd"), 1),
        ("memory", itemgetter("memory_bytes"), -1),
        ("bandwidth", itemgetter("bandwidth"), -1),
        ("peak", lambda device: device["peaks"].get("int8"), -1),
        ("rent", lambda device: min(device["rents_usd_per_h"].values(), default=None), 1),
        (
            "tops-per-w",
            lambda device: device["peaks"].get("int8", 0) / (device["power_w"] or math.inf) or None,
            -1,
        ),
    ],
)
def test_list_is_sorted_and_what_is_not_known_stands_last(sort, figure, sign):
    found = listed("--sort", sort)
    values = [figure(device) for device in found]
    known = [sign * value for value in values if value is not None]
    assert len(found) == len(packaged())
    assert values[: len(known)] == [sign * value for value in sorted(known)]
    assert set(values[len(known) :]) <= {None}
    if sort == "name":
        assert [device["name"] for device in found] == sorted(packaged())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "gpus"), "did you mean 'gpu'?"),
        (("--dtype", "int9"), "did you mean 'int"),
        (("--sort", "pric"), "did you mean 'price'?"),
        (("--user-devices", "absent.toml"), "absent.toml"),
    ],
)
def test_a_wrong_choice_is_named(words, said):
    error = run("list", *words).exception
    assert isinstance(error, ConfigError)
    assert said in str(error)


def test_show_names_the_source_of_every_figure():
    shown = run("show", "Tesla T4").stdout
    told = " ".join(shown.split())
    assert "NVIDIA T4 (nvidia-t4)" in told
    assert all(source in told for source in packaged()["nvidia-t4"].sources.values())
    assert shown.count("│ ") >= len(list(of(packaged()["nvidia-t4"])))


def test_show_tells_power_at_rest(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        '[sources.bench]\ntitle = "our bench"\n[[devices.nvidia-t4.figures]]\nsource = "bench"\nidle_w = 9.5\n'
    )
    told = " ".join(run("show", "nvidia-t4", "--user-devices", str(path)).stdout.split())
    assert "power at rest" in told
    assert "9.5" in told


def test_show_as_json_holds_the_device():
    facts = json.loads(run("show", "nvidia-t4", "--json").stdout)
    assert facts["peaks"] == packaged()["nvidia-t4"].peaks
    assert facts["sources"] == packaged()["nvidia-t4"].sources


def test_show_an_unknown_device_is_an_error():
    assert isinstance(run("show", "nvidia-t5").exception, UnsupportedDeviceError)


def test_import_makes_the_users_file_and_the_list_holds_it(tmp_path, config):
    table = tmp_path / "gpus.csv"
    table.write_text(TABLE)
    result = run("import", table)
    assert "1 devices were added or extended" in result.stdout
    assert "left out: 1 x devices that are known already" in result.stderr
    assert config.exists()
    assert "nvidia-a40-pcie" in {device["name"] for device in listed()}
    assert "from: imported" in run("show", "a40 pcie").stdout


def test_import_into_another_file_as_json(tmp_path, config):
    table, file = tmp_path / "gpus.csv", tmp_path / "mine.toml"
    table.write_text(TABLE)
    facts = json.loads(run("import", table, "--out", file, "--json").stdout)
    assert facts == {
        "file": str(file),
        "devices": ["nvidia-a40-pcie"],
        "left_out": {"devices that are known already": 1},
    }
    assert not config.exists()
    assert "nvidia-a40-pcie" in {device["name"] for device in listed("--user-devices", file)}


def test_import_of_what_is_known_adds_nothing(tmp_path, config):
    table = tmp_path / "gpus.csv"
    table.write_text(TABLE)
    assert "nothing was added" in run("import", table, "--match", "L4").stdout
    assert not config.exists()
