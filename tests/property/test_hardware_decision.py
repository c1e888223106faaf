"""What holds for every fleet, bill and ranking."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from burnish.hardware.capacity import Demand, size_fleet, smallest_fleet
from burnish.hardware.device import Device
from burnish.hardware.estimate import Estimate, WorkTime
from burnish.hardware.matrix import Matrix, normalised, row
from burnish.hardware.queueing import wait_bound
from burnish.hardware.sensitivity import area, clip, dot, sensitivity
from burnish.hardware.tco import CostOptions, usd_per_million, yearly
from burnish.hardware.weights import AXES, Weights
from burnish.hardware.work import Work, Workload
from burnish.pareto import pareto_front

shares = st.floats(0.05, 1.0)
amounts = st.floats(1e-3, 1e6)
weights = st.builds(Weights, compute=shares, power=shares, cost=shares)
axes = st.dictionaries(
    st.text("abcdef", min_size=1), st.tuples(amounts, amounts, amounts), min_size=1, max_size=6
)
DEVICE = Device(name="d", title="D", kind="gpu", power_w=100.0, price_usd=1000.0)


@given(amounts, shares, shares)
def test_cost_falls_with_utilisation(usd, one, other):
    low, high = sorted((one, other))
    assert usd_per_million(usd, rows_per_s=10, utilisation=low) >= usd_per_million(
        usd, rows_per_s=10, utilisation=high
    )


@given(st.floats(0, 10), st.floats(0, 10), st.floats(1, 3), st.floats(1, 500))
def test_cost_rises_with_the_price_of_power(one, other, pue, watts):
    low, high = sorted((one, other))
    cheap, dear = (
        yearly(DEVICE, CostOptions(electricity_usd_per_kwh=price, pue=pue), mean_w=watts).total
        for price in (low, high)
    )
    assert cheap <= dear
    assert (cheap < dear) == (low < high) or dear - cheap < 1e-6


@given(
    st.dictionaries(st.sampled_from([1, 2, 8, 64]), st.floats(1e-4, 1.0), min_size=1),
    st.floats(1e-3, 2.0),
    st.floats(0.1, 1e4),
    shares,
    st.floats(0.5, 0.999),
)
def test_a_fleet_covers_the_traffic_in_time_and_is_not_overworked(
    services, slo, traffic, utilisation, percentile
):
    demand = Demand(slo_s=slo, traffic_rps=traffic, utilisation=utilisation, percentile=percentile)
    found = smallest_fleet(services, demand)
    assume(found is not None)
    assert found.devices * found.rows_per_s * utilisation >= traffic * (1 - 1e-9)
    assert found.load <= utilisation * (1 + 1e-9)
    assert found.load <= found.held_load * (1 + 1e-9)
    assert found.held_load <= utilisation
    assert found.response.total_s <= slo
    assert found.response.service_s == services[found.batch]


@given(st.floats(1e-3, 1.0), st.integers(1, 300), st.floats(0.01, 0.95), st.floats(0.001, 0.5))
def test_waiting_grows_with_the_load_and_shrinks_with_the_late_share(service, stages, load, late):
    rate = load * stages / service
    bound = wait_bound(service, stages, traffic_rps=rate, late=late)
    assert 0 <= wait_bound(service, stages, traffic_rps=rate * 0.9, late=late) <= bound * (1 + 1e-9)
    assert wait_bound(service, stages, traffic_rps=rate, late=late / 2) >= bound


@given(axes, weights, st.floats(0.01, 100))
def test_scaling_all_weights_changes_no_score(figures, chosen, factor):
    scaled = Weights(**{axis: getattr(chosen, axis) * factor for axis in AXES})
    parts = normalised(figures, chosen)
    for name, part in parts.items():
        assert all(0 <= value <= 1 for value in part)
        assert (
            abs(dot(part, chosen.normalised()) - dot(normalised(figures, scaled)[name], scaled.normalised()))
            < 1e-9
        )


@given(axes, weights)
def test_the_best_score_is_on_the_pareto_front(figures, chosen):
    parts = normalised(figures, chosen)
    scores = {name: dot(part, chosen.normalised()) for name, part in parts.items()}
    front = pareto_front(list(figures), lambda name: (-figures[name][0], *figures[name][1:]))
    assert max(scores[name] for name in front) >= max(scores.values()) - 1e-12


@given(axes, weights)
def test_the_winner_has_a_share_and_all_shares_fill_the_triangle(figures, chosen):
    parts = normalised(figures, chosen)
    found = sensitivity(parts, chosen.normalised())
    assert abs(sum(found.shares.values()) - 1) < 1e-6
    assert -1 - 1e-9 <= found.tau <= 1 + 1e-9
    ranked = sorted(parts, key=lambda name: -dot(parts[name], chosen.normalised()))
    if (
        len(ranked) == 1
        or dot(parts[ranked[0]], chosen.normalised()) - dot(parts[ranked[1]], chosen.normalised()) > 1e-6
    ):
        assert found.shares[ranked[0]] > 0


@given(
    st.lists(
        st.tuples(st.floats(1e-3, 0.5), st.floats(1, 1e4), st.floats(1, 500), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    weights,
)
def test_where_the_weights_say_that_another_takes_over_the_matrix_chooses_it(devices, chosen):
    matrix = matrix_of(devices, chosen)
    found, before = matrix.sensitivity, chosen.normalised()
    assert abs(sum(found.shares.values()) - 1) < 1e-6
    sure = [
        score for name, score in matrix.ranked.items() if matrix.of(name).verdict == matrix.winner.verdict
    ]
    if len(sure) == 1 or sure[0] - sure[1] > 1e-6:
        assert found.shares[matrix.winner.name] > 0
    for flip in found.flips:
        axis = AXES.index(flip.axis)
        moved = [share * (1 - flip.weight) / (1 - before[axis]) for share in before]
        moved[axis] = flip.weight
        at_flip = replace(matrix, weights=Weights(**dict(zip(AXES, moved, strict=True)))).ranked
        assert abs(at_flip[flip.winner] - at_flip[matrix.winner.name]) < 1e-6


def matrix_of(devices, chosen):
    """Return the matrix of devices given by time, price, power and whether their memory is known."""
    demand, options = Demand(slo_s=1.0, traffic_rps=100.0), CostOptions()
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
    rows = []
    for i, (seconds, price, watts, known) in enumerate(devices):
        one = replace(
            DEVICE, name=f"d{i}", price_usd=price, power_w=watts, memory_bytes=1e9 if known else None
        )
        time = WorkTime(work, seconds, seconds, seconds, "compute")
        estimates = {1: Estimate(Workload("m", 1, (work,), {}, 1, 1), one, "by hand", (time,))}
        rows.append(row(one, "float32", estimates, size_fleet(estimates, demand), options))
    return Matrix("m", tuple(rows), demand, options, chosen)


@given(st.tuples(*[st.floats(-1, 1)] * 3))
def test_a_line_parts_the_triangle_in_two(normal):
    assume(max(map(abs, normal)) > 1e-3)
    triangle = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    inverse = tuple(-one for one in normal)
    assert abs(area(clip(triangle, normal)) + area(clip(triangle, inverse)) - 1) < 1e-6
