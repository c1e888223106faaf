"""The state machine: up on evidence, down on alarms, and nowhere else, whatever dies meanwhile."""

import pytest
import sqlalchemy as sa

from burnish.errors import ConflictError
from burnish.rollout.controller import Controller
from burnish.rollout.history import Phase
from burnish.rollout.leadership import take_leadership
from burnish.rollout.plan import GuardLimits, RolloutPlan
from burnish.rollout.traffic import TrafficPolicy

NONINFERIOR = RolloutPlan(criterion="noninferior", margin=2.0, shadow_share=1.0)
SUPERIOR = RolloutPlan(shadow_share=1.0)


@pytest.fixture
def make(fleet, history, alias):
    def controller(plan=NONINFERIOR, **options):
        leader = take_leadership(
            history.engine,
            "m",
            holder="test",
            lease_s=plan.lease_s,
            above=fleet.live.policy("m").fence,
            clock=fleet.clock,
            sleep=fleet.sleep,
        )
        state, _ = history.begin(leader, primary="1", candidate="2", plan=plan)
        fleet.load("m", "2", "m@2")
        return Controller(
            state,
            source="m@2",
            leader=leader,
            history=history,
            server=fleet,
            alias=alias,
            clock=fleet.clock,
            sleep=options.get("sleep", fleet.sleep),
        )

    return controller


def weights(fleet):
    changes = [policy.weight for policy in fleet.policies]
    return [w for i, w in enumerate(changes) if i == 0 or w != changes[i - 1]]


def break_at(controller, weight, fleet, **faults):
    """Break the candidate when it has reached a weight; returns what to give to `run`."""

    def on_look(snapshot):
        if snapshot.state.weight_percent == weight:
            for name, value in faults.items():
                setattr(fleet.behaviour["2"], name, value)

    return on_look


def test_an_equal_candidate_goes_all_the_way_up_on_non_inferiority(make, fleet, history, alias):
    controller = make()
    final = controller.run()
    assert final.phase is Phase.PROMOTED
    assert weights(fleet) == [0.0, 0.1, 0.25, 0.5, 1.0, 0.0]
    assert fleet.live.policy("m").primary == "2"
    assert alias.version() == "2"
    kinds = [event.kind for event in history.events(final.id)]
    assert kinds == ["started", "step", "step", "step", "step", "promoted"]


def test_a_better_candidate_goes_up_on_superiority(make, fleet):
    fleet.behaviour["2"].accuracy = 0.95
    assert make(SUPERIOR).run().phase is Phase.PROMOTED


def test_an_equal_candidate_is_never_called_superior_and_ends_undecided(make, fleet):
    plan = RolloutPlan(shadow_share=1.0, max_pairs=2_000)
    final = make(plan).run()
    assert final.phase is Phase.INCONCLUSIVE
    assert set(weights(fleet)) == {0.0}
    assert fleet.live.policy("m").halted


def test_a_worse_candidate_is_stopped_in_the_shadow(make, fleet):
    fleet.behaviour["2"].accuracy = 0.7
    final = make().run()
    assert final.phase is Phase.ABORTED
    assert final.reason.startswith("harm")
    assert set(weights(fleet)) == {0.0}


def test_without_labels_nothing_ever_rises(make, fleet):
    fleet.late_labels = True
    fleet.rate = 1  # no label has arrived before the time is over
    plan = RolloutPlan(shadow_share=1.0, timeout_s=2.5)
    final = make(plan).run()
    assert final.phase is Phase.INCONCLUSIVE
    assert set(weights(fleet)) == {0.0}


def test_late_labels_count_once_and_promote(make, fleet, history):
    fleet.late_labels = True
    final = make().run()
    assert final.phase is Phase.PROMOTED
    pairs = history.pairs(final.id)
    assert len({pair.prediction_id for pair in pairs}) == len(pairs)


@pytest.mark.parametrize(
    "fault", [{"failing": True}, {"nan": True}, {"accuracy": 0.1}, {"latency_ms": 100.0}]
)
@pytest.mark.parametrize("weight", [25, 50])
def test_a_fault_during_the_ramp_brings_the_weight_to_zero_first(make, fleet, history, fault, weight):
    controller = make(RolloutPlan(criterion="noninferior", margin=2.0, shadow_share=1.0, min_requests=100))
    final = controller.run(break_at(controller, weight, fleet, **fault))
    assert final.phase is Phase.ABORTED
    live = fleet.live.policy("m")
    assert (live.primary, live.weight, live.shadow, live.halted) == ("1", 0.0, "", True)
    event = history.events(final.id)[-1]
    assert event.kind == "aborted"
    assert event.facts["alarm_to_zero_ms"] >= 0
    assert any(finding["verdict"] == "abort" for finding in event.facts["findings"])


def test_a_fault_while_soaking_at_full_weight_is_caught(make, fleet):
    controller = make(RolloutPlan(criterion="noninferior", margin=2.0, shadow_share=1.0, soak_s=20.0))
    assert controller.run(break_at(controller, 100, fleet, accuracy=0.1)).phase is Phase.ABORTED


def test_the_soak_holds_the_promotion_back(make, fleet, history):
    final = make(RolloutPlan(criterion="noninferior", margin=2.0, shadow_share=1.0, soak_s=5.0)).run()
    assert final.phase is Phase.PROMOTED
    assert fleet.now >= 5


def test_a_controller_that_dies_leaves_no_weight_behind(make, fleet):
    controller = make()
    while fleet.weight() < 0.5:
        controller.look()
        fleet.sleep(0.1)
    fleet.now += NONINFERIOR.lease_s + 0.01
    assert {fleet.live.route("m", f"u{i}", {}).version for i in range(100)} == {"1"}


