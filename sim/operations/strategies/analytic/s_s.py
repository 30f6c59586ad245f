"""(s,S): at each review, where the position is at or under s, order up to S; arrives at once, backorders.

Source: Zheng & Federgruen 1991, Operations Research 39(4):654-665. `fixed` an order costs, `hold` a unit left and
`short` a unit backordered at the end of a period.
"""

from __future__ import annotations

from typing import NamedTuple

from sim.operations.strategies.analytic.demand import Demand
from sim.operations.strategies.analytic.newsvendor import newsvendor_cost


class Periodic(NamedTuple):
    """A policy and its mean cost a period."""

    s: int
    S: int
    cost: float


class _Cycle:
    """Chances of demand, costs of a period by stock, and how often each position below S is met (renewals)."""

    def __init__(self, demand: Demand, fixed: float, hold: float, short: float) -> None:
        self._demand, self._fixed, self._hold, self._short = demand, fixed, hold, short
        self._chance: list[float] = []
        self._met: list[float] = []
        self._cost: dict[int, float] = {}

    def period(self, stock: int) -> float:
        """The expected cost of a period that starts with this stock."""
        if stock not in self._cost:
            self._cost[stock] = newsvendor_cost(self._demand, stock, self._short, self._hold)
        return self._cost[stock]

    def met(self, below: int) -> float:
        """How often, in a cycle, a period starts `below` units under S."""
        while len(self._met) <= below:
            k = len(self._met)
            self._chance.append(self._demand.cdf(k) - self._demand.cdf(k - 1))
            earlier = sum(self._chance[k - j] * self._met[j] for j in range(k))
            self._met.append(((1.0 if k == 0 else 0.0) + earlier) / (1 - self._chance[0]))
        return self._met[below]

    def mean(self, s: int, S: int) -> float:
        """The mean cost a period."""
        total = self._fixed + sum(self.met(j) * self.period(S - j) for j in range(S - s))
        return total / sum(self.met(j) for j in range(S - s))


def s_s_cost(demand: Demand, s: int, S: int, fixed: float, hold: float, short: float) -> float:
    """The mean cost a period of one (s,S) policy; demand in whole units."""
    return _Cycle(demand, fixed, hold, short).mean(s, S)


def best_s_s(demand: Demand, fixed: float, hold: float, short: float) -> Periodic:
    """The best (s,S) policy for demand in whole units a period."""
    cycle = _Cycle(demand, fixed, hold, short)
    centre = int(demand.quantile(short / (short + hold)))
    s, S = centre - 1, centre
    while cycle.mean(s, S) > cycle.period(s):
        s -= 1
    best, least = S, cycle.mean(s, S)
    S += 1
    while cycle.period(S) <= least:
        if cycle.mean(s, S) < least:
            best = S
            while cycle.mean(s, S) <= cycle.period(s + 1):
                s += 1
            least = cycle.mean(s, S)
        S += 1
    return Periodic(s, best, least)
