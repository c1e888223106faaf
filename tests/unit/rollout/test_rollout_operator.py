"""Starting against a real registry, and what a person may undo at any moment."""

import numpy as np
import onnx
import pytest
import sqlalchemy as sa
from onnx import TensorProto, helper

from burnish.bundle import Bundle, PackRequest, pack
from burnish.bundle.manifest import EngineChoice
from burnish.errors import CapacityError, ConflictError, NotFoundError, ShapeError
from burnish.graph import ComputeGraph
from burnish.registry import Registry
from burnish.rollout import operator
from burnish.rollout.alias import RegistryAlias
from burnish.rollout.history import History, Phase
from burnish.rollout.launch import launch_rollout
from burnish.rollout.plan import RolloutPlan

PLAN = RolloutPlan(criterion="noninferior", margin=2.0, shadow_share=1.0)


def bundle(path, scale, width=4) -> Bundle:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", width])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", width])
    factor = helper.make_tensor("factor", TensorProto.FLOAT, [1], [scale])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "factor"], ["y"])], "g", [x], [y], [factor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    request = PackRequest(
        name="m",
        engine=EngineChoice(backend="onnxruntime"),
        golden_inputs={"x": np.ones((1, width), np.float32)},
    )
    return pack(path, ComputeGraph(model.SerializeToString()), request)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    return bundle(folder / "1", 1.0), bundle(folder / "2", 2.0), bundle(folder / "3", 1.0, width=5)


@pytest.fixture
def registry(tmp_path, bundles, fleet):
    store = Registry(tmp_path / "registry")
    for each in bundles:
        version = store.push(each)
        fleet.digests[str(version.version)] = version.digest
    store.set_alias("m", "primary", 1)
    yield store
    store.engine.dispose()


def start(registry, fleet, candidate="2", plan=PLAN):
    controller = launch_rollout("m", candidate=candidate, registry=registry, server=fleet, plan=plan)
    controller._clock, controller._sleep = fleet.clock, fleet.sleep
    return controller


def run_to_step(controller, fleet, step):
    while controller.state.step < step:
        controller.look()
        fleet.sleep(0.1)


def test_a_promotion_moves_the_alias_and_a_rollback_moves_it_back(registry, fleet):
    assert start(registry, fleet).run().phase is Phase.PROMOTED
    assert registry.get("m@primary").version == 2
    assert fleet.live.policy("m").primary == "2"
    undone = operator.rollback("m", registry=registry, server=fleet)
    assert undone.changed
    assert undone.state.phase is Phase.ROLLED_BACK
    assert undone.to_zero_ms < 1000
    assert registry.get("m@primary").version == 1
    assert (fleet.live.policy("m").primary, fleet.weight()) == ("1", 0)
    assert not operator.rollback("m", registry=registry, server=fleet).changed
    assert registry.verify_audit() > 0


def test_an_abort_ends_a_running_rollout_and_the_controller_leaves(registry, fleet):
    controller = start(registry, fleet)
    run_to_step(controller, fleet, 2)
    assert operator.abort("m", registry=registry, server=fleet, reason="cold feet").changed
    assert fleet.weight() == 0
    fleet.now += 5
    final = controller.run()
    assert (final.phase, final.reason) == (Phase.ABORTED, "cold feet")
    assert fleet.weight() == 0


def test_an_abort_when_idle_or_twice_changes_nothing(registry, fleet):
    with pytest.raises(NotFoundError, match="no rollout"):
        operator.abort("m", registry=registry, server=fleet)
    controller = start(registry, fleet)
    run_to_step(controller, fleet, 1)
    assert operator.abort("m", registry=registry, server=fleet).changed
    before = fleet.live.policy("m")
    assert not operator.abort("m", registry=registry, server=fleet).changed
    assert fleet.live.policy("m") == before


def test_rollback_of_a_running_rollout_is_an_abort(registry, fleet):
    controller = start(registry, fleet)
    run_to_step(controller, fleet, 2)
    assert operator.rollback("m", registry=registry, server=fleet).state.phase is Phase.ABORTED
    assert registry.get("m@primary").version == 1


def test_an_abort_then_a_restart_of_the_controller_keeps_the_weight_at_zero(registry, fleet, monkeypatch):
    controller = start(registry, fleet)
    run_to_step(controller, fleet, 2)

    def dies(*_, **__):
        raise SystemError("killed between the traffic and the database")

    fleet.behaviour["2"].failing = True
    for _ in range(5):
        fleet.sleep(0.1)
    monkeypatch.setattr(controller._history, "save", dies)
    with pytest.raises(SystemError):
        controller.look()
    controller._leader.release()
    assert fleet.live.policy("m").halted
    assert History(registry.engine).latest("m").phase is Phase.RUNNING
    assert start(registry, fleet).run().phase is Phase.ABORTED
    assert fleet.weight() == 0


def test_a_controller_that_died_while_promoting_is_completed(registry, fleet):
    controller = start(registry, fleet)
    run_to_step(controller, fleet, 4)
    RegistryAlias(registry, "m").move("2")
    controller._leader.release()
    assert start(registry, fleet).run().phase is Phase.PROMOTED
    assert fleet.live.policy("m").primary == "2"


def test_a_rollback_needs_no_database(registry, fleet, monkeypatch):
    controller = start(registry, fleet)
    run_to_step(controller, fleet, 2)

    def locked(*_, **__):
        raise sa.exc.OperationalError("UPDATE", {}, Exception("database is locked"))

    with monkeypatch.context() as patch:
        patch.setattr(operator, "take_leadership", locked)
        with pytest.raises(CapacityError, match="could not be stored"):
            operator.abort("m", registry=registry, server=fleet)
    assert fleet.weight() == 0
    assert operator.abort("m", registry=registry, server=fleet).changed


@pytest.mark.parametrize(
    ("candidate", "error", "word"),
    [
        ("9", NotFoundError, "no version 9"),
        ("1", ConflictError, "already"),
        ("3", ShapeError, "other inputs"),
    ],
)
def test_a_candidate_that_cannot_be_is_refused_and_traffic_stays(registry, fleet, candidate, error, word):
    before = fleet.live.policy("m")
    with pytest.raises(error, match=word):
        start(registry, fleet, candidate)
    assert fleet.live.policy("m") == before


def test_an_alias_that_disagrees_with_the_server_is_refused(registry, fleet):
    registry.set_alias("m", "primary", 3)
    with pytest.raises(ConflictError, match="the server's primary is 1"):
        start(registry, fleet)


def test_the_next_candidate_must_show_more(registry, fleet):
    controller = start(registry, fleet)
    run_to_step(controller, fleet, 1)
    operator.abort("m", registry=registry, server=fleet)
    again = start(registry, fleet)
    assert again.state.candidate_index == 2
    needs = {finding.name: finding.threshold for finding in again.look().findings}
    assert needs["noninferior"] == pytest.approx(4 * 164.5, rel=0.01)


def test_a_server_that_serves_something_else_under_the_version_is_refused(registry, fleet):
    fleet.digests["1"] = "sha256:other"
    with pytest.raises(ConflictError, match="digest sha256:other"):
        start(registry, fleet)


def test_a_candidate_that_is_loaded_already_is_not_loaded_again(registry, fleet, monkeypatch):
    fleet.loaded.add("2")
    monkeypatch.setattr(fleet, "load", lambda *_: pytest.fail("loaded again"))
    assert start(registry, fleet).run().phase is Phase.PROMOTED


def test_an_abort_that_crosses_a_promotion_undoes_it(registry, fleet, monkeypatch):
    controller = start(registry, fleet)
    run_to_step(controller, fleet, 4)
    take = operator.take_leadership

    def promoted_meanwhile(*args, **options):
        RegistryAlias(registry, "m").move("2")
        controller._finish(Phase.PROMOTED, "every step passed", {})
        return take(*args, **options)

    monkeypatch.setattr(operator, "take_leadership", promoted_meanwhile)
    stopped = operator.abort("m", registry=registry, server=fleet)
    assert stopped.state.phase is Phase.ROLLED_BACK
    assert registry.get("m@primary").version == 1
    assert (fleet.live.policy("m").primary, fleet.weight()) == ("1", 0)
