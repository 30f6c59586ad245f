"""How many came to see each content, by quarters of an hour: what conversion and earnings are measured against.

A view is somebody who enters a broadcast (the expected number; the trace draws purchases, not viewers), or a showing of
a short video, re-shares included, as drawn. Quarters begin at whole quarters of an hour of UTC, so that they make up
the local hours of every zone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.arrays import Floats, Ints
from sim.demand.arrivals import RateCurve, cumulative
from sim.demand.regions import QUARTER_US, epoch_us
from sim.demand.show import entries
from sim.scenario.schema import Scenario
from sim.scenario.units import US_PER_S


def offset_us(scenario: Scenario) -> int:
    """How long after a whole quarter of an hour of UTC the scenario starts."""
    return epoch_us(scenario) % QUARTER_US


def quarter_of(time_us: Ints, offset: int) -> Ints:
    """Numbers of the quarters in which times fall; 0 is that of the scenario's start."""
    return np.asarray((time_us + offset) // QUARTER_US)


def quarter_start_s(quarter: Ints, offset: int) -> npt.NDArray[np.int32]:
    """Start of quarters in seconds since the scenario's start; the first may begin before it and is held to 0."""
    return np.maximum((quarter * QUARTER_US - offset) // US_PER_S, 0).astype(np.int32)


class Views:
    """The views of every video by quarter, counted while `generate` draws them."""

    def __init__(self, scenario: Scenario) -> None:
        self.offset, self._shows = offset_us(scenario), len(scenario.programme.broadcasts)
        quarters = int(quarter_of(np.array([scenario.horizon_us - 1]), self.offset)[0]) + 1
        self.edges_us = np.arange(quarters + 1) * QUARTER_US - self.offset
        self.edges_us[-1] = scenario.horizon_us
        self.counts = np.zeros((len(scenario.programme.videos), quarters), np.int64)

    def __call__(self, content: int, seen_us: Ints) -> None:
        """Count views, before the horizon, of a video by its number among the contents."""
        counts = self.counts[content - self._shows]
        counts += np.bincount(quarter_of(seen_us, self.offset), minlength=len(counts))


def audience(scenario: Scenario, views: Views) -> dict[str, npt.NDArray[np.generic]]:
    """Columns `time_s` (start of the quarter), `content`, `views` (float64, above 0), by content and time."""
    entered = [
        np.diff(_up_to(entries(scenario, broadcast), views.edges_us)) for broadcast in scenario.programme.broadcasts
    ]
    quarters, contents, counts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for content, seen in enumerate([*entered, *views.counts.astype(np.float64)]):
        some = np.flatnonzero(seen)
        quarters.append(some)
        contents.append(np.full(len(some), content))
        counts.append(seen[some])
    return {
        "time_s": quarter_start_s(np.concatenate(quarters), views.offset),
        "content": np.concatenate(contents),
        "views": np.round(np.concatenate(counts), 3),
    }


def _up_to(rates: RateCurve, edges_us: Ints) -> Floats:
    """Expected arrivals before each edge, exact: the edges become knots of the curve."""
    inside = edges_us[(edges_us > rates.times_us[0]) & (edges_us < rates.times_us[-1])]
    inside = np.setdiff1d(inside, rates.times_us)
    times = np.concatenate((rates.times_us, inside))
    order = np.argsort(times, kind="stable")
    per_s = np.concatenate((rates.per_s, np.interp(inside, rates.times_us, rates.per_s)))
    finer = RateCurve(times[order], per_s[order])
    return np.interp(edges_us, finer.times_us, cumulative(finer))
