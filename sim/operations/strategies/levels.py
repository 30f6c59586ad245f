"""The levels that formulas give to a stock policy, for demand fitted from pilots and the scenario's own money.

One level may stand for many items (a SKU at a warehouse, or at all together where deliveries are allotted): then the
expected costs of all are added. Newsvendor balance: one unit more costs `over` where demand stays below, and saves
`short` where it does not. Order quantities: Harris 1913. Lost sales, a cycle at a time: Hadley & Whitin 1963.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

from sim.operations.strategies.analytic.demand import Demand
from sim.operations.strategies.forecast import forecast_of
from sim.operations.strategies.show_stock import worth_of
from sim.scenario.quantiles import at_u32, quantile_table
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table, to_reporting_minor
from sim.scenario.units import PPM, US_PER_DAY

#: Stretches of demand start so often within the time that they last: more would tell the same again.
_STARTS, _MOST_STARTS = 4, 64
_MOST_UNITS = 1 << 40


class Part(NamedTuple):
    """An item's demand, what a unit of stock short and one left cost, its share of the common level, and how much stock
    a unit sold uses up."""

    demand: Demand
    short: float
    over: float
    share: float = 1.0
    eats: float = 1.0

    def slope(self, level: int) -> float:
        """What one unit more of the common level costs, less what it saves."""
        covered = self.demand.cdf(self.share * level / self.eats)
        return self.share * ((self.short + self.over) * covered - self.short)


class Stocked(NamedTuple):
    """A SKU at some warehouses that share a level."""

    sku: int
    houses: tuple[int, ...]


def common_level(parts: Sequence[Part]) -> int:
    """The whole level of least expected cost, all parts added; 0 where nothing can be short."""

    def rises(level: int) -> bool:
        """Whether one unit more than `level` costs at least what it saves."""
        return math.fsum(part.slope(level) for part in parts) >= 0

    low, high = -1, 1
    while high < _MOST_UNITS and not rises(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if rises(middle) else (middle, high)
    return high


class Levels:
    """What formulas say of a scenario's items; pilots are made once."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario, self._table, plan = scenario, sku_table(scenario), scenario.stock
        self._lead_us = at_u32(quantile_table(plan.lead_time), 1 << 31)
        ends = [show.start_us + show.length_us for show in scenario.programme.broadcasts]
        self._season_us = min(max(ends, default=scenario.horizon_us), scenario.horizon_us)

    def items(self) -> list[Stocked]:
        """The items that levels are for: those with stock at the start."""
        together = self._scenario.stock.allocation != "none"
        found = []
        for sku, row in enumerate(self._table):
            houses = [house for house, units in enumerate(row.stock) if units] if row.components == ((sku, 1),) else []
            if together and houses:
                found.append(Stocked(sku, tuple(range(len(row.stock)))))
            elif not together:
                found += [Stocked(sku, (house,)) for house in houses]
        return found

    def season_stock(self, shares: Sequence[tuple[Stocked, float]]) -> int:
        """The stock at the start where nothing is ordered: the newsvendor's for the whole horizon, net of returns that
        are sold again. `shares`: of each item in it."""
        whole_us, parts = self._scenario.horizon_us, []
        for item, share in shares:
            part, worth = (
                self._part(item, whole_us, whole_us),
                worth_of(self._scenario, self._table[item.sku], count_on_returns=True),
            )
            if worth.eats > 0:
                parts.append(part._replace(short=part.short / worth.eats, share=share, eats=worth.eats))
        return common_level(parts)

    def order_up_to(self, items: Sequence[Stocked], quantity: float = 1.0) -> int:
        """S of base stock (or s, where orders of `quantity` or more are placed): covers a review and a lead time."""
        return self._level(items, self._protected_us, self._scenario.stock.review_us, quantity)

    def reorder_point(self, items: Sequence[Stocked], quantity: float) -> int:
        """r of (r,Q): covers a lead time."""
        return self._level(items, self._lead_us, 0, quantity)

    def quantity(self, items: Sequence[Stocked]) -> float:
        """Q: the economic quantity, sqrt(2 K x demand / holding), a common one for all items."""
        cost = to_reporting_minor(self._scenario, self._scenario.stock.order_cost)
        wanted = math.fsum(self._moments(item, self._season_us)[0] for item in items)
        holding = math.fsum(self._left(item, self._season_us) for item in items)
        return max(1.0, math.sqrt(2 * cost * wanted / holding)) if holding > 0 else 1.0

    @property
    def _protected_us(self) -> int:
        return self._scenario.stock.review_us + self._lead_us

    def _level(self, items: Sequence[Stocked], span_us: int, review_us: int, quantity: float) -> int:
        parts = []
        for item in items:
            wanted = self._moments(item, self._season_us)[0]
            lasts_us = quantity * self._season_us / wanted if wanted else self._season_us
            parts.append(self._part(item, span_us, max(float(review_us), lasts_us)))
        return common_level(parts)

    def _part(self, item: Stocked, span_us: int, cycle_us: float) -> Part:
        """An item that has to last for `span_us`, and of which a unit left is left for a cycle."""
        worth = worth_of(self._scenario, self._table[item.sku], count_on_returns=True)
        short = max(0.0, worth.nets - worth.eats * worth.cost)
        over = max(self._left(item, cycle_us), short * 1e-3, 1e-9)
        return Part(Demand(self._scenario.stock.forecast.law, *self._moments(item, span_us)), short, over)

    def _left(self, item: Stocked, cycle_us: float) -> float:
        """What a unit left costs a cycle: holding, and this cycle's part of what it loses at the season's end."""
        row, fees = self._table[item.sku], self._scenario.fees
        holding = row.cost_minor * fees.holding_per_day / PPM * cycle_us / US_PER_DAY
        return holding + max(0, row.cost_minor - row.salvage_minor) / max(1.0, self._season_us / cycle_us)

    def _moments(self, item: Stocked, span_us: int) -> tuple[float, float]:
        """Mean and standard deviation of the demand within a stretch of the season, over stretches and pilots."""
        forecast = forecast_of(self._scenario, [window for windows in self._windows.values() for window in windows])
        first = 0
        for span, windows in self._windows.items():
            if span == span_us:
                break
            first += len(windows)
        numbers = range(first, first + len(self._windows[span_us]))
        each = [forecast.at(number, item.sku).at(item.houses) for number in numbers]
        mean = math.fsum(mean for mean, _ in each) / len(each)
        spread = math.fsum((own - mean) ** 2 + sd * sd for own, sd in each) / len(each)
        return mean, math.sqrt(spread)

    @cached_property
    def _windows(self) -> dict[int, list[tuple[int, int]]]:
        """The stretches that are looked at, by their length: of a lead time, with a review, the season, the horizon."""
        found = {}
        for span_us in (self._lead_us, self._protected_us, self._season_us, self._scenario.horizon_us):
            step_us = max(1, span_us // _STARTS, self._season_us // _MOST_STARTS)
            starts = range(0, max(1, self._season_us - span_us + 1), step_us)
            found[span_us] = [(start, start + span_us) for start in starts]
        return found


Formula = Callable[[Levels, Sequence[Stocked]], int]
#: By policy and level. (s,S) orders at least an economic quantity, so S is s and that.
LEVELS: dict[str, dict[str, Formula]] = {
    "base_stock": {"S": lambda fitted, items: fitted.order_up_to(items)},
    "s_S": {
        "s": lambda fitted, items: fitted.order_up_to(items, fitted.quantity(items)),
        "S": lambda fitted, items: fitted.order_up_to(items, fitted.quantity(items)) + round(fitted.quantity(items)),
    },
    "r_Q": {
        "r": lambda fitted, items: fitted.reorder_point(items, fitted.quantity(items)),
        "Q": lambda fitted, items: round(fitted.quantity(items)),
    },
}
