"""Kernels of the front for orders that wait for stock: pre-sale, and carts that no warehouse has whole.

They stand in `queue` in the order in which they were placed. One that was served or cancelled stays there until the
head has passed it. Whenever units come, the queue is looked at from its head; after that nobody in it could be served,
and as units are only taken until more come, only orders that want a SKU of which some came need be looked at then.
"""

from __future__ import annotations

from sim.flow.jit import kernel
from sim.operations.front.available import units_for, waited_for, wake
from sim.operations.front.state import (
    AVAILABLE,
    CLOSED,
    CONFIRMED_TAIL,
    HOUSE,
    MAX_WAIT_US,
    OTHERWISE_WAIT,
    PLACED,
    QUEUE_HEAD,
    QUEUE_TAIL,
    R_LEFT,
    REASON,
    STATE,
    SWEEP_US,
    WAITERS,
    WAITING,
    WAITS,
    WATCHED,
    WOKEN,
    Front,
)
from sim.operations.front.stock import leave_deals, take_cart, wanted_sku
from sim.operations.front.watch import watch
from sim.orders.states import Reason, State

AWAITING_SHIPMENT, CANCELLED = int(State.AWAITING_SHIPMENT), int(State.CANCELLED)
NOT_SUPPLIED = int(Reason.NOT_SUPPLIED)


@kernel
def can_wait(f: Front, order: int) -> bool:
    """Whether a cart that cannot be served now may wait.

    Its region lets such carts wait, or one of its SKUs is sold ahead; and of each SKU there is, or may be sold ahead,
    what it needs beside what is waited for already.
    """
    ahead = f.otherwise[f.line_region[f.first[order]]] == OTHERWISE_WAIT
    for line in range(int(f.first[order]), int(f.first[order + 1])):
        sku = wanted_sku(f, order, line)
        for part in range(int(f.part_first[sku]), int(f.part_first[sku + 1])):
            wanted = int(f.part_sku[part])
            ahead = ahead or f.presale_units[wanted] > 0
            if _needed(f, order, wanted) > _promisable(f, order, wanted):
                return False
    return bool(ahead)


@kernel
def _needed(f: Front, order: int, wanted: int) -> int:
    """Units of a SKU in the whole cart."""
    units = 0
    for line in range(int(f.first[order]), int(f.first[order + 1])):
        sku = wanted_sku(f, order, line)
        for part in range(int(f.part_first[sku]), int(f.part_first[sku + 1])):
            if f.part_sku[part] == wanted:
                units += int(f.line_quantity[line]) * int(f.part_units[part])
    return units


@kernel
def _promisable(f: Front, order: int, sku: int) -> int:
    """Units that the order's warehouses have, and may be sold ahead, beyond those waited for."""
    units = int(f.presale_units[sku]) - waited_for(f, sku)
    for house in f.asked[f.line_region[f.first[order]]]:
        if house >= 0:
            units += units_for(f, order, sku, int(house))
    return units


@kernel
def join_queue(f: Front, order: int, now: int) -> None:
    """The order waits from now on; it counts at the first warehouse that its region asks."""
    reg = f.reg
    _count(f, order, 1)
    f.small[order, HOUSE] = WAITING
    f.queue[reg[QUEUE_TAIL]] = order
    reg[QUEUE_TAIL] += 1
    lead_us = 0
    for line in range(int(f.first[order]), int(f.first[order + 1])):
        sku = wanted_sku(f, order, line)
        for part in range(int(f.part_first[sku]), int(f.part_first[sku + 1])):
            lead_us = max(lead_us, int(f.lead_us[f.part_sku[part]]))
    f.promised_us[order] = now + lead_us


@kernel
def _first_sweep(f: Front, time_us: int) -> int:
    """The first sweep at or after a time."""
    every = int(f.reg[SWEEP_US])
    return (time_us + every - 1) // every * every


@kernel
def leave_queue(f: Front, order: int) -> None:
    """The order waits no longer; nothing if it does not."""
    if f.small[order, HOUSE] == WAITING:
        _count(f, order, -1)


