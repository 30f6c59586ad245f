"""Units that leave a warehouse, and units that orders hold: sums over orders by SKU and warehouse."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.operations.front import state as fs


def line_skus(f: fs.Front, lines: npt.NDArray[np.int64], orders: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The SKU wanted in each of these buy lines of these orders (same length): second choices replaced."""
    skus = f.line_sku[lines]
    changed = (f.small[orders, fs.SECOND] == 1) & (f.small[orders, fs.REFUSED_LINE] == lines - f.first[orders])
    if changed.any():
        skus = np.where(changed, f.line_second[lines], skus)
    return skus


def lines_of(f: fs.Front, orders: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """(buy lines, their orders) of these orders."""
    first = f.first[orders].astype(np.int64)
    count = f.first[orders + 1] - first
    if (count == 1).all():
        return first, orders
    start = np.repeat(first - np.concatenate([[0], np.cumsum(count)[:-1]]), count)
    return start + np.arange(len(start)), np.repeat(orders, count)


def units_by_sku(f: fs.Front, orders: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Units of stock (bundles as their parts) in these orders, int64[skus]; each order once."""
    lines, owners = lines_of(f, orders)
    number = len(f.part_first) - 1
    sold = np.bincount(line_skus(f, lines, owners), weights=f.line_quantity[lines], minlength=number).astype(np.int64)
    units = np.zeros(number, dtype=np.int64)
    per_part = np.repeat(sold, np.diff(f.part_first)) * f.part_units
    np.add.at(units, f.part_sku, per_part)
    return units


def split_units(f: fs.Front, orders: npt.NDArray[np.int32], house: int) -> npt.NDArray[np.int64]:
    """Units of split orders in one warehouse, int64[skus]. Lost parcels are marked -1 - warehouse."""
    used = f.allocations[: f.reg[fs.ALLOCATED]]
    where = np.where(used[:, 3] < 0, -1 - used[:, 3], used[:, 3])
    mine = used[np.isin(used[:, 0], orders) & (where == house)]
    units = np.zeros(len(f.part_first) - 1, dtype=np.int64)
    np.add.at(units, mine[:, 2], mine[:, 4].astype(np.int64))
    return units


def units_at(f: fs.Front, orders: npt.NDArray[np.int32], house: int) -> npt.NDArray[np.int64]:
    """Units that these orders have in one warehouse, int64[skus]; orders of other warehouses count nothing."""
    served = f.small[orders, fs.HOUSE]
    units = units_by_sku(f, orders[served == house])
    split = orders[served == fs.SPLIT]
    return units + split_units(f, split, house) if len(split) else units


def ship_split(f: fs.Front, rows: list[int], house: int) -> None:
    """A split order's parcel leaves a warehouse; `rows` are the order's allocations."""
    for row in rows:
        sku, where, units = (int(value) for value in f.allocations[row, 2:])
        if where == house:
            f.stock[fs.ON_HAND, sku, house] -= units
            f.stock[fs.SHIPPED, sku, house] += units
