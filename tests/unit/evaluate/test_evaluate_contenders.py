"""What is measured is what the command line says, and says what it is."""

import itertools

import pytest

from burnish.errors import ConfigError, ShapeError
from burnish.evaluate.contenders import EngineChoice, contenders, parse_engine, with_options
from burnish.evaluate.latency import Latency
from burnish.evaluate.speed import speeds, sweep_rows
from burnish.hardware.probe import ComputePeak, Measured
from burnish.testing import graphs


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "network.onnx"
    graphs.network().save(path)
    return path


def test_engine_text():
    engine = parse_engine("onnxruntime:optimization=none,threads=2,session.x=1")
    assert str(engine) == "onnxruntime:optimization=none,threads=2,session.x=1"
    options = engine.session_options(threads=5)
    assert options.optimization == "none"
    assert options.threads == 2
    assert dict(options.extra) == {"session.x": "1"}
    assert parse_engine("torch").session_options(3).threads == 3


@pytest.mark.parametrize("text", ["torch:", "torch:,", "torch"])
def test_engine_without_options(text):
    assert parse_engine(text) == EngineChoice("torch")


@pytest.mark.parametrize("text", ["torch:key", "torch:=1", "torch:key="])
def test_engine_text_that_cannot_be_read(text):
    with pytest.raises(ConfigError, match="cannot read the engine"):
        parse_engine(text)


def test_options_have_values_that_they_can_have():
    with pytest.raises(ConfigError, match="one of none, basic, extended, all"):
        parse_engine("torch:optimization=much").session_options(0)
    with pytest.raises(ConfigError, match="threads is a number"):
        parse_engine("torch:threads=many").session_options(0)


def test_options_go_to_their_engine_and_give_way_to_its_own():
    engines = with_options(
        [parse_engine("torch"), parse_engine("openvino:A=1")],
        [parse_engine("openvino:A=2,B=3"), parse_engine("openvino:C=4")],
    )
    assert [dict(engine.options) for engine in engines] == [{}, {"A": "1", "B": "3", "C": "4"}]
    with pytest.raises(ConfigError, match="'tvm' is not measured"):
        with_options(engines, [parse_engine("tvm:A=1")])


def test_every_combination_is_a_contender_with_a_name_of_its_own(model):
    engines = [EngineChoice("torch"), EngineChoice("openvino")]
    found = list(contenders([model], engines, batches=[1, 4], threads=[1, 2]))
    combinations = {(c.engine.name, c.batch, c.threads) for c in found}
    assert combinations == set(itertools.product(("torch", "openvino"), (1, 4), (1, 2)))
    assert len({c.label for c in found}) == len(found) == 8
    by_batch = {c.batch: c for c in found}
    assert by_batch[4].flops == 4 * by_batch[1].flops
    assert by_batch[4].inputs["x"].shape[0] == 4
    (plain,) = contenders([model], engines[:1])
    assert plain.label == f"{model} on torch"


def test_a_dimension_without_a_size_is_an_error(tmp_path):
    graphs.two_inputs().save(tmp_path / "two.onnx")
    with pytest.raises(ShapeError, match="no size"):
        list(contenders([tmp_path / "two.onnx"], [EngineChoice("torch")]))


def test_speed_is_work_over_time(model):
    found = list(contenders([model], [EngineChoice("torch")], batches=[1, 4]))
    measured = {
        found[0].label: Latency((1.0, 2.0, 4.0), 1),
        found[1].label: Latency((4.0, 4.0, 4.0), 1),
    }
    flops = Measured(found[0].flops * 1000.0, 1.0, 1.0, 1)
    peaks = {0: ComputePeak(flops, "torch", 8, 0)}
    one, four = (speeds(found, measured, peaks)[c.label] for c in found)
    assert one.flops_per_s.value == pytest.approx(found[0].flops / 0.002)
    assert one.rows_per_s.value == pytest.approx(500)
    assert one.flops_per_s.low == pytest.approx(found[0].flops / 0.004)
    assert one.peak_share.value == pytest.approx(0.5)
    assert four.rows_per_s.value == pytest.approx(1000)
    assert one.times_faster.value == four.times_faster.value == 1.0  # each is the first of its batch size
    rows = sweep_rows(found, speeds(found, measured, {}))
    assert [row["batch"] for row in rows] == [1, 4]
    assert {row["series"] for row in rows} == {f"{model} on torch"}
    assert speeds(found, measured, {})[found[0].label].peak_share is None
    assert list(speeds(found, {found[1].label: measured[found[1].label]}, {})) == [found[1].label]
