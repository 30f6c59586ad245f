"""Where demand comes from, by local time: each region's share x its factor for the local weekday and hour.

Local clocks change at whole quarters of an hour of UTC in every zone, so factors are looked up once a quarter.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from sim.arrays import Floats, Ints
from sim.demand.choices import ChoiceTable, choice_table
from sim.scenario.parts.base import EVERY_DAY
from sim.scenario.parts.shop import Region
from sim.scenario.schema import Scenario
from sim.scenario.units import US_PER_S

QUARTER_US = 900 * US_PER_S
_EPOCH, _QUARTER, _DAY_HOURS = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.timedelta(minutes=15), 24


@dataclass(frozen=True)
class Seasons:
    """Stretches of time with constant regional weights, the first from `from_us[0]`, the last without end.

    `total[k]` multiplies all demand in stretch k (1 without factors); `table` picks the region, group = stretch.
    """

    from_us: Ints
    total: Floats
    table: ChoiceTable

    def at(self, times_us: Ints) -> Ints:
        """The stretch that each time lies in, int64; times before the first count to the first."""
        return np.asarray(np.maximum(np.searchsorted(self.from_us, times_us, side="right") - 1, 0), np.int64)

    def pick(self, times_us: Ints, uniform: npt.NDArray[np.uint32]) -> Ints:
        """A region number for each time and its uniform number."""
        return self.table.pick(self.at(times_us) if len(self.from_us) > 1 else 0, uniform)


def seasons(scenario: Scenario, from_us: int, to_us: int, hourly: bool) -> Seasons:
    """The stretches over [from_us, to_us); `hourly`: with the factors by local hour, not only by weekday."""
    times_us, weights = np.array([from_us], np.int64), _shares(scenario)
    if any(region.day_factors or (hourly and region.hour_factors) for region in scenario.regions):
        times_us, weights = _stretches(scenario, from_us, to_us, hourly)
    total = np.cumsum(weights, axis=1)[:, -1]  # from left to right, as everywhere
    # Where nobody buys, the region is never asked for; the table still needs a weight.
    table = choice_table(np.where(total[:, None] > 0, weights, 1.0))
    return Seasons(times_us, total, table)


def epoch_us(scenario: Scenario) -> int:
    """When the scenario starts, in microseconds since 1970."""
    return (scenario.start - _EPOCH) // dt.timedelta(microseconds=1)


def _shares(scenario: Scenario) -> Floats:
    """Each region's share of the audience, [1, regions]."""
    shares = [region.audience for region in scenario.regions]
    return np.array([shares]) / sum(shares)


def _stretches(scenario: Scenario, from_us: int, to_us: int, hourly: bool) -> tuple[Ints, Floats]:
    """When weights change, int64[stretches], and the weights from then on, [stretches, regions]."""
    start_us = epoch_us(scenario)
    first, last = (from_us + start_us) // QUARTER_US, -(-(max(to_us, from_us + 1) + start_us) // QUARTER_US)
    # Many contents and every replication ask for some of the same quarters: local hours are kept for all of them.
    begin = min(first, start_us // QUARTER_US)
    end = max(last, (scenario.horizon_us + start_us) // QUARTER_US + 1)
    factors = [_factors(region, hourly)[_local_hours(region.zone, begin, end)] for region in scenario.regions]
    weights = _shares(scenario) * np.stack(factors, axis=1)[first - begin : last - begin]
    changes = np.append(True, (weights[1:] != weights[:-1]).any(axis=1))
    times_us = np.flatnonzero(changes) * QUARTER_US + (first * QUARTER_US - start_us)
    times_us[0] = from_us
    return times_us.astype(np.int64), weights[changes]


def _factors(region: Region, hourly: bool) -> Floats:
    """A region's factor at each hour of its local week, [168]."""
    by_day = np.array([region.day_factors.get(day, 1.0) for day in EVERY_DAY])
    by_hour = np.array(region.hour_factors) if hourly and region.hour_factors else np.ones(_DAY_HOURS)
    return np.asarray((by_day[:, None] * by_hour).reshape(-1))


@lru_cache(maxsize=64)
def _local_hours(zone: str, begin: int, end: int) -> Ints:
    """The hour of the local week, 0 to 167, at the quarters of UTC from `begin` to `end` - 1 since 1970."""
    clock = ZoneInfo(zone)
    epoch = _EPOCH.replace(tzinfo=clock)
    local = (clock.fromutc(epoch + quarter * _QUARTER) for quarter in range(begin, end))
    return np.array([time.weekday() * _DAY_HOURS + time.hour for time in local], np.int64)
