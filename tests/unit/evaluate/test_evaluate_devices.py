"""A graph evaluated on devices: what each can do, and what is wrong is named."""

import pytest

from burnish.errors import ConfigError, ShapeError, UnsupportedDeviceError
from burnish.evaluate.device_choice import choose_devices
from burnish.evaluate.devices import EvaluateOptions, cost_model_for, evaluate_devices
from burnish.hardware.as_run import as_run
from burnish.hardware.calibrated import CalibratedModel
from burnish.hardware.catalog import devices as known_devices
from burnish.hardware.device import Device
from burnish.hardware.estimate import WorkTime
from burnish.hardware.tco import CostOptions
from burnish.testing.graphs import from_text, network, two_inputs, unknown_operator

FAST = Device(
    name="fast",
    title="Fast",
    kind="gpu",
    peaks={"float32": 1e9, "int8": 4e9},
    bandwidth=1e9,
    memory_bytes=1e9,
    power_w=100.0,
    price_usd=1000.0,
)
SLOW = Device(
    name="slow",
    title="Slow",
    kind="cpu",
    peaks={"float32": 1e6},
    bandwidth=1e8,
    memory_bytes=1e9,
    power_w=5.0,
    price_usd=50.0,
)


class Roofline:
    """Whole peaks and a small fixed share for each operator."""

    basis = "by hand"

    def __init__(self, device):
        self.device = device

    def time(self, work):
        seconds = 1e-5 + max(
            work.flops / self.device.peak(work.dtype) if work.flops else 0.0,
            work.bytes / self.device.bandwidth,
        )
        return WorkTime(work, seconds, 0.8 * seconds, 1.2 * seconds, "compute")


def evaluated(graph, *devices, slo_ms=100.0, traffic_rps=10.0, **options):
    return evaluate_devices(
        graph,
        devices,
        slo_ms=slo_ms,
        traffic_rps=traffic_rps,
        options=EvaluateOptions(**options),
        model_for=Roofline,
    )


def test_every_device_gets_a_row_in_the_given_order():
    found = evaluated(network(), SLOW, FAST)
    assert [row.name for row in found.rows] == ["slow", "fast"]
    assert {row.verdict for row in found.rows} == {"feasible"}
    assert found.winner is not None
    assert set(found.ranked) == {"slow", "fast"}


def test_a_device_without_the_dtype_is_named_and_the_others_stay():
    found = evaluated(network(), SLOW, FAST, dtype="int8")
    assert found.of("slow").verdict == "infeasible"
    assert "slow has no peak for int8" in found.of("slow").sizing.reasons[0]
    assert found.of("fast").dtype == "int8"
    assert found.winner.name == "fast"


def test_best_takes_the_fastest_dtype_of_each_device():
    found = evaluated(network(), SLOW, FAST, dtype="best")
    assert (found.of("slow").dtype, found.of("fast").dtype) == ("float32", "int8")


def test_pruning_saves_time():
    whole, half = (evaluated(network(), SLOW, prune=share).of("slow").single.seconds for share in (0.0, 0.5))
    assert half < whole


def test_a_graph_with_a_fixed_batch_runs_in_that_batch_alone():
    fixed = from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        fixed (float[6, 3] x) => (float[6, 3] y) { y = Relu(x) }
    """)
    row = evaluated(fixed, FAST, traffic_rps=1000.0).of("fast")
    assert row.fleet.batch == 6
    assert row.fleet.rows_per_s == pytest.approx(6 / row.estimate.seconds)


@pytest.mark.parametrize(
    ("tokens", "state", "sizes"),
    [("128, 1, 4", "2, 1, 4", {}), ("seq, 1, 4", "layers, 1, 4", {"seq": 128, "layers": 2})],
)
def test_leading_dimensions_that_differ_are_not_a_batch(tokens, state, sizes):
    recurrent = from_text(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        recurrent (float[{tokens}] x, float[{state}] h) => (float[{tokens}] y, float[{state}] g)
        {{ y = Relu(x)  g = Tanh(h) }}
    """)
    row = evaluated(recurrent, FAST, sizes=sizes).of("fast")
    assert row.fleet.batch == 1
    assert row.fleet.rows_per_s == pytest.approx(1 / row.estimate.seconds)


