"""How many came to see each content, by quarters of an hour: what conversion and earnings are measured against.

A view is somebody who enters a broadcast (the expected number; the trace draws purchases, not viewers), or a showing of
a short video, re-shares included (as drawn: the streams of `sources` are read again). Quarters begin at whole quarters
of an hour of UTC, so that they make up the local hours of every zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from sim.demand.arrivals import RateCurve, cumulative
from sim.demand.regions import QUARTER_US, epoch_us
from sim.demand.show import entries
from sim.demand.sources import video_views
from sim.demand.streams import stream
from sim.scenario.schema import Scenario
from sim.scenario.units import US_PER_S

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def offset_us(scenario: Scenario) -> int:
    """How long after a whole quarter of an hour of UTC the scenario starts."""
    return epoch_us(scenario) % QUARTER_US


def quarter_of(time_us: Ints, offset: int) -> Ints:
    """Numbers of the quarters in which times fall; 0 is that of the scenario's start."""
    return np.asarray((time_us + offset) // QUARTER_US)


def quarter_start_s(quarter: Ints, offset: int) -> npt.NDArray[np.int32]:
    """Start of quarters in seconds since the scenario's start; the first may begin before it and is held to 0."""
    return np.maximum((quarter * QUARTER_US - offset) // US_PER_S, 0).astype(np.int32)


def audience(scenario: Scenario, seed: int, replication: int) -> dict[str, npt.NDArray[np.generic]]:
    """Columns `time_s` (start of the quarter), `content`, `views` (float64, above 0), by content and time."""
    offset = offset_us(scenario)
    quarters, contents, views = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for content, counts in enumerate(_counts(scenario, seed, replication, offset)):
        some = np.flatnonzero(counts)
        quarters.append(some)
        contents.append(np.full(len(some), content))
        views.append(counts[some])
    return {
        "time_s": quarter_start_s(np.concatenate(quarters), offset),
        "content": np.concatenate(contents),
        "views": np.round(np.concatenate(views), 3),
    }


def _counts(scenario: Scenario, seed: int, replication: int, offset: int) -> Iterator[Floats]:
    """Views by quarter of each content: broadcasts, then videos."""
    number = int(quarter_of(np.array([scenario.horizon_us - 1]), offset)[0]) + 1
    edges_us = np.arange(number + 1) * QUARTER_US - offset
    edges_us[-1] = scenario.horizon_us
    for broadcast in scenario.programme.broadcasts:
        yield np.diff(_up_to(entries(scenario, broadcast), edges_us))
    for clip in scenario.programme.videos:
        counts = np.zeros(number, np.int64)
        for seen_us in video_views(scenario, clip, partial(stream, seed, replication)):
            counts += np.bincount(quarter_of(seen_us, offset), minlength=number)
        yield counts.astype(np.float64)


def _up_to(rates: RateCurve, edges_us: Ints) -> Floats:
    """Expected arrivals before each edge, exact: the edges become knots of the curve."""
    inside = edges_us[(edges_us > rates.times_us[0]) & (edges_us < rates.times_us[-1])]
    inside = np.setdiff1d(inside, rates.times_us)
    times = np.concatenate((rates.times_us, inside))
    order = np.argsort(times, kind="stable")
    per_s = np.concatenate((rates.per_s, np.interp(inside, rates.times_us, rates.per_s)))
    finer = RateCurve(times[order], per_s[order])
    return np.interp(edges_us, finer.times_us, cumulative(finer))
