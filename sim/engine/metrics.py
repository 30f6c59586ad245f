"""Prometheus metrics: what the engine counts of itself."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_LATENCY_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_GROUP = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
#: The route of requests that reach no operation.
NO_ROUTE = "none"


class _Requests(Collector):
    """Requests and their latency by route in plain numbers, at a quarter of what the library takes for each request."""

    def __init__(self) -> None:
        self.unserved: Tally[int] = Tally()  # by status
        self._routes: dict[str, tuple[dict[int, int], list[int], list[float]]] = {}

    def observer(self, route: str) -> Callable[[int, float], None]:
        """See `Metrics.observer`."""
        by_status, buckets, total = self._routes[route] = {}, [0] * (len(_LATENCY_S) + 1), [0.0]

        def observe(status: int, seconds: float) -> None:
            by_status[status] = by_status.get(status, 0) + 1
            buckets[bisect_left(_LATENCY_S, seconds)] += 1
            total[0] += seconds

        return observe

    def collect(self) -> Iterator[Metric]:
        """Give the library what it writes down."""
        requests = CounterMetricFamily("liverush_requests", "Requests answered.", labels=("route", "status"))
        latency = HistogramMetricFamily(
            "liverush_request_seconds", "From the request's start to its answer's end.", labels=("route",)
        )
        bounds = [str(float(bound)) for bound in _LATENCY_S] + ["+Inf"]
        for route, (by_status, buckets, total) in self._routes.items():
            for status, count in by_status.items():
                requests.add_metric((route, str(status)), count)
            latency.add_metric((route,), list(zip(bounds, accumulate(buckets), strict=True)), total[0])
        for status, count in self.unserved.items():
            requests.add_metric((NO_ROUTE, str(status)), count)
        yield requests
        yield latency


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store counts: units and things that are open."""

    held: int
    committed: int
    open_payments: int
    open_refunds: int


class _Stored(Collector):
    """Gauges of what the store counts; none while it cannot be asked: an old number would pass for a new one."""

    known: Stored | None = None

    def collect(self) -> Iterator[Metric]:
        """Give the library what it writes down."""
        if self.known is None:
            return
        yield GaugeMetricFamily("liverush_held_units", "Units held for unpaid orders.", self.known.held)
        yield GaugeMetricFamily(
            "liverush_committed_units", "Units of paid orders not shipped yet.", self.known.committed
        )
        yield GaugeMetricFamily(
            "liverush_open_payments", "Attempts to pay that the provider has not decided.", self.known.open_payments
        )
        yield GaugeMetricFamily("liverush_open_refunds", "Refunds that are not paid out yet.", self.known.open_refunds)


class Metrics:
    """The engine's counters, gauges and histograms, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._sweeps = self._swept = 0
        self._requests = _Requests()
        registry.register(self._requests)
        self.queue = Gauge(
            "liverush_queue_length", "Calls without an answer: they wait, or are being stored.", registry=registry
        )
        self.group = Histogram("liverush_group_size", "Calls stored together.", buckets=_GROUP, registry=registry)
        self.commit = Histogram(
            "liverush_group_seconds", "Deciding and storing a group.", buckets=_LATENCY_S, registry=registry
        )
        self._stored = _Stored()
        registry.register(self._stored)
        self.sweeps = Counter("liverush_sweeps_total", "Sweeps done.", registry=registry)
        self.swept = Counter("liverush_swept_orders_total", "Orders that a sweep acted on.", registry=registry)

    def observer(self, route: str) -> Callable[[int, float], None]:
        """What counts one answer of a route: (status, seconds)."""
        return self._requests.observer(route)

    def count_unserved(self, status: int) -> None:
        """Count the answer to a request that reached no operation."""
        self._requests.unserved[status] += 1

    def observe_group(self, size: int, seconds: float) -> None:
        """Count a group that was stored."""
        self.group.observe(size)
        self.commit.observe(seconds)

    def text(self, queued: int, sweeps: int, swept: int, stored: Stored | None) -> bytes:
        """All metrics in Prometheus' text format; the writer counts its queue and sweeps itself.

        `stored` is what the store counts, None where it cannot be asked.
        """
        self.queue.set(queued)
        self._stored.known = stored
        self.sweeps.inc(sweeps - self._sweeps)
        self.swept.inc(swept - self._swept)
        self._sweeps, self._swept = sweeps, swept
        return generate_latest(self._registry)
