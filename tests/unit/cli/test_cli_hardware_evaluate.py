"""``burnish hardware evaluate`` as a user runs it."""

import json

import pytest
from typer.testing import CliRunner

from burnish.cli.commands.hardware import app
from burnish.errors import ConfigError, NotFoundError, ShapeError, UnsupportedDeviceError
from burnish.testing.graphs import from_text, network, two_inputs

ASK = ("--slo-ms", "50", "--traffic-rps", "200", "--devices", "nvidia-t4,nvidia-l4")
PRICED = ("--price", "nvidia-t4=900", "--price", "nvidia-l4=2500", "--way", "buy")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    network().save(tmp_path / "network.onnx")
    two_inputs().save(tmp_path / "pair.onnx")

    def call(model, *words):
        return CliRunner().invoke(app, ["evaluate", str(tmp_path / model), *words], catch_exceptions=True)

    return call


def test_the_table_names_the_choice_and_what_could_change_it(run):
    result = run("network.onnx", *ASK, *PRICED)
    assert result.exit_code == 0, result.output
    assert "99% within 50 ms" in result.stdout
    assert "choice: 1 x NVIDIA" in result.stdout
    assert "of all weights" in result.stdout


def test_json_holds_every_figure_with_its_source(run, tmp_path):
    out = tmp_path / "matrix.json"
    result = run("network.onnx", *ASK, *PRICED, "--json", "--out", str(out), "--carbon-g-per-kwh", "300")
    facts = json.loads(result.stdout)
    assert facts == json.loads(out.read_text())
    t4 = facts["devices"]["nvidia-t4"]
    assert t4["sources"]["power_w"]
    assert t4["fleet"]["estimate"]["usd_per_year_of_one"]["purchase"] == pytest.approx(300)
    assert t4["fleet"]["estimate"]["co2e_g_per_million"] > 0
    assert t4["call"]["low_s"] <= t4["call"]["seconds"] <= t4["call"]["high_s"]
    assert facts["winner"] in facts["scores"]
    assert sum(facts["sensitivity"]["shares"].values()) == pytest.approx(1)


def test_what_if_shows_the_model_as_it_is_beside_it(run):
    result = run("network.onnx", *ASK, *PRICED, "--dtype", "int8", "--prune", "0.4")
    assert "as it is" in result.stdout
    assert "if changed as asked" in result.stdout
    facts = json.loads(run("network.onnx", *ASK, *PRICED, "--dtype", "int8", "--json").stdout)
    assert facts["devices"]["nvidia-t4"]["dtype"] == "int8"
    assert facts["before"]["devices"]["nvidia-t4"]["dtype"] == "float32"


def test_without_a_price_a_device_is_named_and_not_ranked(run):
    result = run("network.onnx", *ASK, "--price", "nvidia-t4=900", "--way", "buy", "--json")
    facts = json.loads(result.stdout)
    assert list(facts["scores"]) == ["nvidia-t4"]
    assert facts["devices"]["nvidia-l4"]["fleet"]["estimate"]["tco_usd"] is None
    assert "no price" in facts["devices"]["nvidia-l4"]["notes"][0]


def test_a_flag_wins_over_the_environment_and_that_over_the_file(run, tmp_path, monkeypatch):
    file = tmp_path / "burnish.toml"
    file.write_text(
        "[hardware]\npercentile = 0.9\n[hardware.cost]\npue = 1.1\nyears = 5\n[hardware.cost.prices]\nnvidia-t4 = 1\n"
    )
    monkeypatch.setenv("BURNISH_COST_YEARS", "4")
    words = (*ASK, "--config", str(file), "--json")
    assumed = json.loads(run("network.onnx", *words).stdout)
    assert assumed["assumptions"]["pue"] == 1.1
    assert assumed["assumptions"]["years"] == 4
    assert assumed["assumptions"]["prices"] == {"nvidia-t4": 1}
    assert assumed["demand"]["percentile"] == 0.9
    assert json.loads(run("network.onnx", *words, "--years", "2").stdout)["assumptions"]["years"] == 2


def test_an_unknown_key_in_the_file_is_refused(run, tmp_path):
    file = tmp_path / "burnish.toml"
    file.write_text("[hardware.cost]\npeu = 1.1\n")
    error = run("network.onnx", *ASK, "--config", str(file)).exception
    assert isinstance(error, ConfigError)
    assert "did you mean 'pue'" in str(error)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("[hardware.cost]\nprices = {nvidia-tt4 = 7}", UnsupportedDeviceError, "did you mean 'nvidia-t4'"),
        ("[hardware.cost]\nidle_w = {nothing = 7}", UnsupportedDeviceError, "idle_w: 'nothing'"),
        ("[hardware]\ndtype = 'int9'", ConfigError, "did you mean 'int8'"),
        ("[hardware]\nengine = 'onnxruntme'", NotFoundError, "did you mean 'onnxruntime'"),
        ("[hardware.weights]\ncosts = 1", ConfigError, "did you mean 'cost'"),
        ("[hardware.weights]\ncost = 'much'", ConfigError, "cost"),
        ("hardware = 3", ConfigError, "must be a table"),
    ],
)
def test_names_in_the_file_are_checked_as_flags_are(run, tmp_path, text, error, says):
    file = tmp_path / "burnish.toml"
    file.write_text(text + "\n")
    caught = run("network.onnx", *ASK, "--config", str(file)).exception
    assert isinstance(caught, error)
    assert says in str(caught)


