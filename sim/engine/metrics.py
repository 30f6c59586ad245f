"""Prometheus metrics: what the engine counts of itself."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_LATENCY_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_GROUP = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The engine's counters, gauges and histograms, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._sweeps = self._swept = 0
        self._requests = Counter(
            "liverush_requests_total", "Requests answered.", ("route", "status"), registry=registry
        )
        self._latency = Histogram(
            "liverush_request_seconds",
            "From the request's start to its answer's end.",
            ("route",),
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.queue = Gauge("liverush_queue_length", "Calls that wait for the writer.", registry=registry)
        self.group = Histogram("liverush_group_size", "Calls stored together.", buckets=_GROUP, registry=registry)
        self.commit = Histogram(
            "liverush_group_seconds", "Deciding and storing a group.", buckets=_LATENCY_S, registry=registry
        )
        self.held = Gauge("liverush_held_units", "Units held for unpaid orders.", registry=registry)
        self.committed = Gauge("liverush_committed_units", "Units of paid orders not shipped yet.", registry=registry)
        self.sweeps = Counter("liverush_sweeps_total", "Sweeps done.", registry=registry)
        self.swept = Counter("liverush_swept_orders_total", "Orders that a sweep acted on.", registry=registry)

    def observer(self, route: str) -> Callable[[int, float], None]:
        """Return what counts one answer of a route: (status, seconds)."""
        latency = self._latency.labels(route)
        counters: dict[int, Counter] = {}

        def observe(status: int, seconds: float) -> None:
            counter = counters.get(status)
            if counter is None:
                counter = counters[status] = self._requests.labels(route, str(status))
            counter.inc()
            latency.observe(seconds)

        return observe

    def observe_group(self, size: int, seconds: float) -> None:
        """Count a group that was stored."""
        self.group.observe(size)
        self.commit.observe(seconds)

    def text(self, queued: int, sweeps: int, swept: int) -> bytes:
        """Return all metrics in Prometheus' text format; the writer counts its queue and sweeps itself."""
        self.queue.set(queued)
        self.sweeps.inc(sweeps - self._sweeps)
        self.swept.inc(swept - self._swept)
        self._sweeps, self._swept = sweeps, swept
        return generate_latest(self._registry)
