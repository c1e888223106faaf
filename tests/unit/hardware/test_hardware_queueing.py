"""The bounds on a request's time, against formulas and simulations of the same model."""

import math

import numpy as np
import pytest

from burnish.hardware.queueing import erlang_quantile, response, wait_bound


def _late_share(stages, rate, time):
    """P(Erlang > time) is that fewer than ``stages`` arrivals of a Poisson process came."""
    mean = rate * time
    terms = (math.exp(-mean + i * math.log(mean) - math.lgamma(i + 1)) for i in range(stages))
    return sum(terms)


@pytest.mark.parametrize("stages", [1, 2, 7, 31, 255])
@pytest.mark.parametrize("late", [0.2, 0.05, 0.005])
def test_erlang_quantile_is_within_one_percent(stages, late):
    time = erlang_quantile(stages, 50.0, late)
    assert _late_share(stages, 50.0, time * 1.01) < late < _late_share(stages, 50.0, time * 0.99)


def test_one_device_without_batches_is_erlangs_m_d_1():
    # P(wait <= t) = (1 - load) exp(rate t) for t up to the service time
    rate, service = 10.0, 0.05
    late = 1 - 0.5 * math.exp(rate * 0.03)
    assert wait_bound(service, 1, traffic_rps=rate, late=late) == pytest.approx(0.03)
    assert wait_bound(service, 1, traffic_rps=rate, late=0.6) == 0.0  # half of the requests find it free


def test_a_device_that_cannot_keep_up_waits_for_ever():
    assert wait_bound(0.1, 1, traffic_rps=10.0, late=0.01) == math.inf
    assert wait_bound(0.1, 4, traffic_rps=41.0, late=0.01) == math.inf


def test_without_a_batch_nothing_is_gathered():
    times = response(0.01, 1, 3, traffic_rps=100.0, late=0.01)
    assert times.gather_s == 0
    assert times.total_s == times.wait_s + 0.01


@pytest.mark.parametrize(
    ("batch", "devices", "load"), [(1, 1, 0.3), (1, 1, 0.8), (4, 1, 0.6), (2, 3, 0.9), (8, 2, 0.5)]
)
def test_simulated_requests_keep_the_bound(batch, devices, load):
    """Lindley's recursion for one device, every ``devices``-th arrival its own."""
    rate, late, batches = 100.0, 0.05, 40_000
    service = load * batch * devices / rate
    arrivals = np.cumsum(np.random.default_rng(3).exponential(1 / rate, batches * batch * devices))
    mine = arrivals[::devices].reshape(batches, batch)
    ready = mine[:, -1]
    done, free = np.empty(batches), 0.0
    for i, time in enumerate(ready):
        free = max(time, free) + service
        done[i] = free
    took = (done[:, None] - mine).ravel()
    bound = response(service, batch, devices, traffic_rps=rate, late=late).total_s
    assert np.mean(took > bound) <= late
    assert np.quantile(took, 1 - late) > 0.4 * bound  # a bound that says something