def test_a_successor_resumes_with_the_same_evidence_and_reads_nothing_twice(make, fleet, history):
    first = make()
    while first.state.step < 2:
        snapshot = first.look()
        fleet.sleep(0.1)
    stored = history.latest("m")
    second = make()  # waits until the silent first one's lease is over
    assert second.state == stored
    snapshot = second.look()
    pairs = history.pairs(stored.id)
    assert snapshot.pairs.n == len(pairs) == len({pair.prediction_id for pair in pairs})
    assert second.run().phase is Phase.PROMOTED
    assert first.run().phase is Phase.PROMOTED  # it was slow, not dead: it sees how things ended and leaves


def test_a_deposed_controller_cannot_raise_the_weight_again(make, fleet, history):
    first = make()
    while first.state.step < 2:
        first.look()
        fleet.sleep(0.1)
    operator = take_leadership(
        history.engine, "m", holder="operator", lease_s=10, above=fleet.live.policy("m").fence, force=True
    )
    fleet.live.apply("m", TrafficPolicy(primary="1", halted=True, fence=operator.token))
    fleet.now += 5
    with pytest.raises(ConflictError):
        first.run()
    assert fleet.weight() == 0


def test_an_interruption_sets_the_weight_to_zero_and_leaves_the_rollout_resumable(make, fleet, history):
    controller = make()

    def interrupt(snapshot):
        if snapshot.state.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        controller.run(interrupt)
    assert fleet.weight() == 0
    assert history.latest("m").phase is Phase.RUNNING
    assert make().run().phase is Phase.PROMOTED


def test_a_server_that_restarts_gets_its_candidate_again(make, fleet):
    controller = make()
    restarted = []

    def restart(snapshot):
        if snapshot.state.step == 2 and not restarted:
            restarted.append(True)
            fleet.restart()

    assert controller.run(restart).phase is Phase.PROMOTED
    assert restarted


def test_an_unreachable_server_is_waited_for_and_no_weight_rises(make, fleet):
    controller = make()
    for _ in range(5):
        controller.look()
        fleet.sleep(0.1)
    fleet.reachable = False
    before = controller.state.step
    for _ in range(5):
        controller._look_patiently(None)
        fleet.sleep(0.1)
    assert controller.state.step == before
    fleet.reachable = True
    assert controller.run().phase is Phase.PROMOTED


def test_a_database_that_is_gone_keeps_the_weight_down_and_does_not_delay_a_rollback(
    make, fleet, history, monkeypatch
):
    controller = make(RolloutPlan(criterion="noninferior", margin=2.0, shadow_share=1.0, min_requests=200))
    while controller.state.step < 1:
        controller.look()
        fleet.sleep(0.1)
    save = history.save
    gone = sa.exc.OperationalError("UPDATE", {}, Exception("database is locked"))

    def locked(*_, **__):
        raise gone

    monkeypatch.setattr(history, "save", locked)
    for _ in range(30):
        controller._look_patiently(None)
        fleet.sleep(0.1)
    assert fleet.weight() == 0.1
    fleet.behaviour["2"].failing = True

    def give_back(seconds):
        assert fleet.live.policy("m").halted  # traffic first, the record when it can
        monkeypatch.setattr(history, "save", save)

    for _ in range(3):
        fleet.sleep(0.1)
    controller._sleep = give_back
    controller._look_patiently(None)
    assert history.latest("m").phase is Phase.ABORTED


def test_an_alias_that_somebody_moved_stops_the_promotion(make, fleet, alias):
    alias.error = ConflictError("alias 'primary' has moved")
    final = make().run()
    assert final.phase is Phase.ABORTED
    assert fleet.live.policy("m").primary == "1"
    assert fleet.weight() == 0


def test_few_users_give_little_evidence_however_often_they_ask(make, fleet):
    fleet.users = 20
    final = make(RolloutPlan(criterion="noninferior", margin=2.0, shadow_share=1.0, timeout_s=6)).run()
    assert final.phase is Phase.INCONCLUSIVE


def test_constant_answers_are_caught_without_labels(make, fleet, monkeypatch):
    answer = fleet._answer
    monkeypatch.setattr(
        fleet, "_answer", lambda v, label, luck: answer(v, label, luck) | ({"answer": 7} if v == "2" else {})
    )
    plan = RolloutPlan(shadow_share=1.0, guards=GuardLimits(constant_pairs=60))
    fleet.late_labels = True
    fleet.rate = 10
    final = make(plan).run()
    assert final.phase is Phase.ABORTED


def test_two_steps_can_be_configured(make, fleet):
    make(RolloutPlan(criterion="noninferior", margin=2.0, shadow_share=1.0, steps=(50, 100))).run()
    assert weights(fleet) == [0.0, 0.5, 1.0, 0.0]


def test_what_was_seen_before_the_rollout_is_no_evidence(make, fleet):
    fleet.load("m", "2", "m@2")
    fleet.live.apply("m", TrafficPolicy(primary="1", shadow="2", shadow_share=1.0))
    fleet.sleep(0.1)
    controller = make()
    assert controller.look().pairs.n == 0
    fleet.sleep(0.1)
    assert controller.look().pairs.n == fleet.rate


def test_observations_that_the_server_forgot_are_counted(make, fleet):
    controller = make()
    fleet.sleep(0.1)
    del fleet.log[:10]
    fleet.forgotten = 10
    snapshot = controller.look()
    assert (snapshot.missed, snapshot.observed) == (10, fleet.rate - 10)
