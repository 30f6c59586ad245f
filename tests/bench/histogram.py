"""What it costs to count a response time, and how far off the percentiles are: ours, HdrHistogram's and Locust's.

All count the same samples in the same process; ours in bulk, the others one at a time, as their interfaces have it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.measure.histogram import Histogram
from sim.measure.percentiles import percentile_of
from tests.bench.process import Bench
from tests.bench.rows import Target, make_row

PERCENTILES = (50, 90, 95, 99, 99.9, 99.99)
ERROR = Target("largest_error", 0.005)
SAMPLES, BULK_REPEATS, SEED = 1_000_000, 9, 20_261_111
CASES = {
    "ours": "sim.measure.histogram, in bulk",
    "hdrhistogram": "hdrhistogram, 3 digits",
    "locust": "Locust's statistics (RequestStats.log_request)",
}

Values = npt.NDArray[np.int64]
#: Seconds of CPU that counting took, each time, and the percentiles in microseconds.
Counted = tuple[list[float], list[int]]


def histogram(bench: Bench) -> list[dict[str, Any]]:
    """Count a million response times of two modes: nanoseconds each, and the largest error of p50 to p99.99."""
    found = bench.job("count_response_times", samples=SAMPLES, repeats=BULK_REPEATS, seed=SEED)
    return [_row(bench, name, found) for name in CASES]


def count_response_times(samples: int, repeats: int, seed: int) -> dict[str, Any]:
    """Seconds and percentiles of each way of counting, and the exact percentiles."""
    values = two_modes(samples, seed)
    ordered = np.sort(values)
    ways: dict[str, Callable[[], Counted]] = {
        "ours": lambda: _ours(values, repeats),
        "hdrhistogram": lambda: _hdrhistogram(values),
        "locust": lambda: _locust(values),
    }
    found: dict[str, Any] = {"exact_us": [percentile_of(ordered, one) for one in PERCENTILES], "samples": samples}
    for name, way in ways.items():
        seconds, percentiles = way()
        found[name] = {"cpu_seconds": seconds, "percentiles_us": percentiles}
    return found


def two_modes(samples: int, seed: int) -> Values:
    """Response times in microseconds: most some 3.4 ms, one in seven some 140 ms."""
    rng = np.random.default_rng(seed)
    quick, slow = rng.lognormal(np.log(3_400), 0.3, samples), rng.lognormal(np.log(140_000), 0.4, samples)
    return np.where(rng.random(samples) < 1 / 7, slow, quick).astype(np.int64)


def _ours(values: Values, repeats: int) -> Counted:
    seconds = []
    for _ in range(repeats):
        counts = Histogram()
        begun = time.process_time()
        counts.record(values)
        seconds.append(time.process_time() - begun)
    return seconds, counts.percentiles(PERCENTILES)


def _hdrhistogram(values: Values) -> Counted:
    from hdrh.histogram import HdrHistogram

    counts, record = HdrHistogram(1, 3_600_000_000, 3), values.tolist()
    begun = time.process_time()
    for value in record:
        counts.record_value(value)
    seconds = time.process_time() - begun
    return [seconds], [int(counts.get_value_at_percentile(one)) for one in PERCENTILES]


def _locust(values: Values) -> Counted:
    from locust.stats import RequestStats

    stats, record = RequestStats(), (values / 1_000).tolist()
    begun = time.process_time()
    for value_ms in record:
        stats.log_request("POST", "checkout", value_ms, 0)
    seconds = time.process_time() - begun
    entry = stats.get("checkout", "POST")
    return [seconds], [1_000 * entry.get_response_time_percentile(one / 100) for one in PERCENTILES]


def _row(bench: Bench, name: str, found: dict[str, Any]) -> dict[str, Any]:
    told = found[name]
    errors = {
        f"p{percentile:g}": (measured - exact) / exact
        for percentile, measured, exact in zip(PERCENTILES, told["percentiles_us"], found["exact_us"], strict=True)
    }
    seconds = median(told["cpu_seconds"])
    return make_row(
        "histogram",
        CASES[name],
        bench.command,
        (ERROR,) if name == "ours" else (),
        cpu_seconds=seconds,
        ns_per_record=seconds / found["samples"] * 1e9,
        largest_error=max(abs(error) for error in errors.values()),
        errors=errors,
        repeats={"cpu_seconds": told["cpu_seconds"]},
    )
