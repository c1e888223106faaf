"""How long a request waits for its batch to fill and for a device to be free.

The model: requests come at random and independently (Poisson). A balancer hands them to the devices in turn. Each
device gathers ``batch`` of them, then runs them together in a fixed time, first come, first served. Every device then
sees batches whose spacing is Erlang distributed, with ``batch * devices`` stages, and is an E_k/D/1 queue.

- *To fill a batch*: its first request waits longest, for ``(batch - 1) * devices`` more arrivals: an Erlang quantile.
- *For the device*: Kingman's bound, P(wait > t) <= exp(-theta t), with theta the positive root of
  E[exp(theta (service - spacing))] = 1. One device without batches is M/D/1, whose distribution up to one service
  time Erlang gave in closed form; the smaller of the two is taken.

The chance of being late is shared out evenly between the two (a union bound), so that the sum is on the safe side.

References:
    Kingman 1964, A martingale inequality in the theory of queues, Proc. Camb. Phil. Soc. 60.
    Erlang 1909, The theory of probabilities and telephone conversations.
    Wilson and Hilferty 1931, The distribution of chi-square, PNAS 17.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Response:
    """What a request's time consists of, at most, in all but the late share of the cases."""

    gather_s: float
    """Until its batch is full."""
    wait_s: float
    """Until the device is free; infinite when it can never catch up."""
    service_s: float
    """Until the batch has run."""

    @property
    def total_s(self) -> float:
        """From arrival to answer."""
        return self.gather_s + self.wait_s + self.service_s


def response(service_s: float, batch: int, devices: int, *, traffic_rps: float, late: float) -> Response:
    """Bound the time of a request.

    Args:
        service_s: Time that a device takes for a batch.
        batch: Requests that it runs together.
        devices: Devices that share the traffic.
        traffic_rps: Requests a second, over all devices.
        late: Share of the requests that may take longer, between 0 and 1.
    """
    share = late / 2 if batch > 1 else late
    gather_s = erlang_quantile((batch - 1) * devices, traffic_rps, share)
    return Response(
        gather_s, wait_bound(service_s, batch * devices, traffic_rps=traffic_rps, late=share), service_s
    )


def erlang_quantile(stages: int, rate: float, late: float) -> float:
    """Return what the sum of ``stages`` exponential times exceeds with chance ``late``, to about 1% of it.

    >>> round(erlang_quantile(1, 2.0, 0.01), 2), erlang_quantile(0, 2.0, 0.01)
    (2.31, 0.0)
    """
    if stages == 0:
        return 0.0
    ninth = 1 / (9 * stages)
    return stages / rate * (1 - ninth + NormalDist().inv_cdf(1 - late) * math.sqrt(ninth)) ** 3


def wait_bound(service_s: float, stages: int, *, traffic_rps: float, late: float) -> float:
    """Return a time that waiting for the device exceeds with chance ``late`` at most.

    Args:
        service_s: Time that a device takes for a batch.
        stages: Arrivals from one batch of a device to its next.
        traffic_rps: Requests a second, over all devices.
        late: Share of the batches that may wait longer.
    """
    load = traffic_rps * service_s / stages
    if load >= 1:
        return math.inf
    bound = service_s * math.log(1 / late) / _decay(load, stages)
    if stages > 1:
        return bound
    exact = math.log((1 - late) / (1 - load)) / traffic_rps  # Erlang: P(wait <= t) = (1 - load) exp(rate t)
    return min(bound, max(0.0, exact)) if exact <= service_s else bound


def _decay(load: float, stages: int) -> float:
    """Return theta in units of one service time: the positive root of x = k log(1 + x / (load k))."""
    low, high = 0.0, 1.0

    def falls_short(x: float) -> bool:
        return x < stages * math.log1p(x / (load * stages))

    while falls_short(high):
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falls_short(middle) else (low, middle)
    return low or high
