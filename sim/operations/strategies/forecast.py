"""What a planner expects to sell: fitted to pilot replications of the scenario's own demand, or given.

Pilots are replications of the scenario that no run meets, numbered from `PILOTS` on. Demand is units wanted by buyers
who go ahead and would pay, of SKUs that hold stock, at the warehouse nearest to the buyer's region.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sim.arrays import Ints
from sim.demand.generate import generate
from sim.demand.trace import NEVER, Trace
from sim.scenario.parts.stocking import GivenDemand
from sim.scenario.quantiles import at_u32, quantile_table
from sim.scenario.schema import Scenario
from sim.scenario.studies.study import demand_key
from sim.scenario.tables import SkuRow, nearest_warehouses, sku_table

PILOTS = 1_000_000_000
IN_TIME_U32 = round(0.95 * 2**32)  # an order for a show is in time with this probability


class Show(NamedTuple):
    """A show to be planned for: when to order, and until when the order must last, the next show's start."""

    order_us: int
    start_us: int
    until_us: int


def shows_of(scenario: Scenario) -> list[Show]:
    """The shows in order of time; the whole horizon where there is no show in it."""
    starts = sorted({show.start_us for show in scenario.programme.broadcasts if show.start_us < scenario.horizon_us})
    starts = starts or [0]
    lead_time = scenario.stock.lead_time
    ahead_us = lead_time.mean_us
    if lead_time.dist != "constant":
        ahead_us = at_u32(quantile_table(lead_time), IN_TIME_U32)
    ends = [*starts[1:], scenario.horizon_us]
    return [Show(max(start - ahead_us, 0), start, end) for start, end in zip(starts, ends, strict=True)]


class Expected(NamedTuple):
    """Mean and standard deviation of the demand over one window at each warehouse, and at all together."""

    by_house: list[tuple[float, float]]
    together: tuple[float, float]

    def at(self, houses: tuple[int, ...]) -> tuple[float, float]:
        """Mean and standard deviation at one warehouse, or at all that share a level."""
        return self.by_house[houses[0]] if len(houses) == 1 else self.together


class Forecast:
    """Expected demand by window of time and SKU. `pilots[pilot, window, sku, warehouse]`: units wanted."""

    def __init__(self, scenario: Scenario, windows: Sequence[tuple[int, int]], pilots: Ints) -> None:
        self._scenario, self._windows, self._pilots = scenario, windows, pilots
        self._table = sku_table(scenario)
        self._starts = [show.start_us for show in scenario.programme.broadcasts]
        self._shares = [0.0] * len(scenario.warehouses)
        for region, nearest in zip(scenario.regions, nearest_warehouses(scenario), strict=True):
            self._shares[nearest[0]] += region.audience

    def at(self, window: int, sku: int) -> Expected:
        """What is expected of a SKU in a window."""
        row = self._table[sku]
        given = self._scenario.stock.forecast.given_for(row.name, self._scenario.catalogue[row.listing].name)
        if given is None:
            units = self._pilots[:, window, sku].astype(np.float64)
            means, sds = units.mean(axis=0).tolist(), units.std(axis=0, ddof=1).tolist()
            total = units.sum(axis=1)
            return Expected(list(zip(means, sds, strict=True)), (float(total.mean()), float(total.std(ddof=1))))
        begin, end = self._windows[window]
        shows = sum(begin <= start < end for start in self._starts)
        return Expected(
            [(given.mean * share * shows, (_variance(given, share) * shows) ** 0.5) for share in self._shares],
            (given.mean * shows, (given.sd * given.sd * shows) ** 0.5),
        )


def _variance(given: GivenDemand, share: float) -> float:
    """Of the demand of a share of the buyers, who are in it one by one: what varies more than chance alone is common to
    all shares."""
    beyond = given.sd * given.sd - given.mean
    return share * share * beyond + share * given.mean if beyond >= 0 else given.sd * given.sd * share


