"""Kernels of the run's end: one pass over all orders makes parcels of their stamps, and settles what was collected."""

from __future__ import annotations

from typing import NamedTuple

from sim.flow.jit import kernel
from sim.operations.collecting import (
    CANCELLED,
    HORIZON_US,
    I16,
    I32,
    I64,
    U8,
    U16,
    Road,
    arrival_us,
    closing_reason,
    closing_us,
    is_lost,
)
from sim.operations.front.state import (
    CLOSED,
    CONFIRMED,
    DONE,
    HOUSE,
    LATE,
    NO_LINE,
    ON_HAND,
    PAID_LATE,
    PARCELS,
    PAY_DUE,
    PLANNED,
    REASON,
    REFUSAL,
    REFUSED_LINE,
    SECOND,
    SHIPPED,
    SHORT_LINE,
    SPLIT,
    STATE,
    WAITING,
    Front,
)
from sim.operations.front.stock import wanted_sku
from sim.orders.states import State

DELIVERED, COMPLETED = int(State.DELIVERED), int(State.COMPLETED)
AWAITING_SHIPMENT, AWAITING_COLLECTION = int(State.AWAITING_SHIPMENT), int(State.AWAITING_COLLECTION)


class Table(NamedTuple):
    """The parcels as rows sorted by order. Times -1: not, or not yet."""

    order: I32
    warehouse: I16
    carrier: I16  # row of carriers; the same column where each warehouse has one
    packed_us: I64
    collected_us: I64
    arrived_us: I64
    lost: U8


@kernel
def gather_rows(
    f: Front,
    order_out: I32,
    house_out: I16,
    picked: I64,
    packed: I64,
    collected_out: I64,
    carrier_out: I16,
    pick_up: U16,
    pick_up_us: I64,
    pick_up_by: I16,
) -> None:
    """Move the stamps of confirmed orders with one parcel together, in place (0 becomes -1).

    `pick_up_us` and `pick_up_by` (rows of carriers) are by number of the pick-up; `carrier_out` may be empty.
    """
    row = 0
    for order in range(len(picked)):
        if f.times[order, CONFIRMED] < 0 or f.small[order, HOUSE] >= WAITING:
            continue
        order_out[row] = order
        house_out[row] = f.small[order, HOUSE]
        picked[row] = picked[order] if picked[order] > 0 else -1
        packed[row] = packed[order] if packed[order] > 0 else -1
        if len(carrier_out) > 0:
            carrier_out[row] = pick_up_by[pick_up[order]]
        collected_out[row] = pick_up_us[pick_up[order]]
        row += 1


@kernel
def close_records(f: Front, horizon_us: int) -> None:
    """Bring the records into the form of the outcome's columns, and count no parcels yet."""
    for order in range(len(f.times)):
        small = f.small[order]
        due = f.times[order, PAY_DUE]
        if small[DONE] & PLANNED == 0 or due >= horizon_us:
            f.times[order, PAY_DUE] = -1
        if small[SECOND] == 0:
            small[REFUSED_LINE] = NO_LINE
        if small[REFUSAL] == 0 or small[REASON] != small[REFUSAL]:
            small[SHORT_LINE] = NO_LINE
        small[LATE] = 1 if small[DONE] & PAID_LATE != 0 else 0
        small[PARCELS] = 0


@kernel
def settle_all(f: Front, road: Road, table: Table) -> int:
    """Write arrivals, and how every order stands of which all parcels are packed or collected.

    Returns how many parcels were collected.
    """
    row = 0
    collected = 0
    while row < len(table.order):
        first, order = row, int(table.order[row])
        end_us = 0
        packed, out, lost = True, True, True
        while row < len(table.order) and table.order[row] == order:
            packed = packed and table.packed_us[row] >= 0
            out = out and table.collected_us[row] >= 0
            if table.collected_us[row] >= 0:
                lost = _arrive(f, road, table, row, row - first) and lost
                end_us = max(end_us, int(table.arrived_us[row]))
                collected += 1
            row += 1
        f.small[order, PARCELS] = row - first
        if out:
            if f.small[order, HOUSE] != SPLIT:
                _ship(f, order, int(table.warehouse[first]))
            _settle(f, road, order, end_us, lost)
        elif packed and f.small[order, STATE] == AWAITING_SHIPMENT:
            f.small[order, STATE] = AWAITING_COLLECTION
        _forget_the_future(road, table, first, row)
    return collected


@kernel
def _arrive(f: Front, road: Road, table: Table, row: int, place: int) -> bool:
    """Write when a collected parcel, at its place in the order, arrives; returns whether it is lost."""
    order, carrier = int(table.order[row]), int(table.carrier[row])
    lost = is_lost(f, road, order, place, carrier)
    table.arrived_us[row] = arrival_us(f, road, order, place, carrier, int(table.collected_us[row]))
    table.lost[row] = 1 if lost else 0
    return lost


@kernel
def _forget_the_future(road: Road, table: Table, start: int, end: int) -> None:
    """Arrivals at or after the horizon do not happen."""
    for row in range(start, end):
        if table.collected_us[row] < 0 or table.arrived_us[row] >= road.reg[HORIZON_US]:
            table.arrived_us[row] = -1
            table.lost[row] = 0


@kernel
def _ship(f: Front, order: int, house: int) -> None:
    """All units of an order have left one warehouse."""
    for line in range(int(f.first[order]), int(f.first[order + 1])):
        sku = wanted_sku(f, order, line)
        for part in range(int(f.part_first[sku]), int(f.part_first[sku + 1])):
            units = int(f.line_quantity[line]) * int(f.part_units[part])
            f.stock[ON_HAND, f.part_sku[part], house] -= units
            f.stock[SHIPPED, f.part_sku[part], house] += units


@kernel
def _settle(f: Front, road: Road, order: int, end_us: int, lost: bool) -> None:
    """The last of an order's parcels arrives at `end_us`, or all are lost: write what follows before the horizon."""
    horizon = road.reg[HORIZON_US]
    if not lost and end_us < horizon:
        f.small[order, STATE] = DELIVERED
    reason = closing_reason(f, road, order, lost)
    closed = closing_us(f, road, order, end_us, reason)
    if closed < horizon:
        f.small[order, STATE] = CANCELLED if lost else COMPLETED
        f.small[order, REASON] = reason
        f.times[order, CLOSED] = closed


@kernel
def write_deliveries(table: Table, delivered_us: I64) -> None:
    """Into `delivered_us`, by order: when the last parcel arrived, if all have and not all are lost."""
    row = 0
    while row < len(table.order):
        order = int(table.order[row])
        end_us = 0
        arrived, lost = True, True
        while row < len(table.order) and table.order[row] == order:
            arrived = arrived and table.arrived_us[row] >= 0
            lost = lost and table.lost[row] == 1
            end_us = max(end_us, int(table.arrived_us[row]))
            row += 1
        if arrived and not lost:
            delivered_us[order] = end_us
