"""The charts of a matrix draw, and hold what the matrix says."""

import pytest

from burnish.evaluate.charts import to_svg
from burnish.evaluate.devices import EvaluateOptions, evaluate_devices
from burnish.evaluate.hardware_charts import cost_chart, pareto_chart, weights_chart
from burnish.hardware.capacity import Demand
from burnish.hardware.catalog import devices
from burnish.hardware.sensitivity import sensitivity
from burnish.hardware.tco import CostOptions
from burnish.testing.graphs import network

PRICES = {"nvidia-t4": 900.0, "nvidia-l4": 2500.0}


@pytest.fixture(scope="module")
def matrix():
    options = EvaluateOptions(cost=CostOptions(way="buy", prices=PRICES))
    chosen = [devices()[name] for name in (*PRICES, "raspberry-pi-5-8gb")]
    return evaluate_devices(network(), chosen, slo_ms=50, traffic_rps=100, options=options)


def test_the_front_is_drawn_with_names_and_devices_without_a_price_are_left_out(matrix):
    spec = pareto_chart(matrix)
    drawn = {one["device"]: one for data in _values(spec) for one in data}
    assert set(drawn) == set(PRICES)
    assert {name for name, one in drawn.items() if one["front"]} == set(matrix.front)
    assert matrix.winner.name in to_svg(spec)


def test_the_parts_of_a_cost_add_up_to_the_total(matrix):
    spec = cost_chart(matrix)
    for name in PRICES:
        parts = [one["usd"] for data in _values(spec) for one in data if one["device"].endswith(name)]
        assert sum(parts) == pytest.approx(matrix.of(name).bill.tco_usd)
    assert "purchase" in to_svg(spec)


def test_the_triangle_shows_every_device_that_wins_somewhere():
    found = sensitivity({"a": (1.0, 0.2, 0.2), "b": (0.2, 1.0, 0.3), "c": (0.1, 0.1, 0.1)}, (0.4, 0.3, 0.3))
    picture = to_svg(weights_chart(found, (0.4, 0.3, 0.3)))
    assert "a: " in picture
    assert "b: " in picture
    assert "c: " not in picture


def test_the_demand_reaches_the_matrix(matrix):
    assert matrix.demand == Demand(slo_s=0.05, traffic_rps=100)


def _values(spec):
    return [data for name, data in spec.get("datasets", {}).items()] or _inline(spec)


def _inline(spec):
    found = (
        [spec["data"]["values"]] if isinstance(spec.get("data"), dict) and "values" in spec["data"] else []
    )
    for layer in spec.get("layer", []):
        found += _inline(layer)
    return found