def test_a_graph_without_a_leading_dimension_runs_one_at_a_time():
    scalar = from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        scalar (float x) => (float y) { y = Relu(x) }
    """)
    assert evaluated(scalar, FAST, traffic_rps=1000.0).of("fast").fleet.batch == 1


def test_a_batch_given_as_a_size_is_the_only_one():
    row = evaluated(network(), FAST, traffic_rps=1000.0, sizes={"batch": 4}).of("fast")
    assert row.fleet.batch == 4


def test_an_operator_without_a_rule_is_counted_and_named():
    found = evaluated(unknown_operator(), FAST)
    assert found.of("fast").verdict == "uncertain"
    assert any("no cost rule for 1 x" in reason for reason in found.of("fast").sizing.reasons)
    assert (found.winner, found.ranked, found.of("fast").fleet) == (None, {}, None)  # nothing else is in it


def test_an_unknown_dtype_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'int9' is not known .*did you mean 'int8'"):
        EvaluateOptions(dtype="int9")


def test_a_dimension_without_a_size_is_the_graphs_fault_not_the_devices():
    with pytest.raises(ShapeError, match=r"\(n\)"):
        evaluated(two_inputs(), FAST, SLOW)
    assert evaluated(two_inputs(), FAST, sizes={"n": 4}).of("fast").verdict == "feasible"


@pytest.mark.parametrize("wrong", [{"slo_ms": 0.0}, {"traffic_rps": -3.0}])
def test_impossible_demands_are_refused(wrong):
    with pytest.raises(ConfigError):
        evaluated(network(), FAST, **wrong)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_nothing_is_left_of_a_model_pruned_away(share):
    with pytest.raises(ConfigError, match="prune"):
        EvaluateOptions(prune=share)


def test_devices_of_the_catalogue_are_estimated_from_their_data_sheets():
    t4 = known_devices()["nvidia-t4"]
    assert cost_model_for(t4).device is t4
    found = evaluate_devices(
        network(),
        [t4],
        slo_ms=50,
        traffic_rps=100,
        options=EvaluateOptions(cost=CostOptions(prices={"nvidia-t4": 900})),
    )
    assert found.winner.name == "nvidia-t4"
    assert found.winner.estimate.basis == "data sheet"


class Calibrated(Roofline, CalibratedModel):
    """Stands for a model that was learned from measurements."""


def test_a_calibrated_model_is_asked_about_what_the_engine_runs(monkeypatch):
    listed = []

    def listing(graph, engine, **how):
        listed.append((engine, how["batch"]))
        return as_run(graph, engine, **how)

    monkeypatch.setattr("burnish.evaluate.devices.as_run", listing)
    ask = {"slo_ms": 100.0, "traffic_rps": 10.0, "options": EvaluateOptions(engine="openvino")}
    evaluate_devices(network(), [FAST], **ask, model_for=Roofline)
    assert listed == []
    evaluate_devices(network(), [FAST], **ask, model_for=Calibrated)
    assert listed[0] == ("openvino", 1)
    assert len(listed) == len(set(listed))  # each batch once


def test_devices_are_chosen_by_name_by_kind_and_each_once():
    named = choose_devices(["nvidia-t4", "gpu", "nvidia-t4"])
    assert named[0].name == "nvidia-t4"
    assert {device.kind for device in named} == {"gpu"}
    assert len({device.name for device in named}) == len(named)
    assert len(choose_devices(["all"])) == len(known_devices())


def test_this_machine_and_its_cards_are_measured_not_looked_up(monkeypatch):
    module = "burnish.evaluate.device_choice"
    monkeypatch.setattr(f"{module}.this_device", lambda: SLOW)
    monkeypatch.setattr(f"{module}.cards", lambda: {"cuda:0": "Fast"})
    monkeypatch.setattr(f"{module}.this_card", lambda name: FAST if name == "cuda:0" else None)
    assert choose_devices(["this-machine", "cuda:0"]) == [SLOW, FAST]
    with pytest.raises(UnsupportedDeviceError, match="cuda:1"):
        choose_devices(["cuda:1"])


def test_an_unknown_device_is_refused_with_the_nearest():
    with pytest.raises(UnsupportedDeviceError, match="nvidia-t4"):
        choose_devices(["nvidia-t44"])
