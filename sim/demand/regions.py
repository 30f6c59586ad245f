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

from sim.demand.choices import ChoiceTable, choice_table
from sim.demand.laws import Floats
from sim.scenario.base import EVERY_DAY
from sim.scenario.schema import Scenario
from sim.scenario.shop import Region
from sim.scenario.units import US_PER_S

QUARTER_US = 900 * US_PER_S
Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Seasons:
    """Stretches of time with constant regional weights, the first from `from_us[0]`, the last without end.

    `total[k]` multiplies all demand in stretch k (1 without factors); `table` picks the region, group = stretch.
    """

    from_us: Times
    total: Floats
    table: ChoiceTable

    def at(self, times_us: Times) -> Times:
        """The stretch that each time lies in, int64; times before the first count to the first."""
        return np.asarray(np.maximum(np.searchsorted(self.from_us, times_us, side="right") - 1, 0), np.int64)

    def pick(self, times_us: Times, uniform: npt.NDArray[np.uint32]) -> Times:
        """A region number for each time and its uniform number."""
        return self.table.pick(self.at(times_us) if len(self.from_us) > 1 else 0, uniform)


def seasons(scenario: Scenario, from_us: int, to_us: int, hourly: bool) -> Seasons:
    """The stretches over [from_us, to_us); `hourly`: with the factors by local hour, not only by weekday."""
    starts, weights = [from_us], [_weights(scenario, from_us, hourly)]
    if any(region.day_factors or (hourly and region.hour_factors) for region in scenario.regions):
        for time_us in _quarters(scenario, from_us, to_us):
            row = _weights(scenario, time_us, hourly)
            if row != weights[-1]:
                starts.append(time_us)
                weights.append(row)
    total = np.array([sum(row) for row in weights])
    # Where nobody buys, the region is never asked for; the table still needs a weight.
    table = choice_table([row if sum(row) > 0 else [1.0] * len(row) for row in weights])
    return Seasons(np.array(starts, np.int64), total, table)


def _quarters(scenario: Scenario, from_us: int, to_us: int) -> range:
    epoch_us = (scenario.start - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    first = from_us + (-(from_us + epoch_us)) % QUARTER_US
    return range(first, to_us, QUARTER_US)


def _weights(scenario: Scenario, time_us: int, hourly: bool) -> list[float]:
    shares = [region.audience for region in scenario.regions]
    moment = scenario.start + dt.timedelta(microseconds=time_us)
    whole = sum(shares)
    return [
        share / whole * _factor(region, moment, hourly) for share, region in zip(shares, scenario.regions, strict=True)
    ]


def _factor(region: Region, moment: dt.datetime, hourly: bool) -> float:
    if not region.day_factors and not (hourly and region.hour_factors):
        return 1.0
    weekday, hour = _local(region.zone, moment)
    factor = region.day_factors.get(EVERY_DAY[weekday], 1.0)
    return factor * region.hour_factors[hour] if hourly and region.hour_factors else factor


@lru_cache(maxsize=1 << 17)  # many contents and every replication ask for the same quarters
def _local(zone: str, moment: dt.datetime) -> tuple[int, int]:
    """Weekday and hour on the clocks of a zone."""
    local = moment.astimezone(ZoneInfo(zone))
    return local.weekday(), local.hour
