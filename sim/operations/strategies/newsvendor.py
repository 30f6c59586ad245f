"""Newsvendor orders: for every show, in time, up to the stock of greatest expected contribution."""

from __future__ import annotations

from collections.abc import Sequence

from sim.operations.replenishment import Item, Process
from sim.operations.strategies.analytic.allocation import Aim


def newsvendor(item: Item, plan: Sequence[tuple[int, int, list[Aim]]]) -> Process:
    """Order at each time of the plan up to its stock; its aims share the units out where they are allotted."""
    for time_us, stock, aims in plan:
        yield item.at(time_us)
        item.order(stock - item.position, aims)
