"""What buyers lack who keep the rest: orders of which some parcels are lost and others are not. Only split ones can."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from sim.arrays import Column, Ints
from sim.operations.carts import CartChunk


class Lack(NamedTuple):
    """Orders that lack something, counted within their chunk, with what it was sold for and what it cost."""

    order: Ints
    value_minor: Ints  # at the prices asked
    cost_minor: Ints


NOTHING_LACKS = Lack(*(np.zeros(0, np.int64) for _ in Lack._fields))


def lost_rows(splits: dict[str, Column], parcels: dict[str, Column], chunk: CartChunk) -> Ints:
    """Rows of the allocations `splits`, sorted by order, that left this chunk's warehouses in a lost parcel."""
    here, mine = chunk.rows_in(parcels["order"]), chunk.rows_in(splits["order"])
    lost = np.flatnonzero(parcels["lost"][here]) + here.start
    if not len(lost) or mine.start == mine.stop:
        return np.zeros(0, np.int64)
    houses = 1 + int(max(splits["warehouse"][mine].max(), parcels["warehouse"][lost].max()))
    gone = parcels["order"][lost].astype(np.int64) * houses + parcels["warehouse"][lost]
    sent = splits["order"][mine].astype(np.int64) * houses + splits["warehouse"][mine]
    return np.asarray(np.flatnonzero(np.isin(sent, gone)) + mine.start)


def lacking_units(
    rows: Ints, splits: dict[str, Column], chunk: CartChunk, sku: Column, parts: list[dict[int, int]]
) -> dict[int, int]:
    """Units that these rows leave incomplete, by line of the chunk: a bundle that lacks a part is not what was bought.

    `sku`: of each line, as served; `parts`: of each SKU, with how many are in it.
    """
    missing: Counter[tuple[int, int]] = Counter()
    for row in rows.tolist():
        missing[int(splits["line"][row]) - chunk.first_line, int(splits["sku"][row])] += int(splits["units"][row])
    units: dict[int, int] = {}
    for (line, part), number in missing.items():
        units[line] = max(units.get(line, 0), -(-number // parts[int(sku[line])][part]))
    return units


def lack_of(
    rows: Ints, units: dict[int, int], splits: dict[str, Column], chunk: CartChunk, asked: Column, cost_minor: Ints
) -> Lack:
    """`units` by line at the price `asked` of each line, and the cost of what was lost, in `rows`, by order."""
    value, cost = np.zeros(len(chunk), np.int64), np.zeros(len(chunk), np.int64)
    lines = np.array(list(units), np.int64)
    number = np.array(list(units.values()), np.int64)
    np.add.at(value, chunk.lines("cart")[lines] - chunk.first, number * asked[lines])
    np.add.at(cost, splits["order"][rows] - chunk.first, splits["units"][rows] * cost_minor[splits["sku"][rows]])
    order = np.flatnonzero((value != 0) | (cost != 0))
    return Lack(order, value[order], cost[order])
