"""Kernels of the front: which units an order may have, and how they are taken and come back.

Units in AVAILABLE are anybody's. A reserve is a row of `reserve`: units of one SKU in one warehouse that only orders
out of some contents see; they take from it first. Each that is taken is written to `taken`, so that a cart that finds
too little elsewhere leaves everything as it was.
"""

from __future__ import annotations

from sim.flow.jit import kernel
from sim.operations.front.state import (
    AVAILABLE,
    R_END,
    R_FIRST,
    R_HOUSE,
    R_LEFT,
    R_SIZE,
    R_SKU,
    RESERVES,
    TAKEN,
    WAITERS,
    WOKEN,
    Front,
)


@kernel
def units_for(f: Front, order: int, sku: int, house: int) -> int:
    """Units of a SKU in one warehouse that the order may have."""
    units = int(f.stock[AVAILABLE, sku, house])
    if f.reg[RESERVES] != 0:
        for row in range(f.reserve_first[sku], f.reserve_first[sku + 1]):
            if _is_open_to(f, order, row, house):
                units += int(f.reserve[row, R_LEFT])
    return units


@kernel
def _is_open_to(f: Front, order: int, row: int, house: int) -> bool:
    """Whether the order may take from this reserve in this warehouse."""
    if f.reserve[row, R_HOUSE] != house:
        return False
    content = f.line_content[f.first[order]]
    return bool(f.reserve[row, R_FIRST] <= content < f.reserve[row, R_END])


@kernel
def net_units(f: Front, sku: int, house: int) -> int:
    """Units of a SKU in one warehouse that somebody may have, less those waited for there."""
    units = int(f.stock[AVAILABLE, sku, house])
    if f.reg[RESERVES] != 0:
        for row in range(f.reserve_first[sku], f.reserve_first[sku + 1]):
            if f.reserve[row, R_HOUSE] == house:
                units += int(f.reserve[row, R_LEFT])
    return units - int(f.waiting[sku, house])


@kernel
def take_units(f: Front, order: int, sku: int, house: int, units: int) -> None:
    """Take units, of which there are as many."""
    f.stock[AVAILABLE, sku, house] -= units
    if f.reg[RESERVES] != 0:
        for row in range(f.reserve_first[sku], f.reserve_first[sku + 1]):
            if units > 0 and _is_open_to(f, order, row, house):
                kept = min(units, int(f.reserve[row, R_LEFT]))
                _fill_reserve(f, row, -kept)
                units -= kept
                f.taken[f.reg[TAKEN], 0] = row
                f.taken[f.reg[TAKEN], 1] = kept
                f.reg[TAKEN] += 1


@kernel
def _fill_reserve(f: Front, row: int, units: int) -> None:
    """Move units from all to a reserve (below 0: from it)."""
    f.reserve[row, R_LEFT] += units
    f.stock[AVAILABLE, f.reserve[row, R_SKU], f.reserve[row, R_HOUSE]] -= units


@kernel
def undo_reserves(f: Front) -> None:
    """Give back to the reserves what has been taken of them since TAKEN was 0; the units themselves are back."""
    for k in range(f.reg[TAKEN]):
        _fill_reserve(f, int(f.taken[k, 0]), int(f.taken[k, 1]))
    f.reg[TAKEN] = 0


@kernel
def give_back(f: Front, order: int, sku: int, house: int, units: int) -> None:
    """Units that a cancelled or expired order held can be bought again; its reserves are refilled first."""
    f.stock[AVAILABLE, sku, house] += units
    if f.reg[RESERVES] != 0:
        for row in range(f.reserve_first[sku], f.reserve_first[sku + 1]):
            if _is_open_to(f, order, row, house):
                kept = min(units, int(f.reserve[row, R_SIZE] - f.reserve[row, R_LEFT]))
                _fill_reserve(f, row, kept)
                units -= kept
    wake(f, sku)


@kernel
def waited_for(f: Front, sku: int) -> int:
    """Units of a SKU that orders wait for, wherever."""
    units = 0
    for house in range(f.waiting.shape[1]):
        units += int(f.waiting[sku, house])
    return units


@kernel
def wake(f: Front, sku: int) -> None:
    """Units of this SKU have come: orders that wait for it are to be looked at."""
    if f.reg[WAITERS] > 0 and f.woken[sku] == 0 and waited_for(f, sku) > 0:
        f.woken[sku] = 1
        f.woken_sku[f.reg[WOKEN]] = sku
        f.reg[WOKEN] += 1
