"""Kernels of checkout's effect: shelf, deals and stock decide whether a cart becomes an order. Rules: docs/model.md."""

from __future__ import annotations

from sim.flow.jit import kernel
from sim.operations.front.state import HOUSE, WAITS, Front
from sim.operations.front.stock import leave_deals, take_cart, wanted_deal, wanted_sku
from sim.operations.front.waiting import can_wait, join_queue
from sim.orders.states import Reason

OFF_SHELF, DEAL_CLOSED, DEAL_SOLD_OUT = int(Reason.OFF_SHELF), int(Reason.DEAL_CLOSED), int(Reason.DEAL_SOLD_OUT)
PURCHASE_LIMIT, SOLD_OUT = int(Reason.PURCHASE_LIMIT), int(Reason.SOLD_OUT)


@kernel
def hold_cart(f: Front, order: int, now: int) -> int:
    """Hold every unit of the cart, or let it wait for them, and return 0; or take nothing and return the refused line
    (in the cart) << 8 | reason."""
    first = int(f.first[order])
    end = int(f.first[order + 1])
    for line in range(first, end):
        reason = _enter_line(f, order, line)
        if reason != 0:
            leave_deals(f, order, first, line)
            return (line - first) << 8 | reason
    house = take_cart(f, order)
    if house >= 0:
        f.small[order, HOUSE] = house
        return 0
    if f.reg[WAITS] != 0 and can_wait(f, order):
        join_queue(f, order, now)
        return 0
    leave_deals(f, order, first, end)
    return (-1 - house) << 8 | SOLD_OUT


@kernel
def _enter_line(f: Front, order: int, line: int) -> int:
    """Check shelf and deal of one line and use up deal units; returns a reason or 0."""
    if f.shelf[wanted_sku(f, order, line)] == 0:
        return OFF_SHELF
    deal = wanted_deal(f, order, line)
    if deal < 0:
        return 0
    quantity = int(f.line_quantity[line])
    if f.deal_open[deal] == 0:
        return DEAL_CLOSED
    if f.deal_left[deal] < quantity:
        return DEAL_SOLD_OUT
    slot = f.deal_slot[line]
    if f.bought[slot] + quantity > f.deal_per_buyer[deal]:
        return PURCHASE_LIMIT
    f.deal_left[deal] -= quantity
    f.bought[slot] += quantity
    return 0
