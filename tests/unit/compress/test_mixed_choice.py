"""What a search for mixed precision compares the mixtures by."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from burnish.compress.mixed import MixedConfig, MixedResult, Point, Scan, search_mixed
from burnish.compress.mixed.judging import Judge
from burnish.compress.mixed.search import FLOAT, choose
from burnish.compress.quantize import QuantScheme
from burnish.compress.target_engine import EngineConfig
from burnish.errors import ConfigError
from burnish.evaluate.accuracy import Interval
from burnish.evaluate.latency import BenchConfig, Latency
from burnish.graph import ComputeGraph

ENGINE = EngineConfig(
    backend="onnxruntime", batch=1, threads=1, bench=BenchConfig(rounds=2, warmup=1, pause_s=0)
)


def point(name, latency_ms, speedup, *, lost=0.0, low=None):
    interval = Interval(speedup, speedup - 0.1 if low is None else low, speedup + 0.1, 9)
    loss = Interval(-lost, -lost, -lost, 9)
    return Point(name, {}, 30.0, loss, 100, Latency((latency_ms,), 1), interval, Path(name))


def test_gains_are_compared_where_they_were_measured():
    """The first run of rounds met a slow machine: there 3 ms were a gain of two, later 2.5 ms were hardly one."""
    points = [point(FLOAT, 6.0, 1.0), point("early", 3.0, 2.0), point("late", 2.5, 1.2)]
    assert choose(points, 1.0).name == "early"
    facts = MixedResult((), Scan((), {}), tuple(points), points[1]).to_dict()["points"]
    assert [one["name"] for one in facts if one["on_front"]] == ["early"]


def test_only_what_passes_and_is_faster_for_sure_is_chosen():
    unsure, wrong = point("unsure", 1.0, 3.0, low=0.9), point("wrong", 1.0, 3.0, lost=0.05)
    alone = point(FLOAT, 6.0, 1.3)  # by chance
    assert choose([alone, unsure, wrong], 1.0).name == FLOAT
    assert choose([alone, unsure, wrong, point("good", 5.0, 1.2)], 1.0).name == "good"


@pytest.fixture(scope="module")
def poor(graph):
    """A network that answers one class for another, as a badly pruned one may."""
    model = graph.model.clone()
    bias = model.graph.initializers["head.bias"]
    bias.const_value = ir.tensor(bias.const_value.numpy() + np.float32([100] + [0] * 9), name=bias.name)
    return ComputeGraph(model)


def test_the_score_counts_from_the_original_and_the_noise_from_the_graph_itself(graph, poor, task):
    valid = task.split("valid")
    noise, difference = Judge(poor, task, valid, ENGINE, graph)(poor)
    assert noise == pytest.approx(300)
    assert difference.value < -0.3
    assert Judge(poor, task, valid, ENGINE)(poor)[1].value == 0


def test_a_network_that_is_below_the_floor_already_has_no_good_mixture(graph, poor, task, tmp_path):
    config = MixedConfig(methods=("static",), scheme=QuantScheme(samples=8), engine=ENGINE, most_groups=1)
    config = replace(config, scan_examples=16, most_points=1)
    found = search_mixed(poor, task, config, original=graph, work=tmp_path)
    assert found.chosen.name == FLOAT
    assert not any(one.passes(1.0) for one in found.points)
    assert np.isfinite([effect.sqnr_db for effect in found.scan.effects]).all()


def test_a_setting_that_no_method_of_the_search_reads_is_refused():
    with pytest.raises(ConfigError, match="calibration='kl' means nothing to the method dynamic"):
        MixedConfig(methods=("dynamic",), scheme=QuantScheme(calibration="kl"))
