"""HdrHistogram logs, read back by the library that others use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from sim.measure.hdr import HIGHEST_US, Interval, encoded, intervals_of, write_interval_log

START = 1_700_000_000_250_000


def read_back(path: Path) -> list[Any]:
    reader = HistogramLogReader(str(path), HdrHistogram(1, HIGHEST_US, 3))
    found = []
    with reader.input_file:
        while (one := reader.get_next_interval_histogram()) is not None:
            found.append(one)
    return found


def test_what_is_written_is_what_the_library_would_have_counted() -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.integers(0, 5_000, 2_000), rng.lognormal(9, 3, 2_000).astype(np.int64)])
    histogram = HdrHistogram(1, HIGHEST_US, 3)
    for value in np.minimum(values, HIGHEST_US).tolist():
        histogram.record_value(value)
    assert encoded(values) == histogram.encode().decode()


def test_a_log_is_read_back_with_its_times_and_tags(tmp_path: Path) -> None:
    path = tmp_path / "latency.hlog"
    at = np.array([2_500_000, 100_000, 900_000])
    checkouts = intervals_of("checkout", at, np.array([7_000, 1_000, 2_000]))
    nothing = Interval("confirmation", 0, 1_000_000, np.zeros(0, np.int64))
    write_interval_log(path, [*checkouts, nothing], START)
    found = read_back(path)
    assert [(one.get_tag(), one.get_total_count()) for one in found] == [("checkout", 2), ("checkout", 1)]
    assert [one.get_start_time_stamp() for one in found] == pytest.approx([START / 1e3, START / 1e3 + 2_000])
    assert [one.get_end_time_stamp() - one.get_start_time_stamp() for one in found] == pytest.approx([1_000] * 2)
    assert found[1].get_value_at_percentile(50) == pytest.approx(7_000, rel=0.001)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#[Histogram log format version 1.3]"
    assert lines[1].startswith("#[StartTime: 1700000000.250 (seconds since epoch), 2023-11-14T22:13:20.250")
    assert lines[4].startswith("Tag=checkout,0.000,1.000,2.000,HISTFAAA")


def test_what_took_over_an_hour_counts_as_an_hour() -> None:
    assert encoded(np.array([HIGHEST_US * 2])) == encoded(np.array([HIGHEST_US]))


def test_nothing_to_write_is_an_empty_log(tmp_path: Path) -> None:
    path = tmp_path / "latency.hlog"
    write_interval_log(path, intervals_of("checkout", np.zeros(0, np.int64), np.zeros(0, np.int64)))
    assert read_back(path) == []
