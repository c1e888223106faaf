"""The database keeps one leader, one running rollout, every pair once, and all or nothing."""

import itertools
import threading

import pytest
import sqlalchemy as sa

from burnish.errors import ConflictError, NotFoundError
from burnish.rollout.history import History, Pair, Phase
from burnish.rollout.leadership import take_leadership
from burnish.rollout.plan import GuardLimits, RolloutPlan

PLAN = RolloutPlan(criterion="noninferior", margin=2.0, guards=GuardLimits(error_rate=0.02))


@pytest.fixture
def history(tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'registry.db'}")
    yield History(engine)
    engine.dispose()


class FakeTime:
    """A clock that moves only when somebody sleeps; ``during`` runs meanwhile."""

    def __init__(self, during=lambda: None):
        self.now = 0.0
        self.during = during

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.during()


def lead(history, holder="one", time=None, **options):
    time = time or FakeTime()
    return take_leadership(
        history.engine, "m", holder=holder, lease_s=10, clock=time.clock, sleep=time.sleep, **options
    )


def begin(history, leader, candidate="2", plan=PLAN):
    return history.begin(leader, primary="1", candidate=candidate, plan=plan)


def beat(history, leader):
    with history.engine.begin() as connection:
        leader.confirm(connection)


def test_a_free_lease_is_taken_at_once_and_every_owner_gets_a_larger_token(history):
    time = FakeTime()
    tokens = []
    for _ in range(3):
        leader = lead(history, time=time)
        tokens.append(leader.token)
        leader.release()
    assert tokens == sorted(set(tokens))
    assert time.now == 0


def test_a_living_leader_keeps_its_lease(history):
    first = lead(history)
    with pytest.raises(ConflictError, match="led by one"):
        lead(history, "two", FakeTime(during=lambda: beat(history, first)))
    beat(history, first)


def test_a_silent_leader_is_succeeded_after_a_whole_lease_and_then_refused(history):
    first = lead(history)
    time = FakeTime()
    second = lead(history, "two", time)
    assert time.now >= 10
    assert second.token > first.token
    with pytest.raises(ConflictError, match="taken over"):
        beat(history, first)
    first.release()  # of a lease that is no longer its own: nothing happens
    beat(history, second)


def test_an_operator_takes_over_at_once(history):
    first, time = lead(history), FakeTime()
    lead(history, "operator", time, force=True)
    assert time.now == 0
    with pytest.raises(ConflictError, match="taken over"):
        beat(history, first)


def test_a_new_token_exceeds_the_one_that_routers_know(history):
    assert lead(history, above=41).token == 42


def test_of_two_who_wait_one_wins(history):
    lead(history)
    barrier = threading.Barrier(2)
    results = []

    def contend(name):
        time = FakeTime(during=lambda: None)
        barrier.wait()
        try:
            results.append(lead(history, name, time))
        except ConflictError:
            results.append(None)

    threads = [threading.Thread(target=contend, args=(name,)) for name in ("two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [result for result in results if result is not None]
    assert len(winners) >= 1
    with_lease = []
    for winner in winners:
        try:
            beat(history, winner)
            with_lease.append(winner)
        except ConflictError:
            pass
    assert len(with_lease) == 1


def test_a_rollout_comes_back_as_it_was_stored(history):
    leader = lead(history)
    state, resumed = begin(history, leader)
    assert not resumed
    assert begin(history, leader) == (state, True)
    assert history.latest("m") == state
    assert state.plan == PLAN


def test_another_candidate_or_another_plan_is_refused_while_one_runs(history):
    leader = lead(history)
    begin(history, leader)
    with pytest.raises(ConflictError, match="version '2'"):
        begin(history, leader, candidate="3")
    with pytest.raises(ConflictError, match="another plan"):
        begin(history, leader, plan=RolloutPlan())


def test_every_candidate_against_one_primary_is_counted(history):
    leader = lead(history)
    for k, candidate in enumerate(("2", "3", "2"), start=1):
        state, _ = begin(history, leader, candidate)
        assert state.candidate_index == k
        history.save(leader, end(state))
    assert [state.candidate for state in history.rollouts("m")] == ["2", "3", "2"]
    assert [state.candidate_index for state in history.rollouts("m")] == [3, 2, 1]


def end(state, phase=Phase.ABORTED):
    from dataclasses import replace

    return replace(state, phase=phase)


def test_a_pair_counts_once_and_a_refused_transaction_leaves_nothing(history):
    leader = lead(history)
    state, _ = begin(history, leader)
    first = [Pair("a", "u", 1), Pair("b", "", -1), Pair("c", "v", 0)]
    history.save(leader, state, new_pairs=first)
    with pytest.raises(sa.exc.IntegrityError):
        history.save(leader, end(state), new_pairs=[Pair("d", "u", 1), Pair("a", "u", 1)], event=("x", {}))
    assert history.pairs(state.id) == first
    assert history.latest("m").phase is Phase.RUNNING
    assert [event.kind for event in history.events(state.id)] == ["started"]


def test_a_deposed_leader_can_store_nothing(history):
    old = lead(history)
    state, _ = begin(history, old)
    lead(history, "operator", force=True)
    with pytest.raises(ConflictError):
        history.save(old, end(state, Phase.PROMOTED), new_pairs=[Pair("a", "u", 1)])
    assert history.latest("m").phase is Phase.RUNNING
    assert history.pairs(state.id) == []


def test_the_timeline_is_in_order(history):
    leader = lead(history)
    state, _ = begin(history, leader)
    for k in range(5):
        history.save(leader, state, event=("step", {"k": k}))
    assert [event.facts.get("k") for event in history.events(state.id)] == [None, *range(5)]
    assert all(a.at <= b.at for a, b in itertools.pairwise(history.events(state.id)))


def test_a_model_without_rollout_is_not_found(history):
    with pytest.raises(NotFoundError, match="no rollout"):
        history.latest("m")
