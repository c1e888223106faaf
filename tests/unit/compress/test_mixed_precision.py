import itertools
import json

import numpy as np
import onnx_ir as ir
import pytest

from burnish.compress.mixed import MixedConfig, search_mixed
from burnish.compress.mixed.groups import OTHERS, groups_of
from burnish.compress.mixed.judging import Judge, signal_to_noise_db
from burnish.compress.mixed.mixture import mix, with_names
from burnish.compress.mixed.path import FLOAT, Form, path
from burnish.compress.quantize import QuantScheme
from burnish.compress.quantize.layers import multiplying
from burnish.compress.reporter import Reporter
from burnish.compress.target_engine import EngineConfig
from burnish.errors import BackendError, UnsupportedOpError
from burnish.evaluate.latency import BenchConfig
from burnish.graph import ComputeGraph
from burnish.testing.graphs import double

CONFIG = MixedConfig(
    scheme=QuantScheme(samples=16),
    engine=EngineConfig(threads=1, bench=BenchConfig(rounds=2, warmup=1, pause_s=0)),
    scan_examples=32,
    floor_points=3.0,
)


@pytest.fixture(scope="module")
def searched(graph, task, tmp_path_factory):
    work = tmp_path_factory.mktemp("mixed")
    return search_mixed(graph, task, CONFIG, work=work), work


def test_the_outcome_keeps_the_floor_and_its_file_is_there(searched, graph, task):
    result, _ = searched
    assert result.chosen.name == "float" or result.chosen.passes(CONFIG.floor_points)
    test = task.split("test")
    for point in result.points:
        answers = ComputeGraph(point.graph).infer(test.inputs)
        assert task.scores(answers, test.labels).mean() > 0.9


def test_the_curve_is_plain_data_with_every_uniform_mixture(searched):
    facts = json.loads(json.dumps(searched[0].to_dict()))
    names = {point["name"] for point in facts["points"]}
    assert {"float", "static everywhere", "static, float ends", "dynamic everywhere"} <= names
    assert sum(point["chosen"] for point in facts["points"]) == 1
    assert any(point["on_front"] for point in facts["points"])
    assert all("linear layer" in reason for reason in facts["impossible"].values())


def test_every_group_was_scanned_by_every_method(searched):
    result, _ = searched
    scanned = {f"{effect.group} / {effect.method}" for effect in result.scan.effects}
    every = {f"{group.name} / {method}" for group in result.groups for method in CONFIG.methods}
    assert scanned | set(result.scan.impossible) == every
    assert all(effect.sqnr_db > 10 for effect in result.scan.effects)


def test_a_finished_search_is_taken_as_it_was(searched, graph, task):
    result, work = searched
    assert search_mixed(graph, task, CONFIG, work=work).to_dict() == result.to_dict()


def test_an_interrupted_search_goes_on(graph, task, tmp_path):
    class StopError(Exception):
        pass

    def stop(progress):
        if progress.done == 3:
            raise StopError

    with pytest.raises(StopError):
        search_mixed(graph, task, CONFIG, work=tmp_path, reporter=Reporter(on_progress=stop))
    done = sorted(folder.name for folder in tmp_path.iterdir() if folder.name.startswith("scan-"))
    stamps = {name: (tmp_path / name / "result.json").stat().st_mtime_ns for name in done}
    search_mixed(graph, task, CONFIG, work=tmp_path)
    assert len(done) == 3
    assert {name: (tmp_path / name / "result.json").stat().st_mtime_ns for name in done} == stamps


def test_mixtures_quantize_exactly_what_was_chosen(graph, task):
    named = with_names(graph)
    first, *_, last = [node.name for node in multiplying(named.model.graph)]
    mixed = mix(named, task.split("train"), {first: "static", last: "dynamic"}, QuantScheme(samples=8))
    assert mixed.operators()["MatMulInteger"] == 1
    stored = [
        v for v in mixed.model.graph.initializers.values() if v.dtype.name == "INT8" and len(v.shape) > 1
    ]
    assert len(stored) == 2
    assert mix(named, task.split("train"), {}, QuantScheme()) is named


def test_groups_cover_each_multiplying_node_once(graph):
    model = with_names(graph).model.graph
    nodes = sorted(node.name for node in multiplying(model))
    for grouping, most in itertools.product(("role", "node"), (1, 2, 99)):
        groups = groups_of(model, grouping, most)
        assert len(groups) <= most
        assert sorted(name for group in groups for name in group.nodes) == nodes
    assert OTHERS in {group.name for group in groups_of(model, "node", 2)}


def test_a_graph_without_products_is_refused(task, tmp_path):
    with pytest.raises(UnsupportedOpError, match="nothing in the graph multiplies"):
        search_mixed(double(), task, CONFIG, work=tmp_path)


def test_the_path_holds_the_best_mixture_for_every_price_of_noise():
    rng = np.random.default_rng(0)
    for _ in range(50):
        forms = {
            name: [
                Form(method, rng.uniform(0.01, 1), rng.uniform(-2, 0.5)) for method in ("static", "dynamic")
            ]
            for name in "abc"
        }
        known = {name: {form.method: form for form in (*ways, FLOAT)} for name, ways in forms.items()}

        def total(choice, price, known=known):
            return sum(known[g][m].cost_ms + price * known[g][m].noise for g, m in choice.items())

        found = path(forms)
        assert found[-1] == dict.fromkeys(forms)
        every = [
            dict(zip(forms, methods, strict=True))
            for methods in itertools.product(("static", "dynamic", None), repeat=3)
        ]
        for price in (0, 0.1, 1, 3, 10, 1e6):
            assert min(total(c, price) for c in found) == pytest.approx(min(total(c, price) for c in every))


def test_a_form_that_is_no_faster_is_never_chosen():
    assert path({"a": [Form("static", 0.1, 0.0)]}) == [{"a": None}]


def test_a_mixture_whose_numbers_overflow_is_impossible(graph, task):
    model = graph.model.clone()
    node = next(node for node in model.graph if node.op_type == "Gemm")
    node.inputs[2].const_value = ir.tensor(np.full_like(node.inputs[2].const_value.numpy(), np.inf))
    judge = Judge(graph, task, task.split("valid"), CONFIG.engine)
    with pytest.raises(BackendError, match=r"'logits' is not finite in .* first in example 0"):
        judge(ComputeGraph(model))


def test_noise_of_equal_outputs_is_bounded():
    x = {"y": np.ones((2, 3), np.float32)}
    assert signal_to_noise_db(x, x) == pytest.approx(300)


@pytest.mark.parametrize(
    "settings",
    [
        {"methods": ()},
        {"methods": ("float16",)},
        {"methods": ("static", "static")},
        {"scheme": QuantScheme(keep_ends_float=True)},
        {"most_points": 0},
        {"floor_points": -1.0},
    ],
)
def test_a_search_that_makes_no_sense_is_refused(settings):
    with pytest.raises(ValueError, match=r"must|methods|keep_float"):
        MixedConfig(**settings)
