"""Time on a figure: the zone it is told in, the part of it where something happens, buckets and ticks.

Figures count seconds since the scenario's start on their axis; only tick labels are local times.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from sim.arrays import Floats
from sim.reports.words import duration
from sim.scenario.schema import Scenario
from sim.scenario.units import US_PER_S

DAY_S = 86_400
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NICE_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, DAY_S)
_WHOLE_DAYS = (2, 7, 14, 28, 91, 182, 364)
_MOST_BUCKETS = 300
_LEAST_WINDOW_S = 30.0


@dataclass(frozen=True)
class Window:
    """A stretch of time, seconds since the start; `left_out` is the share of what happens that lies outside."""

    start_s: float
    end_s: float
    left_out: float = 0.0

    @property
    def length_s(self) -> float:
        """Its length."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Clock:
    """Local time in one zone."""

    start: dt.datetime
    zone: ZoneInfo
    place: str

    def local(self, time_s: float) -> dt.datetime:
        """The local time at `time_s`."""
        return (self.start + dt.timedelta(seconds=float(time_s))).astimezone(self.zone)

    def second_of(self, local: dt.datetime) -> float:
        """Seconds since the start of a local time."""
        return (local.replace(tzinfo=self.zone).astimezone(dt.UTC) - self.start).total_seconds()

    def label(self) -> str:
        """The words under a time axis."""
        return f"local time in {self.zone.key} ({self.place})"

    def moment(self, time_s: float, *, day: bool = True, seconds: bool = False) -> str:
        """`Fri 20 Nov 20:04`."""
        at = self.local(time_s)
        text = f"{at:%H:%M:%S}" if seconds else f"{at:%H:%M}"
        return f"{date_text(at.date())} {text}" if day else text

    def ticks(self, window: Window, most: int = 11) -> tuple[list[float], list[str]]:
        """Positions and labels of at most some `most` ticks at round local times, with the date where it changes."""
        step_s = tick_step_s(window.length_s, most)
        positions = [at for at in self._round_times(window, step_s) if window.start_s <= at <= window.end_s]
        labels, day = [], None
        for at in positions:
            local = self.local(at)
            if step_s >= DAY_S:
                labels.append(date_text(local.date()))
                continue
            text = f"{local:%H:%M:%S}" if step_s < 60 else f"{local:%H:%M}"
            labels.append(text if local.date() == day else f"{text}\n{date_text(local.date())}")
            day = local.date()
        return positions, labels

    def _round_times(self, window: Window, step_s: int) -> list[float]:
        first = self.local(window.start_s).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        length_s = self.second_of(self.local(window.end_s).replace(tzinfo=None)) - self.second_of(first)
        if step_s >= DAY_S:
            days = range(0, int(length_s // DAY_S) + 2, step_s // DAY_S)
            return [self.second_of(first + dt.timedelta(days=k)) for k in days]
        skip = int(max(window.start_s - self.second_of(first), 0) // step_s)
        steps = range(max(skip - 3700 // step_s, 0), int(length_s // step_s) + 2)
        found = [self.second_of(first + dt.timedelta(seconds=k * step_s)) for k in steps]
        return sorted(set(found))


def clock_of(scenario: Scenario) -> Clock:
    """The clock of the scenario's first region."""
    region = scenario.regions[0]
    return Clock(scenario.start.astimezone(dt.UTC), ZoneInfo(region.zone), f"region {region.name}")


def day_axis(axes: Axes, days: Sequence[dt.date]) -> None:
    """Make the horizontal axis one of days, or of blocks that begin on them: the k-th at k, at most 16 with labels."""
    every = -(-len(days) // 16)
    named = days[::every]
    axes.set_xticks(range(0, len(days), every), [date_text(day).replace(" ", "\n", 1) for day in named])
    axes.set_xlim(-0.7, max(len(days) - 0.3, 2.3))
    axes.grid(False, axis="x")


def date_text(day: dt.date) -> str:
    """`Fri 20 Nov`, whatever the machine's language."""
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]}"


def tick_step_s(length_s: float, most: int) -> int:
    """The smallest round step that cuts `length_s` into at most `most` pieces."""
    for step in (*_NICE_S, *(days * DAY_S for days in _WHOLE_DAYS)):
        if step not in (2, 120, 7200) and length_s / step <= most:
            return step
    return _WHOLE_DAYS[-1] * DAY_S


def bucket_s(window: Window, step_s: int) -> int:
    """Length of a bucket: round, a multiple of the timeline's step, at most _MOST_BUCKETS in the window."""
    for nice in _NICE_S:
        if nice % step_s == 0 and window.length_s / nice <= _MOST_BUCKETS:
            return nice
    return int(-(-window.length_s / _MOST_BUCKETS // step_s)) * step_s


def busy_window(time_s: npt.ArrayLike, weight: npt.ArrayLike) -> Window | None:
    """From the first time with weight to the last, with a margin; None if there is none.

    A last trickle of at most 2 % of the weight is left out where it would take a quarter of the axis.
    """
    times, weights = np.asarray(time_s, np.float64), np.asarray(weight, np.float64)
    some = weights > 0
    if not some.any():
        return None
    order = np.argsort(times[some], kind="stable")
    times, sums = times[some][order], np.cumsum(weights[some][order])
    last = _before_the_trickle(times, sums)
    start, end = float(times[0]), float(times[last]) + 1
    margin = max(0.02 * (end - start), (_LEAST_WINDOW_S - (end - start)) / 2, 1)
    within = int(np.searchsorted(times, end + margin, side="right")) - 1
    return Window(max(start - margin, 0), end + margin, float(1 - sums[within] / sums[-1]))


def _before_the_trickle(times: Floats, sums: Floats) -> int:
    last = len(times) - 1
    for keep in (0.998, 0.99, 0.98):
        earlier = int(np.searchsorted(sums, keep * sums[-1]))
        if times[last] - times[earlier] > 0.25 * (times[last] - times[0]):
            last = earlier
    return last


def busy_days(weight: npt.ArrayLike) -> tuple[int, int, float]:
    """First and last index with weight, without a last trickle, and the share of the weight left out."""
    weights = np.asarray(weight, np.float64)
    days = np.flatnonzero(weights > 0)
    sums = np.cumsum(weights[days])
    last = _before_the_trickle(days.astype(np.float64), sums)
    return int(days[0]), int(days[last]), float(1 - sums[last] / sums[-1])


def stretch(length_s: int) -> str:
    """`second`, `minute`, `hour`, `30 min`: to stand behind "in the worst"."""
    return {1: "second", 60: "minute", 3600: "hour", DAY_S: "day"}.get(length_s) or duration(length_s * US_PER_S)


def buckets(window: Window, size_s: int, step_s: int, rows: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """First timeline row of each bucket in the window, and the times of the buckets' edges (one more)."""
    per = size_s // step_s
    first = int(window.start_s // size_s) * per
    last = min(int(-(-window.end_s // size_s)) * per, -(-rows // per) * per)
    starts = np.arange(first, max(last, first + per), per)
    edges = np.append(starts, starts[-1] + per) * float(step_s)
    return starts[starts < rows], edges[: int(np.sum(starts < rows)) + 1]