@kernel
def _count(f: Front, order: int, sign: int) -> None:
    """Add the units of a waiting order to what is waited for, or take them off."""
    f.reg[WAITERS] += sign
    house = f.asked[f.line_region[f.first[order]], 0]
    for line in range(int(f.first[order]), int(f.first[order + 1])):
        sku = wanted_sku(f, order, line)
        for part in range(int(f.part_first[sku]), int(f.part_first[sku + 1])):
            f.waiting[f.part_sku[part], house] += sign * int(f.line_quantity[line]) * int(f.part_units[part])


@kernel
def _waits(f: Front, order: int) -> bool:
    return bool(f.small[order, HOUSE] == WAITING and f.small[order, STATE] != CANCELLED)


@kernel
def serve_queue(f: Front, now: int) -> None:
    """Units have come: who waits for them is served if the whole cart can be, first come first served."""
    reg = f.reg
    left = _woken_units(f) if reg[WOKEN] > 0 else 0
    k = int(reg[QUEUE_HEAD])
    while left > 0 and k < reg[QUEUE_TAIL]:
        order = int(f.queue[k])
        if _waits(f, order) and _wants_woken(f, order):
            house = take_cart(f, order)
            if house >= 0:
                _serve(f, order, house, now)
                left = _woken_units(f)
        k += 1
    for k in range(reg[WOKEN]):
        f.woken[f.woken_sku[k]] = 0
    reg[WOKEN] = 0


@kernel
def _woken_units(f: Front) -> int:
    """Units that anybody may have of the SKUs of which some came."""
    units = 0
    for k in range(f.reg[WOKEN]):
        sku = f.woken_sku[k]
        for house in range(f.stock.shape[2]):
            units += int(f.stock[AVAILABLE, sku, house])
        for row in range(f.reserve_first[sku], f.reserve_first[sku + 1]):
            units += int(f.reserve[row, R_LEFT])
    return units


@kernel
def _wants_woken(f: Front, order: int) -> bool:
    for line in range(int(f.first[order]), int(f.first[order + 1])):
        sku = wanted_sku(f, order, line)
        for part in range(int(f.part_first[sku]), int(f.part_first[sku + 1])):
            if f.woken[f.part_sku[part]] != 0:
                return True
    return False


@kernel
def _serve(f: Front, order: int, house: int, now: int) -> None:
    """A waiting order has got its units."""
    leave_queue(f, order)
    f.small[order, HOUSE] = house
    f.allocated_us[order] = now
    if f.small[order, STATE] == AWAITING_SHIPMENT:
        hand_over(f, order, now)
    if f.reg[WATCHED] != 0:
        watch(f, order, now)


@kernel
def hand_over(f: Front, order: int, now: int) -> None:
    """An order that is confirmed and has its units goes to its warehouses."""
    f.confirmed[f.reg[CONFIRMED_TAIL]] = order
    f.confirmed_house[f.reg[CONFIRMED_TAIL]] = f.small[order, HOUSE]
    f.reg[CONFIRMED_TAIL] += 1
    if f.reg[WAITS] != 0:
        f.ready_us[order] = now


@kernel
def end_waits(f: Front, now: int) -> None:
    """Cancel who has waited as long as an order may."""
    reg = f.reg
    while reg[QUEUE_HEAD] < reg[QUEUE_TAIL]:
        order = int(f.queue[reg[QUEUE_HEAD]])
        if _waits(f, order):
            if f.times[order, PLACED] + reg[MAX_WAIT_US] > now:
                break
            leave_queue(f, order)
            leave_deals(f, order, int(f.first[order]), int(f.first[order + 1]))
            f.small[order, STATE] = CANCELLED
            f.small[order, REASON] = NOT_SUPPLIED
            f.times[order, CLOSED] = now
        reg[QUEUE_HEAD] += 1


@kernel
def next_end_of_wait(f: Front, due_us: int) -> int:
    """The sweep at which the longest wait ends, if that is before `due_us`, else `due_us`."""
    reg = f.reg
    while reg[QUEUE_HEAD] < reg[QUEUE_TAIL]:
        order = int(f.queue[reg[QUEUE_HEAD]])
        if _waits(f, order):
            return min(due_us, _first_sweep(f, int(f.times[order, PLACED] + reg[MAX_WAIT_US])))
        reg[QUEUE_HEAD] += 1
    return due_us


@kernel
def units_came(f: Front, sku: int, now: int) -> None:
    """A control event has made units of a SKU available."""
    wake(f, sku)
    serve_queue(f, now)
