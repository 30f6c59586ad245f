"""What the policies that plan for shows order when: times, units and how they are shared out."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from sim.arrays import Ints
from sim.operations.strategies.analytic.allocation import Aim, equal_fractile, proportional
from sim.operations.strategies.forecast import Forecast, forecast_of, pilots_of, shows_of
from sim.operations.strategies.show_stock import best_stock, worth_of
from sim.operations.strategies.wagner_whitin import planned_lots
from sim.scenario.parts.stocking import PLANNED, Allotted
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table, to_reporting_minor
from sim.scenario.units import PPM, US_PER_DAY

Plan = list[tuple[int, int, list[Aim]]]
_AIMS: dict[Allotted, Callable[[list[tuple[float, float]]], list[Aim]]] = {
    "none": equal_fractile,
    "proportional": proportional,
    "equal_fractile": equal_fractile,
}


class Planner:
    """Plans from what is `believed`: the scenario with uncertain inputs at their modes."""

    def __init__(self, believed: Scenario) -> None:
        self._scenario, self._plan = believed, believed.stock
        self._table, self._shows = sku_table(believed), shows_of(believed)

    @property
    def windows(self) -> list[tuple[int, int]]:
        """By show: from the order (Wagner-Whitin: the start of all) until the next show; then the whole horizon."""
        lots = self._plan.policy == "wagner_whitin"
        windows = [(0 if lots else show.order_us, show.until_us) for show in self._shows]
        return [*windows, (0, self._scenario.horizon_us)]

    def _forecast(self) -> Forecast:
        return forecast_of(self._scenario, self.windows)

    def orders(self, sku: int, houses: tuple[int, ...]) -> Plan:
        """The planned orders of one item, those of nothing left out."""
        forecast = self._forecast()
        worth = worth_of(self._scenario, self._table[sku], count_on_returns=self._plan.count_on_returns)
        expected = [forecast.at(window, sku) for window in range(len(self._shows))]
        stocks = [best_stock(self._scenario, worth, each.at(houses)) for each in expected]
        if self._plan.policy == "wagner_whitin":
            stocks = self._lots(sku, houses, stocks)
        aims = [_AIMS[self._plan.allocation](each.by_house) for each in expected]
        rows = zip(self._shows, stocks, aims, strict=True)
        return [(show.order_us, units, aim) for show, units, aim in rows if units > 0]

    def _lots(self, sku: int, houses: tuple[int, ...], stocks: list[int]) -> list[int]:
        row = self._table[sku]
        a_day = row.cost_minor * self._scenario.fees.holding_per_day / PPM
        starts = [show.start_us for show in self._shows]
        holding = [a_day * (after - before) / US_PER_DAY for before, after in itertools.pairwise(starts)]
        fixed = float(to_reporting_minor(self._scenario, self._plan.order_cost))
        return planned_lots(stocks, sum(row.stock[house] for house in houses), fixed, holding)

    def aims(self, sku: int, rule: Allotted, stretch_us: int) -> list[Aim]:
        """How units of a SKU are shared out for an average stretch of the horizon."""
        share = stretch_us / self._scenario.horizon_us
        expected = self._forecast().at(len(self._shows), sku).by_house
        return _AIMS[rule]([(mean * share, sd * share**0.5) for mean, sd in expected])


def pilots_for(scenario: Scenario) -> dict[str, Ints]:
    """The pilot replications that the scenario's policy rests on, made once for a study and then shared."""
    plan = scenario.stock
    if plan.policy not in PLANNED and plan.allocation == "none" and plan.initial_allocation == "none":
        return {}
    return pilots_of(scenario, Planner(scenario).windows)
