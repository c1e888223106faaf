"""What Prometheus is told: histograms of latency and batch size, counts and queue lengths, a version each."""

from collections import deque
from functools import partial

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_LATENCY_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_WINDOW = 2048
_LABELS = ("model", "version")


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        histogram = partial(Histogram, labelnames=_LABELS, registry=self._registry)
        counter = partial(Counter, registry=self._registry)
        self.requests = counter("burnish_requests", "Requests answered", [*_LABELS, "role", "outcome"])
        self.dropped = counter("burnish_mirror_dropped", "Mirrored requests not run", _LABELS)
        self.restarts = counter("burnish_worker_restarts", "Workers replaced", _LABELS)
        self.latency = Histogram(
            "burnish_request_seconds",
            "From the request's arrival to its answer",
            [*_LABELS, "role"],
            buckets=_LATENCY_S,
            registry=self._registry,
        )
        self.queue = histogram(
            "burnish_queue_seconds", "Wait of a batch's oldest request", buckets=_LATENCY_S
        )
        self.compute = histogram(
            "burnish_compute_seconds", "Run of a batch in its worker", buckets=_LATENCY_S
        )
        self.rows = histogram("burnish_batch_rows", "Rows in a batch", buckets=_ROWS)
        self.waiting = Gauge("burnish_queue_length", "Requests that wait", _LABELS, registry=self._registry)

    def expose(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def version(self, model: str, version: str) -> "VersionMetrics":
        """Return the metrics of one version."""
        return VersionMetrics(self, model, version)


class VersionMetrics:
    """The metrics of one version, with its label values bound, and a window for exact quantiles."""

    def __init__(self, metrics: Metrics, model: str, version: str) -> None:
        labels = (model, version)
        self._latency = {role: metrics.latency.labels(*labels, role) for role in ("served", "shadow")}
        self._requests = {
            (role, outcome): metrics.requests.labels(*labels, role, outcome)
            for role in ("served", "shadow")
            for outcome in ("ok", "error")
        }
        self._queue = metrics.queue.labels(*labels)
        self._compute = metrics.compute.labels(*labels)
        self._rows = metrics.rows.labels(*labels)
        self.dropped = metrics.dropped.labels(*labels)
        self.restarts = metrics.restarts.labels(*labels)
        self.waiting = metrics.waiting.labels(*labels)
        self._window: deque[float] = deque(maxlen=_WINDOW)
        self.count = 0
        self.errors = 0

    def answered(self, role: str, seconds: float, *, failed: bool) -> None:
        """Note one answer.

        Args:
            role: ``served`` or ``shadow``.
            seconds: From arrival to answer.
            failed: Whether it was an error of the server or the model.
        """
        self._latency[role].observe(seconds)
        self._requests[role, "error" if failed else "ok"].inc()
        if role == "served":
            self.count += 1
            self.errors += failed
            self._window.append(seconds)

    def batch(self, rows: int, waited_s: float, ran_s: float) -> None:
        """Note one batch."""
        self._rows.observe(rows)
        self._queue.observe(waited_s)
        self._compute.observe(ran_s)

    def summary(self) -> dict[str, float | int | None]:
        """Return counts, and latency quantiles of the newest answers in milliseconds."""
        quantiles = np.quantile(list(self._window), [0.5, 0.9, 0.99]) * 1e3 if self._window else [None] * 3
        p50, p90, p99 = (None if q is None else round(float(q), 4) for q in quantiles)
        return {"count": self.count, "errors": self.errors, "p50_ms": p50, "p90_ms": p90, "p99_ms": p99}
