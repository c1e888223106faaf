"""How many devices a traffic needs, and what speaks against one."""

import math

import pytest

from burnish.errors import ConfigError
from burnish.hardware.capacity import Demand, size_fleet, smallest_fleet
from burnish.hardware.device import Device
from burnish.hardware.estimate import Estimate, WorkTime
from burnish.hardware.work import Work, Workload

DEVICE = Device(name="d", title="D", kind="gpu", memory_bytes=1e9)


def estimate_of(batch, seconds, low, high, *, uncosted=None, activation=0, device=DEVICE):
    work = Work(
        name="w",
        op="Conv",
        role="conv",
        index=0,
        flops=1000,
        bytes=10,
        weight_bytes=5,
        elements=1,
        dtype="float32",
    )
    load = Workload("m", batch, (work,), uncosted or {}, 5, activation)
    return Estimate(load, device, "by hand", (WorkTime(work, seconds, low, high, "compute"),))


def test_devices_are_traffic_over_throughput_at_the_allowed_utilisation():
    found = smallest_fleet({1: 0.001}, Demand(slo_s=1.0, traffic_rps=2400.0, utilisation=0.6))
    assert (found.devices, found.batch, found.rows_per_s) == (4, 1, pytest.approx(1000))
    assert found.load == pytest.approx(0.6)


def test_of_the_batches_that_hold_the_one_with_fewest_devices_is_taken():
    services = {1: 0.010, 8: 0.020, 64: 0.160}
    loose = smallest_fleet(services, Demand(slo_s=2.0, traffic_rps=1000.0))
    assert loose.batch == 8  # 400 rows a second, as with 64, but sooner
    tight = smallest_fleet(services, Demand(slo_s=0.030, traffic_rps=1000.0))
    assert tight.batch == 1
    assert tight.devices > loose.devices


def test_a_quiet_service_does_not_wait_for_a_batch():
    assert smallest_fleet({1: 0.010, 8: 0.011}, Demand(slo_s=0.1, traffic_rps=1.0)).batch == 1


def test_more_devices_help_until_waiting_is_over_and_not_beyond():
    service, alone = 0.010, math.ceil(50 * 0.010 / 0.6)
    found = smallest_fleet({1: service}, Demand(slo_s=0.0115, traffic_rps=50.0))
    assert found.devices > alone
    assert found.response.total_s <= 0.0115
    assert smallest_fleet({1: service}, Demand(slo_s=0.00999, traffic_rps=50.0)) is None


def test_a_full_device_never_answers_in_time():
    found = smallest_fleet({1: 0.010}, Demand(slo_s=10.0, traffic_rps=100.0, utilisation=1.0))
    assert found.devices == 2


def test_an_interval_below_the_objective_is_feasible_and_above_it_is_not():
    demand = Demand(slo_s=0.050, traffic_rps=10.0)
    assert size_fleet({1: estimate_of(1, 0.010, 0.008, 0.012)}, demand).verdict == "feasible"
    over = size_fleet({1: estimate_of(1, 0.080, 0.070, 0.090)}, demand)
    assert over.verdict == "infeasible"
    assert over.reasons == ("80 ms [70, 90] at batch 1 is 30 ms over the objective of 50 ms",)


@pytest.mark.parametrize("ends", [(0.045, 0.030, 0.060), (0.060, 0.030, 0.090), (0.020, 0.0, 0.120)])
def test_an_interval_across_the_objective_is_uncertain(ends):
    sized = size_fleet({1: estimate_of(1, *ends)}, Demand(slo_s=0.050, traffic_rps=1.0))
    assert sized.verdict == "uncertain"
    assert (sized.fleet is None) == (ends[0] > 0.050)  # a fleet is planned by the estimate, not by hope
    assert sized.fast is not None
    assert sized.slow is None
    assert ("straddles" in sized.reasons[0]) == (sized.fleet is not None)


def test_memory_rules_batches_out():
    demand = Demand(slo_s=1.0, traffic_rps=1000.0)
    sized = size_fleet(
        {
            1: estimate_of(1, 0.010, 0.010, 0.010),
            8: estimate_of(8, 0.011, 0.011, 0.011, activation=2_000_000_000),
        },
        demand,
    )
    assert sized.fleet.batch == 1
    too_small = size_fleet({1: estimate_of(1, 0.01, 0.01, 0.01, activation=2_000_000_000)}, demand)
    assert too_small.verdict == "infeasible"
    assert too_small.reasons[0].startswith("memory: weights and activations need 2.00 GB at batch 1")


def test_operators_without_a_rule_are_counted_named_and_make_it_uncertain():
    one = estimate_of(1, 0.01, 0.01, 0.01, uncosted={"Frobnicate": 2})
    sized = size_fleet({1: one}, Demand(slo_s=1.0, traffic_rps=1.0))
    assert sized.verdict == "uncertain"
    assert "2 x Frobnicate" in sized.reasons[0]
    assert "lower bound" in sized.reasons[0]


@pytest.mark.parametrize(
    ("uncosted", "says"), [({"Frobnicate": 2}, "2 x Frobnicate"), ({}, "no operator of the model takes time")]
)
def test_no_fleet_is_sized_where_nothing_has_a_time(uncosted, says):
    load = Workload("m", 1, (), uncosted, 0, 0)
    sized = size_fleet({1: Estimate(load, DEVICE, "by hand", ())}, Demand(slo_s=1.0, traffic_rps=1.0))
    assert (sized.verdict, sized.fleet, sized.slow, sized.fast) == ("uncertain", None, None, None)
    assert says in sized.reasons[0]


def test_a_device_of_unknown_memory_is_uncertain():
    bare = Device(name="b", title="B", kind="gpu")
    one = estimate_of(1, 0.01, 0.01, 0.01, activation=10**12, device=bare)
    sized = size_fleet({1: one}, Demand(slo_s=1.0, traffic_rps=1.0))
    assert sized.verdict == "uncertain"
    assert sized.fleet is not None
    assert sized.reasons[0].startswith("memory unknown: nothing says whether 1000.00 GB")


def test_the_load_that_holds_is_the_allowed_one_unless_the_objective_forces_a_lower():
    loose = smallest_fleet({1: 0.001}, Demand(slo_s=1.0, traffic_rps=100.0))
    assert (loose.load, loose.held_load) == (pytest.approx(0.1), 0.6)
    tight = smallest_fleet({1: 0.010}, Demand(slo_s=0.0115, traffic_rps=50.0))
    assert tight.load <= tight.held_load < 0.6
    full = smallest_fleet({1: 0.010}, Demand(slo_s=0.1, traffic_rps=10.0, utilisation=1.0))
    assert full.held_load < 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"slo_s": 0.0},
        {"traffic_rps": -1.0},
        {"traffic_rps": math.nan},
        {"slo_s": math.inf},
        {"utilisation": 0.0},
        {"utilisation": 1.5},
        {"percentile": 1.0},
    ],
)
def test_impossible_demands_are_refused(wrong):
    with pytest.raises(ConfigError):
        Demand(**{"slo_s": 0.1, "traffic_rps": 1.0} | wrong)
