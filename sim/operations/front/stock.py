"""Kernels of the front that take and give back a cart's stock and deal units. Rules: docs/model.md, Stock of a cart."""

from __future__ import annotations

from sim.flow.jit import kernel
from sim.operations.front.available import give_back, take_units, undo_reserves, units_for, wake
from sim.operations.front.state import (
    ALLOCATED,
    AVAILABLE,
    HOUSE,
    ON_HAND,
    OTHERWISE_SPLIT,
    REFUSED_LINE,
    RESERVES,
    RESTOCKED,
    SECOND,
    SPLIT,
    TAKEN,
    WAITING,
    Front,
)


@kernel
def replaced(f: Front, order: int, line: int) -> bool:
    """Whether the second choice stands in for this line of the trace."""
    small = f.small[order]
    return bool(small[SECOND] == 1 and small[REFUSED_LINE] == line - f.first[order])


@kernel
def wanted_sku(f: Front, order: int, line: int) -> int:
    """The SKU that the order wants in this line now."""
    if replaced(f, order, line):
        return int(f.line_second[line])
    return int(f.line_sku[line])


@kernel
def wanted_deal(f: Front, order: int, line: int) -> int:
    """The deal whose price the order wants in this line now, -1 none."""
    if replaced(f, order, line):
        return -1
    return int(f.line_deal[line])


@kernel
def leave_deals(f: Front, order: int, first: int, end: int) -> None:
    """Give back the deal units of the lines `first` to `end` - 1."""
    for line in range(first, end):
        deal = wanted_deal(f, order, line)
        if deal >= 0:
            f.deal_left[deal] += int(f.line_quantity[line])
            if f.deal_open[deal] != 0:  # a deal opens once; when it has closed, nobody looks at its counters
                f.bought[f.deal_slot[line]] -= int(f.line_quantity[line])


@kernel
def take_cart(f: Front, order: int) -> int:
    """Take every unit of the cart and return its warehouse (SPLIT: several), or nothing and -1 - the short line.

    Where it may not be split and all its units are there, but in no one warehouse, the first line is short.
    """
    first = int(f.first[order])
    end = int(f.first[order + 1])
    house = _whole_cart(f, order, first, end)
    if house >= 0:
        return house
    start = int(f.reg[ALLOCATED])
    line = _split_cart(f, order, first, end)
    if line >= 0:
        return first - 1 - line
    if f.otherwise[f.line_region[first]] != OTHERWISE_SPLIT:
        _undo_split(f, start)
        return -1
    f.split_at[order] = start
    return SPLIT


@kernel
def _whole_cart(f: Front, order: int, first: int, end: int) -> int:
    """Take the cart from the first warehouse asked that has all of it; returns that warehouse or -1."""
    for house in f.asked[f.line_region[first]]:
        if house < 0:
            break
        f.reg[TAKEN] = 0
        line = first
        while line < end and _take_line(f, order, line, house):
            line += 1
        if line == end:
            return int(house)
        _untake_lines(f, order, first, line, house)
        if f.reg[RESERVES] != 0:
            undo_reserves(f)
    return -1


@kernel
def _take_line(f: Front, order: int, line: int, house: int) -> bool:
    """Take a line's units from one warehouse, or nothing (but of reserves) and return False."""
    sku = wanted_sku(f, order, line)
    quantity = int(f.line_quantity[line])
    start = int(f.part_first[sku])
    for part in range(start, int(f.part_first[sku + 1])):
        need = quantity * int(f.part_units[part])
        if units_for(f, order, int(f.part_sku[part]), house) < need:
            for earlier in range(start, part):
                f.stock[AVAILABLE, f.part_sku[earlier], house] += quantity * int(f.part_units[earlier])
            return False
        take_units(f, order, int(f.part_sku[part]), house, need)
    return True


@kernel
def _untake_lines(f: Front, order: int, first: int, end: int, house: int) -> None:
    """Undo what was taken from one warehouse for the lines `first` to `end` - 1."""
    for line in range(first, end):
        sku = wanted_sku(f, order, line)
        quantity = int(f.line_quantity[line])
        for part in range(int(f.part_first[sku]), int(f.part_first[sku + 1])):
            f.stock[AVAILABLE, f.part_sku[part], house] += quantity * int(f.part_units[part])


