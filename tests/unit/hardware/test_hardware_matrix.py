"""The evaluation matrix: scores, the front, and what may turn the choice over."""

import pytest

from burnish.hardware.capacity import Demand, size_fleet
from burnish.hardware.device import Device
from burnish.hardware.estimate import Estimate, WorkTime
from burnish.hardware.matrix import Matrix, normalised, row
from burnish.hardware.tco import SECONDS_PER_YEAR, CostOptions
from burnish.hardware.weights import Weights
from burnish.hardware.work import Work, Workload

OPTIONS = CostOptions()
DEMAND = Demand(slo_s=1.0, traffic_rps=100.0)


def device(name, **facts):
    usual = {"kind": "gpu", "peaks": {"float32": 1e12}, "power_w": 100.0, "memory_bytes": 1e9}
    return Device(**{"name": name, "title": name} | usual | facts)


def row_of(one, seconds, *, spread=0.0, options=OPTIONS, demand=DEMAND):
    work = Work(
        name="w",
        op="Conv",
        role="conv",
        index=0,
        flops=10**9,
        bytes=1,
        weight_bytes=1,
        elements=1,
        dtype="float32",
    )
    time = WorkTime(work, seconds, seconds * (1 - spread), seconds * (1 + spread), "compute")
    estimates = {1: Estimate(Workload("m", 1, (work,), {}, 1, 1), one, "by hand", (time,))}
    return row(one, "float32", estimates, size_fleet(estimates, demand), options)


def matrix_of(rows, weights=None):
    return Matrix("m", tuple(rows), DEMAND, OPTIONS, weights or Weights())


def test_every_figure_of_a_row_by_hand():
    found = row_of(device("d", price_usd=3000.0), 0.010)
    assert (found.fleet.devices, found.fleet.rows_per_s) == (2, pytest.approx(100))
    assert found.peak_share == pytest.approx(0.1)
    assert found.tops_per_w_spec == pytest.approx(0.01)
    assert found.tops_per_w == pytest.approx(0.001)
    assert found.bill.joules == pytest.approx(1.0)
    assert found.bill.fleet_joules == pytest.approx(2.0)  # two devices of 100 W for 100 requests a second
    energy = 0.1 * 8766 * 1.5 * 0.12
    assert found.bill.yearly.total == pytest.approx(1000 + energy)
    assert found.bill.tco_usd == pytest.approx(2 * 3 * (1000 + energy))
    assert found.bill.usd_per_million == pytest.approx((1000 + energy) / (100 * 0.6 * 31557600) * 1e6)
    assert found.bill.grams_per_million is None
    assert found.bound == "compute"
    assert [note.split(":")[0] for note in found.notes] == ["bought alone"]


def test_rest_lowers_the_energy_of_a_fleet_and_carbon_follows_it():
    options = CostOptions(idle_w={"d": 20.0}, carbon_g_per_kwh=500.0)
    found = row_of(device("d", price_usd=1.0), 0.010, options=options)
    assert found.bill.fleet_joules == pytest.approx(2 * (20 + 80 * 0.5) / 100)
    assert found.bill.grams_per_million == pytest.approx(1.2 / 3.6 * 1.5 * 500)


def test_without_a_price_a_device_is_feasible_but_not_ranked_where_cost_counts():
    rows = [row_of(device("priced", price_usd=10.0), 0.01), row_of(device("unpriced"), 0.001)]
    assert rows[1].verdict == "feasible"
    assert rows[1].bill.tco_usd is None
    assert "no price" in rows[1].notes[0]
    assert list(matrix_of(rows).ranked) == ["priced"]
    assert matrix_of(rows, Weights(compute=1, power=1, cost=0)).winner.name == "unpriced"
    assert matrix_of(rows).front == ("priced",)


@pytest.mark.parametrize(
    ("facts", "options", "says"),
    [
        ({"price_usd": 10.0, "power_w": None}, CostOptions(), ["power unknown"]),
        ({"power_w": None}, CostOptions(), ["power unknown", "no price"]),
        ({}, CostOptions(), ["no price"]),
        ({"rents_usd_per_h": {"aws": 1.0}}, CostOptions(), []),
        ({"rents_usd_per_h": {"aws": 1.0}}, CostOptions(way="buy"), ["no price"]),
        ({}, CostOptions(rents={"d": 1.0}), []),
    ],
)
def test_a_price_is_missed_only_where_neither_price_nor_rent_is_known(facts, options, says):
    notes = row_of(device("d", **facts), 0.01, options=options).notes
    assert [note.split(":")[0] for note in notes] == says


