"""Kernels of the front that look whether an order has brought stock down to a threshold. Rules: docs/model.md."""

from __future__ import annotations

from sim.flow.jit import kernel
from sim.operations.front.available import net_units
from sim.operations.front.state import ALLOCATED, CELLS, CROSSED, HOUSE, SPLIT, STOP_US, WAITING, WATCHED, Front
from sim.operations.front.stock import wanted_sku


@kernel
def watch(f: Front, order: int, now: int) -> None:
    """An order was placed or served now: if it crossed a threshold, the front stops before the next microsecond.

    Two crossings of one instant lead to one stop.
    """
    if _crossed(f, order):
        f.reg[CROSSED] = 1
        f.reg[STOP_US] = min(f.reg[STOP_US], now + 1)


@kernel
def _crossed(f: Front, order: int) -> bool:
    house = int(f.small[order, HOUSE])
    if house == WAITING:
        house = int(f.asked[f.line_region[f.first[order]], 0])
    if house != SPLIT:
        for line in range(int(f.first[order]), int(f.first[order + 1])):
            sku = wanted_sku(f, order, line)
            for part in range(int(f.part_first[sku]), int(f.part_first[sku + 1])):
                if _is_low(f, int(f.part_sku[part]), house):
                    return True
        return False
    for row in range(int(f.split_at[order]), int(f.reg[ALLOCATED])):
        if _is_low(f, int(f.allocations[row, 2]), int(f.allocations[row, 3])):
            return True
    return False


@kernel
def _is_low(f: Front, sku: int, house: int) -> bool:
    """Whether the units available of a SKU, here or (with pools) everywhere, are at its threshold or under."""
    if f.reg[WATCHED] == CELLS:
        return bool(net_units(f, sku, house) <= f.threshold[sku, house])
    units = 0
    for where in range(f.stock.shape[2]):
        units += net_units(f, sku, where)
    return bool(units <= f.threshold[sku, 0])