@kernel
def _split_cart(f: Front, order: int, first: int, end: int) -> int:
    """Take the cart piece by piece; returns -1, or the line that cannot be filled (nothing taken)."""
    start = int(f.reg[ALLOCATED])
    f.reg[TAKEN] = 0
    for line in range(first, end):
        sku = wanted_sku(f, order, line)
        for part in range(int(f.part_first[sku]), int(f.part_first[sku + 1])):
            need = int(f.line_quantity[line]) * int(f.part_units[part])
            if _take_part(f, order, line, int(f.part_sku[part]), need) > 0:
                _undo_split(f, start)
                return line
    return -1


@kernel
def _take_part(f: Front, order: int, line: int, sku: int, need: int) -> int:
    """Take up to `need` units of a SKU, in the order of the warehouses, writing allocations; returns those missing."""
    for house in f.asked[f.line_region[f.first[order]]]:
        if house < 0:
            break
        units = min(need, units_for(f, order, sku, int(house)))
        if units > 0:
            take_units(f, order, sku, int(house), units)
            row = f.allocations[f.reg[ALLOCATED]]
            row[0] = order
            row[1] = line
            row[2] = sku
            row[3] = house
            row[4] = units
            f.reg[ALLOCATED] += 1
            need -= units
        if need == 0:
            break
    return need


@kernel
def _undo_split(f: Front, start: int) -> None:
    for k in range(start, int(f.reg[ALLOCATED])):
        f.stock[AVAILABLE, f.allocations[k, 2], f.allocations[k, 3]] += int(f.allocations[k, 4])
    f.reg[ALLOCATED] = start
    if f.reg[RESERVES] != 0:
        undo_reserves(f)


@kernel
def make_available(f: Front, order: int) -> None:
    """A cancelled or expired order's units, stock and deals, can be bought again."""
    first = int(f.first[order])
    end = int(f.first[order + 1])
    leave_deals(f, order, first, end)
    house = int(f.small[order, HOUSE])
    if house == SPLIT:
        k = int(f.split_at[order])
        while k < f.reg[ALLOCATED] and f.allocations[k, 0] == order:
            give_back(f, order, int(f.allocations[k, 2]), int(f.allocations[k, 3]), int(f.allocations[k, 4]))
            k += 1
    elif house != WAITING:
        _give_back_lines(f, order, first, end, house)


@kernel
def _give_back_lines(f: Front, order: int, first: int, end: int, house: int) -> None:
    """The units of the lines `first` to `end` - 1 can be bought again in one warehouse."""
    for line in range(first, end):
        sku = wanted_sku(f, order, line)
        quantity = int(f.line_quantity[line])
        for part in range(int(f.part_first[sku]), int(f.part_first[sku + 1])):
            give_back(f, order, int(f.part_sku[part]), house, quantity * int(f.part_units[part]))


@kernel
def restock(f: Front, order: int) -> None:
    """A returned order's units go back on the shelf; units of lost parcels have warehouse -1 in the allocations."""
    house = int(f.small[order, HOUSE])
    if house != SPLIT:
        for line in range(int(f.first[order]), int(f.first[order + 1])):
            sku = wanted_sku(f, order, line)
            for part in range(int(f.part_first[sku]), int(f.part_first[sku + 1])):
                _put_back(f, int(f.part_sku[part]), house, int(f.line_quantity[line]) * int(f.part_units[part]))
        return
    k = int(f.split_at[order])
    while k < f.reg[ALLOCATED] and f.allocations[k, 0] == order:
        if f.allocations[k, 3] >= 0:
            _put_back(f, int(f.allocations[k, 2]), int(f.allocations[k, 3]), int(f.allocations[k, 4]))
        k += 1


@kernel
def _put_back(f: Front, sku: int, house: int, units: int) -> None:
    f.stock[AVAILABLE, sku, house] += units
    f.stock[ON_HAND, sku, house] += units
    f.stock[RESTOCKED, sku, house] += units
    wake(f, sku)
