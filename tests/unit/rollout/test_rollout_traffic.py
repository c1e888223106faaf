"""Routing: stable, sticky, swapped whole, and back at the primary when the lease ends."""

import threading

import pytest

from burnish.errors import ConfigError, ConflictError, NotFoundError
from burnish.rollout.traffic import LiveTraffic, Route, TrafficPolicy, bucket

USERS = [f"user-{i}" for i in range(4_000)]


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def live(clock=None, **policy):
    traffic = LiveTraffic(clock or Clock())
    traffic.apply("m", TrafficPolicy(primary="1", **policy))
    return traffic


def canary_users(traffic):
    return {user for user in USERS if traffic.route("m", user, {}).version == "2"}


def test_a_policy_survives_json():
    policy = TrafficPolicy(
        primary="1", canary="2", weight=0.25, shadow="2", shadow_share=1, pins={"a": "canary"}
    )
    assert TrafficPolicy.from_dict(policy.to_dict()) == policy


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"primary": ""}, "primary"),
        ({"weight": 1.5}, "weight"),
        ({"canary": "", "weight": 0.1}, "canary"),
        ({"shadow_share": -0.1}, "shadow_share"),
        ({"shadow": "", "shadow_share": 0.1}, "shadow"),
        ({"canary": "1"}, "primary"),
        ({"lease_s": 0}, "lease_s"),
        ({"wieght": 0.1}, "did you mean 'weight'"),
        ({"weight": "much"}, "weight"),
        ({"pins": {"a": "shadow"}}, "pins"),
    ],
)
def test_a_wrong_policy_is_refused_by_name(change, word):
    base = {"primary": "1", "canary": "2", "weight": 0.1, "shadow": "2", "shadow_share": 0.1}
    with pytest.raises(ConfigError, match=word):
        TrafficPolicy.from_dict(base | change)


def test_a_policy_without_primary_is_refused():
    with pytest.raises(ConfigError, match="primary is missing"):
        TrafficPolicy.from_dict({})


def test_an_unknown_model_is_not_found():
    with pytest.raises(NotFoundError, match="'x'"):
        live().route("x", "", {})
    with pytest.raises(NotFoundError, match="'x'"):
        live().policy("x")


def test_without_canary_everything_goes_to_the_primary():
    assert {live().route("m", user, {}) for user in USERS} == {Route("1")}


@pytest.mark.parametrize("weight", [0.1, 0.25, 0.5])
def test_the_share_of_users_is_the_weight(weight):
    share = len(canary_users(live(canary="2", weight=weight))) / len(USERS)
    assert share == pytest.approx(weight, abs=0.03)


def test_requests_without_a_key_are_shared_at_random():
    traffic = live(canary="2", weight=0.5)
    served = [traffic.route("m", "", {}).version for _ in range(2_000)]
    assert served.count("2") == pytest.approx(1_000, abs=150)


def test_full_weight_takes_everybody():
    assert canary_users(live(canary="2", weight=1.0)) == set(USERS)


def test_raising_the_weight_moves_nobody_back_and_replicas_agree():
    before = set()
    for weight in (0.1, 0.25, 0.5, 1.0):
        users = canary_users(live(canary="2", weight=weight))
        assert before <= users
        assert users == canary_users(live(canary="2", weight=weight))
        before = users


def test_another_candidate_draws_other_users():
    second = live(canary="3", weight=0.1)
    other = {user for user in USERS if second.route("m", user, {}).version == "3"}
    assert len(other & canary_users(live(canary="2", weight=0.1))) < 0.5 * len(other)


def test_the_hash_never_changes():
    assert bucket(b"digits/2/", "user-1") == 0.8151493994897591


def test_every_weight_is_gone_when_the_lease_ends():
    clock = Clock()
    traffic = live(clock, canary="2", weight=1.0, lease_s=10, pins={"vip": "canary"})
    clock.now += 9.99
    assert traffic.route("m", "vip", {}).version == "2"
    assert traffic.lease_left_s("m") == pytest.approx(0.01)
    clock.now += 0.02
    assert canary_users(traffic) == set()
    assert traffic.route("m", "vip", {"x-burnish-arm": "canary"}).version == "1"
    assert traffic.lease_left_s("m") == 0


def test_applying_again_renews_the_lease():
    clock = Clock()
    traffic = live(clock, canary="2", weight=1.0, lease_s=10)
    clock.now += 9
    traffic.apply("m", traffic.policy("m"))
    clock.now += 9
    assert traffic.route("m", "a", {}).version == "2"


def test_pins_and_header_choose_the_arm_while_the_canary_is_live():
    traffic = live(canary="2", weight=1e-9, pins={"vip": "canary", "shy": "primary"})
    assert traffic.route("m", "vip", {}).version == "2"
    assert traffic.route("m", "vip", {"x-burnish-arm": "primary"}).version == "1"
    assert traffic.route("m", "someone", {"x-burnish-arm": "canary"}).version == "2"
    assert traffic.route("m", "someone", {"x-burnish-arm": "nonsense"}).version == "1"
    traffic.apply("m", TrafficPolicy(primary="1", pins={"vip": "canary"}))
    assert traffic.route("m", "vip", {"x-burnish-arm": "canary"}).version == "1"


def test_mirrors_go_the_other_way_when_the_canary_serves():
    traffic = live(canary="2", weight=0.5, shadow="2", shadow_share=1.0)
    assert {traffic.route("m", user, {}) for user in USERS} == {Route("1", "2"), Route("2", "1")}


def test_the_mirrored_share_is_kept_at_every_weight():
    traffic = live(canary="2", weight=0.5, shadow="2", shadow_share=0.1)
    mirrored = sum(traffic.route("m", user, {}).shadow is not None for user in USERS)
    assert mirrored / len(USERS) == pytest.approx(0.1, abs=0.03)


def test_an_older_fencing_token_is_refused_and_changes_nothing():
    traffic = live(fence=5)
    with pytest.raises(ConflictError, match="older"):
        traffic.apply("m", TrafficPolicy(primary="1", canary="2", weight=1.0, fence=4))
    assert traffic.policy("m").weight == 0
    traffic.apply("m", TrafficPolicy(primary="2", fence=5))
    assert traffic.policy("m").primary == "2"


def test_routing_while_policies_change_only_ever_sees_whole_ones():
    traffic = live(canary="2", weight=1.0)
    stop = threading.Event()
    seen = set()

    def read():
        while not stop.is_set():
            seen.add(traffic.route("m", "a", {}))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(500):
        traffic.apply("m", TrafficPolicy(primary="1", canary="2", weight=1.0))
        traffic.apply("m", TrafficPolicy(primary="3"))
    stop.set()
    reader.join()
    assert seen <= {Route("2"), Route("3")}


def test_a_policy_may_only_name_versions_that_are_loaded():
    traffic = live()
    wanted = {"primary": "1", "canary": "2", "weight": 0.1}
    with pytest.raises(NotFoundError, match="'2' of 'm' is not loaded"):
        traffic.put("m", wanted, loaded=["1"])
    assert traffic.versions_in_use("m") == {"1"}
    applied = traffic.put("m", wanted, loaded=["1", "2"])
    assert applied == traffic.describe("m")
    assert traffic.versions_in_use("m") == {"1", "2"}
    assert traffic.versions_in_use("x") == frozenset()
