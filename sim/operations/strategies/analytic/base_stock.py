"""Base stock: each sale is ordered again at once, so that stock and orders always add up to S.

Sources: Palm 1938; Feeney & Sherbrooke 1966 (Poisson demand, backorders); Erlang 1917, Karush 1957 (lost sales, where
only the mean of the lead time counts).
"""

from __future__ import annotations

from typing import NamedTuple

from sim.operations.strategies.analytic.demand import Demand


class Backordered(NamedTuple):
    """Base stock under backorders: share of demand filled at once, mean units backordered and on hand, mean delay."""

    fill: float
    backordered: float
    on_hand: float
    delay: float


class Lost(NamedTuple):
    """Base stock when buyers leave: shares of demand lost and filled, mean units on hand."""

    lost: float
    fill: float
    on_hand: float


def backordered_poisson(rate: float, lead_time: float, stock: int) -> Backordered:
    """Poisson demand of `rate` a time unit; the delay is in time units."""
    demand = Demand("poisson", rate * lead_time)
    missing = demand.shortage(stock)
    return Backordered(demand.cdf(stock - 1), missing, stock - demand.mean + missing, missing / rate)


def erlang_b(servers: int, load: float) -> float:
    """The share of calls that find all `servers` busy, by Erlang's recursion."""
    lost = 1.0
    for number in range(1, servers + 1):
        lost = load * lost / (number + load * lost)
    return lost


def lost_poisson(rate: float, lead_time: float, stock: int) -> Lost:
    """Poisson demand of `rate` a time unit, any law of lead times with that mean."""
    lost = erlang_b(stock, rate * lead_time)
    return Lost(lost, 1 - lost, stock - rate * lead_time * (1 - lost))


def base_stock_poisson(rate: float, lead_time: float, hold: float, short: float) -> int:
    """The S of least mean cost under backorders: `hold` a unit on hand, `short` a unit backordered, a time unit."""
    return int(Demand("poisson", rate * lead_time).quantile(short / (short + hold)))