def test_another_power_changes_what_is_achieved_and_not_what_is_specified():
    usual, given = (
        row_of(device("d"), 0.01, options=options) for options in (OPTIONS, CostOptions(power_w={"d": 50.0}))
    )
    assert given.tops_per_w_spec == usual.tops_per_w_spec == pytest.approx(0.01)
    assert given.tops_per_w == pytest.approx(2 * usual.tops_per_w)
    assert (
        row_of(device("d", power_w=None), 0.01, options=CostOptions(power_w={"d": 5.0})).tops_per_w_spec
        is None
    )


@pytest.mark.parametrize(("slo_s", "traffic_rps", "most"), [(0.01001, 0.99, 0.011), (0.0115, 100.0, 0.3)])
def test_a_million_costs_what_the_load_that_holds_the_objective_allows(slo_s, traffic_rps, most):
    # An objective just over the time of a call leaves little room to wait: the devices must be idle most of the time.
    tight = Demand(slo_s=slo_s, traffic_rps=traffic_rps)
    found = row_of(device("d", price_usd=3000.0), 0.010, demand=tight)
    assert found.fleet.load <= found.fleet.held_load < most
    million = found.bill.usd_per_million
    assert million == pytest.approx(
        found.bill.yearly.total * 1e6 / (100 * found.fleet.held_load * SECONDS_PER_YEAR)
    )
    of_the_fleet = found.bill.tco_usd / 3 / (traffic_rps * SECONDS_PER_YEAR) * 1e6
    assert million <= of_the_fleet < 1.2 * million


def test_a_score_is_the_weighted_share_of_the_best():
    parts = normalised({"a": (100.0, 2.0, 50.0), "b": (50.0, 1.0, 100.0)}, Weights())
    assert parts == {"a": (1.0, 0.5, 1.0), "b": (0.5, 1.0, 0.5)}


def test_who_cannot_do_it_is_neither_ranked_nor_on_the_front():
    rows = [row_of(device("late", price_usd=0.1), 5.0), row_of(device("good", price_usd=10.0), 0.01)]
    found = matrix_of(rows)
    assert list(found.ranked) == ["good"]
    assert found.front == ("good",)
    assert found.of("late").verdict == "infeasible"


def test_a_sure_device_wins_over_a_better_one_that_may_be_late():
    rows = [
        row_of(device("maybe", price_usd=1.0), 0.5, spread=1.5),
        row_of(device("sure", price_usd=1e6), 0.9, spread=0.01),
    ]
    found = matrix_of(rows, Weights(compute=0, power=0, cost=1))
    assert next(iter(found.ranked)) == "maybe"
    assert found.winner.name == "sure"


def test_rivals_within_the_interval_are_named():
    near = [
        row_of(device("a", price_usd=10.0), 0.0100, spread=0.2),
        row_of(device("b", price_usd=10.0), 0.0105, spread=0.2),
    ]
    assert matrix_of(near).winner.name == "a"
    assert matrix_of(near).rivals_within_interval == ("b",)
    far = [near[0], row_of(device("b", price_usd=1000.0, power_w=500.0), 0.1, spread=0.2)]
    assert matrix_of(far).rivals_within_interval == ()


def test_nobody_wins_among_nobody():
    found = matrix_of([row_of(device("late"), 5.0)])
    assert (found.winner, found.ranked, found.front, found.sensitivity) == (None, {}, (), None)
    assert found.rivals_within_interval == ()


def test_sensitivity_has_the_scores_of_the_ranking_also_beside_an_unsure_best():
    rows = [
        row_of(device("unsure", memory_bytes=None, price_usd=1.0), 0.001),
        row_of(device("quick", price_usd=1000.0), 0.004),
        row_of(device("cheap", price_usd=900.0), 0.010),
    ]
    found = matrix_of(rows)
    assert found.of("unsure").verdict == "uncertain"
    assert next(iter(found.ranked)) == "unsure"
    assert set(found.sensitivity.shares) <= {"quick", "cheap"}
    assert found.sensitivity.shares[found.winner.name] > 0


def test_sensitivity_needs_all_three_figures_of_the_winner():
    rows = [row_of(device("priced", price_usd=10.0), 0.01), row_of(device("unpriced"), 0.001)]
    assert matrix_of(rows).sensitivity.shares == {"priced": pytest.approx(1.0)}
    assert matrix_of(rows, Weights(compute=1, power=0, cost=0)).sensitivity is None
