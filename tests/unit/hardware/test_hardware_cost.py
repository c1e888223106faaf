"""Power, cost and carbon by hand-computed cases."""

import math

import pytest

from burnish.errors import ConfigError
from burnish.hardware.carbon import grams_per_million
from burnish.hardware.device import Device
from burnish.hardware.power import Power, power_of
from burnish.hardware.tco import HOURS_PER_YEAR, CostOptions, annuity, usd_per_million, yearly
from burnish.hardware.weights import Weights, parse_weights

T4 = Device(name="t4", title="T4", kind="gpu", power_w=70.0, price_usd=900.0, sources={"price_usd": "shop"})
RENTED = Device(
    name="r", title="R", kind="gpu", power_w=70.0, rents_usd_per_h={"aws": 0.5, "gcp": 0.4, "aws spot": 0.1}
)


def test_energy_of_an_inference_is_power_times_time_over_batch():
    assert Power(70.0, None, "").joules(0.020, 8) == pytest.approx(0.175)


def test_power_between_rest_and_load_is_linear():
    power = Power(100.0, 30.0, "")
    assert [power.mean_w(share) for share in (0.0, 0.5, 1.0)] == [30.0, 65.0, 100.0]


def test_given_watts_win_over_the_data_sheet_and_say_so():
    assert power_of(T4).basis == "specified, an upper bound"
    assert power_of(T4, load_w=50.0) == Power(50.0, None, "given")
    assert power_of(Device(name="d", title="d", kind="cpu")) is None


@pytest.mark.parametrize(
    "watts", [{"load_w": -1.0}, {"load_w": math.nan}, {"idle_w": 80.0}, {"idle_w": -2.0}]
)
def test_impossible_watts_are_refused(watts):
    with pytest.raises(ConfigError, match="t4"):
        power_of(T4, **watts)


def test_a_bought_device_by_hand():
    options = CostOptions(
        years=3,
        electricity_usd_per_kwh=0.2,
        pue=1.5,
        operations_usd_per_year=100,
        rack_usd_per_year=50,
        host_usd=300,
    )
    cost = yearly(T4, options, mean_w=70.0)
    assert cost.way == "bought"
    assert cost.basis == "shop"
    assert cost.parts() == pytest.approx(
        {
            "purchase": 400.0,
            "energy": 0.07 * HOURS_PER_YEAR * 1.5 * 0.2,
            "operations": 100.0,
            "rack": 50.0,
            "rent": 0.0,
        }
    )
    assert cost.total == pytest.approx(550 + 184.086)


def test_an_edge_device_needs_no_server_around_it():
    module = Device(name="m", title="M", kind="edge", power_w=15.0, price_usd=300.0)
    assert yearly(module, CostOptions(host_usd=3000), mean_w=15.0).purchase == pytest.approx(100)


def test_a_rented_device_pays_every_hour_but_no_electricity_and_no_rack():
    cost = yearly(RENTED, CostOptions(rack_usd_per_year=1e6), mean_w=70.0)
    assert (cost.way, cost.rent, cost.total) == ("rented", 0.4 * HOURS_PER_YEAR, 0.4 * HOURS_PER_YEAR)
    assert cost.basis.startswith("gcp")
    assert yearly(RENTED, CostOptions(offer="AWS"), mean_w=None).rent == 0.5 * HOURS_PER_YEAR
    assert yearly(RENTED, CostOptions(spot=True), mean_w=None).rent == 0.1 * HOURS_PER_YEAR
    assert yearly(RENTED, CostOptions(offer="azure"), mean_w=70.0) is None


def test_the_cheaper_way_is_taken_unless_one_is_asked_for():
    both = {"prices": {"t4": 900.0}, "rents": {"t4": 0.001}}
    assert yearly(T4, CostOptions(**both), mean_w=70.0).way == "rented"
    assert yearly(T4, CostOptions(**both, way="buy"), mean_w=70.0).way == "bought"
    assert yearly(RENTED, CostOptions(way="buy"), mean_w=70.0) is None


def test_without_price_or_without_power_there_is_no_cost_of_buying():
    assert yearly(Device(name="d", title="d", kind="cpu", power_w=5.0), CostOptions(), mean_w=5.0) is None
    assert yearly(T4, CostOptions(), mean_w=None) is None


def test_a_discounted_purchase_costs_more_a_year():
    assert annuity(3, 0.05) == pytest.approx(1 / 1.05 + 1 / 1.05**2 + 1 / 1.05**3)
    plain, discounted = (
        yearly(T4, CostOptions(discount_rate=rate), mean_w=70.0).purchase for rate in (0.0, 0.1)
    )
    assert plain == pytest.approx(300)
    assert discounted > plain


def test_a_million_inferences_by_hand():
    # 734.086 USD a year, 100 rows/s for 60% of the year: 1893.456 million
    assert usd_per_million(734.086, rows_per_s=100, utilisation=0.6) == pytest.approx(0.387697, rel=1e-5)
    assert grams_per_million(0.7, pue=1.5, carbon_g_per_kwh=400) == pytest.approx(0.7 / 3.6 * 1.5 * 400)


@pytest.mark.parametrize(
    "wrong",
    [
        {"pue": 0.9},
        {"utilisation": 0.0},
        {"utilisation": 1.1},
        {"years": 0.0},
        {"years": math.nan},
        {"electricity_usd_per_kwh": -0.1},
        {"carbon_g_per_kwh": -5.0},
        {"discount_rate": -0.1},
        {"prices": {"t4": -900.0}},
        {"rents": {"t4": math.inf}},
        {"idle_w": {"t4": math.nan}},
    ],
)
def test_what_no_bill_can_hold_is_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))) as caught:
        CostOptions(**wrong)
    assert caught.value.hint


def test_weights_are_read_strictly():
    assert parse_weights("compute=1, power=1,cost=2").normalised() == (0.25, 0.25, 0.5)
    assert parse_weights("cost=1") == Weights(compute=0, power=0, cost=1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("compute=0.4,powr=0.3", "did you mean 'power'"),
        ("cost=1,cost=2", "twice"),
        ("cost=cheap", "not AXIS=NUMBER"),
        ("cost", "not AXIS=NUMBER"),
        ("", "unknown axis ''"),
        ("cost=-1", "at least 0"),
        ("cost=nan", "at least 0"),
        ("cost=0,power=0", "all are 0"),
    ],
)
def test_wrong_weights_are_refused(text, says):
    with pytest.raises(ConfigError, match=says):
        parse_weights(text)