def forecast_of(scenario: Scenario, windows: Sequence[tuple[int, int]]) -> Forecast:
    """The forecast for these windows; pilots are made once a process, or were made elsewhere (`remember`)."""
    if not needs_pilots(scenario):
        return Forecast(scenario, windows, np.zeros((2, len(windows), len(sku_table(scenario)), 0), np.int64))
    key = _key(scenario, windows)
    if key not in _known:
        _known[key] = _count(scenario, windows)
    return Forecast(scenario, windows, _known[key])


def needs_pilots(scenario: Scenario) -> bool:
    """Whether some SKU that holds stock has no given demand."""
    given, names = scenario.stock.forecast, scenario.catalogue
    rows = [row for number, row in enumerate(sku_table(scenario)) if row.components == ((number, 1),)]
    return any(given.given_for(row.name, names[row.listing].name) is None for row in rows)


def pilots_of(scenario: Scenario, windows: Sequence[tuple[int, int]]) -> dict[str, Ints]:
    """The pilots for these windows, to be remembered in other processes; nothing where none are needed."""
    if not needs_pilots(scenario):
        return {}
    forecast_of(scenario, windows)
    key = _key(scenario, windows)
    return {key: _known[key]}


def remember(pilots: Mapping[str, Ints]) -> None:
    """Take over pilots that another process has made."""
    _known.update(pilots)


_known: dict[str, Ints] = {}
_last: tuple[str, list[tuple[Ints, Ints, Ints]]] = "", []


def _key(scenario: Scenario, windows: Sequence[tuple[int, int]]) -> str:
    houses = [[house.name for house in scenario.warehouses], nearest_warehouses(scenario)]
    parts = [demand_key(scenario), scenario.seed, scenario.stock.forecast.pilots, houses, list(windows)]
    return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()


def _count(scenario: Scenario, windows: Sequence[tuple[int, int]]) -> Ints:
    pilots = _pilots(scenario)
    units = np.zeros((len(pilots), len(windows), len(sku_table(scenario)), len(scenario.warehouses)), np.int64)
    for pilot, (time_us, cells, wanted) in enumerate(pilots):
        for window, (begin_us, end_us) in enumerate(windows):
            low, high = np.searchsorted(time_us, [begin_us, end_us])
            np.add.at(units[pilot, window].reshape(-1), cells[low:high], wanted[low:high])
    return units


def _pilots(scenario: Scenario) -> list[tuple[Ints, Ints, Ints]]:
    """What each pilot wants (`_wanted`), kept until other demand is asked for: plans and formulas differ in windows."""
    global _last
    key = _key(scenario, [])
    if _last[0] != key:
        table, nearest = sku_table(scenario), np.array(nearest_warehouses(scenario))[:, 0]
        traces = (generate(scenario, scenario.seed, PILOTS + k) for k in range(scenario.stock.forecast.pilots))
        _last = key, [_wanted(trace, table, nearest, len(scenario.warehouses)) for trace in traces]
    return _last[1]


def _wanted(trace: Trace, table: list[SkuRow], nearest: Ints, houses: int) -> tuple[Ints, Ints, Ints]:
    """Time, SKU x warehouses + warehouse, and units of each line that is wanted, bundles as their parts."""
    lines = trace.buys
    first = np.flatnonzero(np.diff(lines["cart"], prepend=-1))
    going = trace.carts["go_u32"] < trace.factor_u64[lines["sku"][first]]
    serious = (going & (trace.carts["pay_delay_us"] != NEVER))[lines["cart"]]
    time_us, sku, quantity, region = (lines[name][serious] for name in ("time_us", "sku", "quantity", "region"))
    found: list[tuple[Ints, Ints, Ints]] = []
    for number, row in enumerate(table):
        mine = np.flatnonzero(sku == number)
        for part, count in row.components:
            cells = part * houses + nearest[region[mine]]
            found.append((time_us[mine].astype(np.int64), cells, quantity[mine].astype(np.int64) * count))
    times, cells, wanted = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(times, kind="stable")
    return times[order], cells[order], wanted[order]