def test_a_file_may_price_devices_that_are_not_asked_for(run, tmp_path):
    file = tmp_path / "burnish.toml"
    file.write_text("[hardware.cost.prices]\nnvidia-a10 = 7\nthis-machine = 800\nthis-machine-cuda-0 = 900\n")
    assert run("network.onnx", *ASK, "--config", str(file)).exit_code == 0


def test_an_axis_without_a_weight_counts_nothing_in_the_file_as_on_the_command_line(run, tmp_path):
    file = tmp_path / "burnish.toml"
    file.write_text("[hardware.weights]\ncost = 1\npower = 1\n")
    words = (*ASK, *PRICED, "--json")
    in_file = json.loads(run("network.onnx", *words, "--config", str(file)).stdout)["weights"]
    assert in_file == {"compute": 0.0, "power": 0.5, "cost": 0.5}
    assert json.loads(run("network.onnx", *words, "--weights", "cost=1,power=1").stdout)["weights"] == in_file
    both = run("network.onnx", *words, "--config", str(file), "--weights", "compute=1")
    assert json.loads(both.stdout)["weights"] == {"compute": 1.0, "power": 0.0, "cost": 0.0}


def test_a_percentile_is_not_rounded_up_to_all(run, tmp_path):
    page = tmp_path / "report.html"
    result = run("network.onnx", *ASK, "--percentile", "0.999", "--report", str(page))
    assert "99.9% within 50 ms" in result.stdout
    assert "99.9% of them" in page.read_text()


def test_a_winner_without_arithmetic_has_a_report_without_a_roofline(run, tmp_path):
    moving = """
        <ir_version: 8, opset_import: ["" : 17]>
        moving (float[batch, 64, 64] x) => (float[batch, 64, 64] y) { y = Transpose <perm = [0, 2, 1]> (x) }
    """
    from_text(moving).save(tmp_path / "moving.onnx")
    page = tmp_path / "report.html"
    result = run("moving.onnx", *ASK, *PRICED, "--report", str(page))
    assert result.exit_code == 0, result.output
    assert "choice: 1 x NVIDIA" in result.stdout
    assert "What holds the choice up" not in page.read_text()


def test_the_report_is_one_page_with_sources_and_assumptions(run, tmp_path):
    page = tmp_path / "report.html"
    result = run("network.onnx", *ASK, *PRICED, "--report", str(page))
    assert result.exit_code == 0, result.output
    text = page.read_text()
    for heading in (
        "How firm the choice is",
        "Assumptions",
        "Where every figure is from",
        "What holds the choice up",
    ):
        assert heading in text
    assert "electricity_usd_per_kwh" in text


def test_a_report_can_be_written_where_nobody_wins(run, tmp_path):
    page = tmp_path / "report.html"
    result = run("network.onnx", *ASK, "--slo-ms", "0.0001", "--report", str(page))
    assert result.exit_code == 0, result.output
    assert "no device" in page.read_text()


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (("--devices", "nvidia-t44"), UnsupportedDeviceError, "did you mean 'nvidia-t4'"),
        (("--price", "nvidia-t5=3"), UnsupportedDeviceError, "not among the devices asked for"),
        (("--price", "nvidia-t4=cheap"), ConfigError, "not NAME=NUMBER"),
        (("--price", "nvidia-t4=-900"), ConfigError, "prices, nvidia-t4"),
        (("--rent", "nvidia-t4=nan"), ConfigError, "rents, nvidia-t4"),
        (("--pue", "0.5"), ConfigError, "pue"),
        (("--utilisation", "2"), ConfigError, "utilisation"),
        (("--weights", "costs=1"), ConfigError, "did you mean 'cost'"),
        (("--dtype", "int7"), ConfigError, "dtype"),
        (("--dtype", "int9"), ConfigError, "did you mean 'int8'"),
        (("--engine", "onnxruntme"), NotFoundError, "did you mean 'onnxruntime'"),
        (("--prune", "1.5"), ConfigError, "prune"),
        (("--slo-ms", "-1"), ConfigError, "latency objective"),
        (("--traffic-rps", "nan"), ConfigError, "traffic"),
    ],
)
def test_bad_input_is_refused_by_name(run, words, error, says):
    caught = run("network.onnx", *ASK, *words).exception
    assert isinstance(caught, error)
    assert says in str(caught)


def test_a_symbol_without_a_size_is_named(run):
    caught = run("pair.onnx", *ASK).exception
    assert isinstance(caught, ShapeError)
    assert "(n)" in str(caught)
    assert run("pair.onnx", *ASK, *PRICED, "--size", "n=4").exit_code == 0
