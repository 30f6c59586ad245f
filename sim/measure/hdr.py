"""HdrHistogram V2 interval logs: what other tools (HistogramLogAnalyzer, hdr-plot) read.

Format: https://github.com/HdrHistogram/HdrHistogram, HistogramLogProcessor, log version 1.3 (the first with tags).
Values are whole microseconds with 3 significant digits; interval maxima are told in milliseconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.arrays import Ints

DIGITS = 3
HIGHEST_US = 3_600_000_000
_KEPT_BITS = 11  # 3 digits: 2,048 sub-buckets
_INTERVAL_US = 1_000_000
_LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'


@dataclass(frozen=True)
class Interval:
    """What was observed from `start_us` (since the log's start) on, for `length_us`; `tag` says of what."""

    tag: str
    start_us: int
    length_us: int
    values_us: Ints


def write_interval_log(path: Path, intervals: Iterable[Interval], started_unix_us: int = 0) -> None:
    """Write the log; intervals without values are left out, as the format wants none."""
    started = dt.datetime.fromtimestamp(started_unix_us / 1e6, dt.UTC).isoformat(timespec="milliseconds")
    lines = [
        "#[Histogram log format version 1.3]",
        f"#[StartTime: {started_unix_us / 1e6:.3f} (seconds since epoch), {started}]",
        f"#[BaseTime: {started_unix_us / 1e6:.3f} (seconds since epoch)]",
        _LEGEND,
        *(_line(interval) for interval in intervals if len(interval.values_us)),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def intervals_of(tag: str, at_us: Ints, values_us: Ints) -> list[Interval]:
    """The values by the second to which they belong."""
    order = np.argsort(at_us, kind="stable")
    numbers = at_us[order] // _INTERVAL_US
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
    parts = np.split(values_us[order], starts[1:])
    return [
        Interval(tag, int(number) * _INTERVAL_US, _INTERVAL_US, part)
        for number, part in zip(numbers[starts].tolist(), parts, strict=False)
    ]


def encoded(values_us: Ints) -> str:
    """The compressed histogram of values, base 64; the library counts one at a time, so equal ones go together.

    Values are cut to the bits that the histogram keeps: that changes no bucket, and leaves few different ones.
    """
    from hdrh.histogram import HdrHistogram

    histogram = HdrHistogram(1, HIGHEST_US, DIGITS)
    clipped = np.clip(values_us, 0, HIGHEST_US)
    exponents = np.maximum(np.frexp(clipped.astype(np.float64))[1] - _KEPT_BITS, 0)
    different, counts = np.unique(clipped >> exponents << exponents, return_counts=True)
    for value, count in zip(different.tolist(), counts.tolist(), strict=True):
        histogram.record_value(value, count)
    return str(histogram.encode().decode("ascii"))


def _line(interval: Interval) -> str:
    most_ms = int(interval.values_us.max()) / 1e3
    times = f"{interval.start_us / 1e6:.3f},{interval.length_us / 1e6:.3f},{most_ms:.3f}"
    return f"Tag={interval.tag},{times},{encoded(interval.values_us)}"
