"""Lots for planned shows: shows are bought for together where an order costs more than holding (Wagner & Whitin)."""

from __future__ import annotations

from collections.abc import Sequence

from sim.operations.replenishment import Item, Process
from sim.operations.strategies.analytic.allocation import Aim
from sim.operations.strategies.analytic.lot_sizes import lot_sizes


def wagner_whitin(item: Item, plan: Sequence[tuple[int, int, list[Aim]]]) -> Process:
    """Order the planned lots (time, units), whatever was sold meanwhile."""
    for time_us, units, aims in plan:
        yield item.at(time_us)
        item.order(units, aims)


def planned_lots(stocks: Sequence[int], initial: int, fixed: float, holding: Sequence[float]) -> list[int]:
    """Units to order before each show. `stocks[t]` is needed from the start to the end of show t in all, `initial` is
    there; `holding[t]` is what a unit costs from show t to the next."""
    needs, covered = [], initial
    for stock in stocks:
        needs.append(max(stock - covered, 0))
        covered = max(stock, covered)
    return list(lot_sizes(needs, fixed, holding).units)
