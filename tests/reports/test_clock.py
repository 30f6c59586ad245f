"""Time axes: windows, buckets, ticks at local times."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from sim.reports.figures.clock import Clock, Window, bucket_s, buckets, busy_window, stretch, tick_step_s

HOUR_S, DAY_S = 3600, 86_400
START = dt.datetime(2026, 10, 24, 18, 0, tzinfo=dt.UTC)  # the night in which summer time ends in Europe
LONDON = Clock(START, ZoneInfo("Europe/London"), "region britain")


def test_ticks_are_round_local_times_with_the_date_where_it_changes() -> None:
    positions, labels = LONDON.ticks(Window(0, 6 * HOUR_S))
    assert labels[0] == "19:00\nSat 24 Oct"
    assert "00:00\nSun 25 Oct" in labels
    assert LONDON.local(positions[1]).minute in (0, 30)


def test_ticks_stay_round_where_the_clock_is_put_back() -> None:
    positions, labels = LONDON.ticks(Window(0, 30 * HOUR_S))
    assert positions == sorted(positions)
    assert {LONDON.local(at).minute for at in positions} == {0}
    assert "12:00" in [label.split("\n")[0] for label in labels]


def test_days_stay_at_midnight_where_the_clock_is_put_back() -> None:
    positions, labels = LONDON.ticks(Window(0, 9 * DAY_S))
    assert {LONDON.local(at).time() for at in positions} == {dt.time(0, 0)}
    assert labels[:2] == ["Sun 25 Oct", "Mon 26 Oct"]


@pytest.mark.parametrize(
    "length_s", [7, 30, 61, 3599, 10_800, 90_000, 14 * DAY_S, 40 * DAY_S, 400 * DAY_S, 3600 * DAY_S]
)
@pytest.mark.parametrize("start_s", [0, 1234.5, 29 * DAY_S])
def test_there_are_a_few_ticks_inside_every_window(length_s: float, start_s: float) -> None:
    window = Window(start_s, start_s + length_s)
    positions, labels = LONDON.ticks(window)
    assert 2 <= len(positions) <= 13
    assert len(labels) == len(positions)
    assert all(window.start_s <= at <= window.end_s for at in positions)


def test_the_smallest_step_is_a_second() -> None:
    assert tick_step_s(0.5, 10) == 1


def test_a_window_spans_all_that_happens() -> None:
    window = busy_window(np.arange(10_000), np.ones(10_000))
    assert window is not None
    assert (window.start_s, window.left_out) == (0, 0)
    assert window.end_s == pytest.approx(10_200)


def test_a_short_burst_gets_some_room() -> None:
    window = busy_window([1800, 1801], [400, 100])
    assert window is not None
    assert window.length_s == pytest.approx(30)
    assert window.left_out == 0


def test_a_long_last_trickle_is_left_out_and_told() -> None:
    times = np.append(np.arange(1000), [50_000, 90_000])
    window = busy_window(times, np.ones(1002))
    assert window is not None
    assert window.end_s < 2000
    assert window.left_out == pytest.approx(2 / 1002)


def test_nothing_has_no_window() -> None:
    assert busy_window([], []) is None
    assert busy_window([1, 2], [0, 0]) is None


@pytest.mark.parametrize("step_s", [1, 3, 7, 60])
@pytest.mark.parametrize("length_s", [25, 5000, 86_400, 1_200_000])
def test_buckets_are_whole_rows_of_the_timeline(step_s: int, length_s: int) -> None:
    window = Window(100, 100 + length_s)
    size_s = bucket_s(window, step_s)
    rows = int(window.end_s) // step_s + 50
    starts, edges = buckets(window, size_s, step_s, rows)
    assert size_s % step_s == 0
    assert 1 <= len(starts) <= 302
    assert len(edges) == len(starts) + 1
    assert edges[0] <= window.start_s
    assert edges[-1] >= window.end_s
    assert set(np.diff(edges)) == {float(size_s)}


def test_buckets_end_with_the_timeline() -> None:
    starts, edges = buckets(Window(0, 100), 10, 1, 55)
    assert list(starts) == [0, 10, 20, 30, 40, 50]
    assert edges[-1] == 60


def test_stretches_have_names() -> None:
    assert [stretch(length) for length in (1, 60, 3600, 1800)] == ["second", "minute", "hour", "30 min"]
