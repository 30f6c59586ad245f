"""(r,Q): when the position falls to r, Q units are ordered; continuous review, backorders.

Sources: Federgruen & Zheng 1992, Operations Research 40(4):808-813 (exact, Poisson demand); Hadley & Whitin 1963 and
Snyder & Shen 2019, Fundamentals of Supply Chain Theory, section 5.2 (normal demand, four approximations).
`fixed` an order costs, `hold` a unit on hand a time unit, `short` a unit backordered (a time unit, but a unit once in
`expected_level`), `rate` units a time unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from scipy import optimize

from sim.operations.strategies.analytic.demand import Demand, density
from sim.operations.strategies.analytic.newsvendor import newsvendor_cost
from sim.special import special


class Continuous(NamedTuple):
    """A reorder point, an order quantity, and (where the method tells) the mean cost a time unit."""

    r: float
    Q: float
    cost: float = math.nan


def r_q_cost_poisson(r: int, Q: int, fixed: float, hold: float, short: float, rate: float, lead_time: float) -> float:
    """The mean cost a time unit: the position is uniform on r + 1 ... r + Q."""
    demand = Demand("poisson", rate * lead_time)
    return (fixed * rate + sum(newsvendor_cost(demand, y, short, hold) for y in range(r + 1, r + Q + 1))) / Q


def best_r_q_poisson(fixed: float, hold: float, short: float, rate: float, lead_time: float) -> Continuous:
    """The best whole r and Q: positions are added around the cheapest one while they lower the mean."""
    demand = Demand("poisson", rate * lead_time)

    def level_cost(position: int) -> float:
        return newsvendor_cost(demand, position, short, hold)

    best = int(demand.quantile(short / (short + hold)))
    low, high, total = best - 1, best, fixed * rate + level_cost(best)
    while min(level_cost(low), level_cost(high + 1)) < total / (high - low):
        if level_cost(low) <= level_cost(high + 1):
            total, low = total + level_cost(low), low - 1
        else:
            total, high = total + level_cost(high + 1), high + 1
    return Continuous(low, high - low, total / (high - low))


def expected_level(demand: Demand, fixed: float, hold: float, short: float, rate: float) -> Continuous:
    """Hadley & Whitin's expected-inventory-level approximation; `demand` is that of the lead time, normal."""

    def quantity(r: float) -> float:
        return math.sqrt(2 * rate * (fixed + short * demand.shortage(r)) / hold)

    r = _fixed_point(lambda r: demand.quantile(1 - quantity(r) * hold / (short * rate)), demand.mean)
    quantity_then = quantity(r)
    stock = hold * (r - demand.mean + quantity_then / 2)
    cost = stock + rate * (fixed + short * demand.shortage(r)) / quantity_then
    return Continuous(r, quantity_then, cost)


def economic_with_backorders(demand: Demand, fixed: float, hold: float, short: float, rate: float) -> Continuous:
    """The economic quantity with backorders, and its best reorder point: both ends of the cycle cost the same."""
    quantity = math.sqrt(2 * fixed * rate * (hold + short) / (hold * short))

    def difference(r: float) -> float:
        ends = (newsvendor_cost(demand, y, short, hold) for y in (r, r + quantity))
        return next(ends) - next(ends)

    best = demand.quantile(short / (short + hold))
    return Continuous(float(optimize.brentq(difference, best - quantity, best, xtol=1e-12)), quantity)


def economic_with_safety(demand: Demand, fixed: float, hold: float, short: float, rate: float) -> Continuous:
    """The economic quantity, and the newsvendor stock of the lead time as reorder point."""
    return Continuous(demand.quantile(short / (short + hold)), math.sqrt(2 * fixed * rate / hold))


def by_loss_functions(demand: Demand, fixed: float, hold: float, short: float, rate: float) -> Continuous:
    """The approximation that drops backorders left when an order has arrived: n(r) = h Q / (h + p)."""

    def quantity(r: float) -> float:
        return math.sqrt(2 * (fixed * rate + (hold + short) * _second_loss(demand, r)) / hold)

    def excess(r: float) -> float:
        return demand.shortage(r) - hold * quantity(r) / (hold + short)

    r = float(optimize.brentq(excess, demand.mean - 40 * demand.sd, demand.mean + 10 * demand.sd, xtol=1e-12))
    return Continuous(r, quantity(r))


def _second_loss(demand: Demand, stock: float) -> float:
    """E[max(demand - stock, 0)^2] / 2 of a normal law."""
    z = (stock - demand.mean) / demand.sd
    return demand.sd**2 / 2 * ((z * z + 1) * float(special.ndtr(-z)) - z * density(z))


def _fixed_point(step: Callable[[float], float], start: float) -> float:
    found = start
    for _ in range(10_000):
        found, before = step(found), found
        if abs(found - before) <= 1e-12 * max(1.0, abs(found)):
            return found
    raise ValueError("the reorder point does not settle: the order cost is too large for this approximation")
