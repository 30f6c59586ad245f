"""Kernels of a carrier's pick-up: parcels leave; what returns to the shelf is known. The rest waits for the run's end.

Only a return that is sold again changes what happens later, so a pick-up works out nothing else. When the run is
over, `sim.operations.settling` goes through all orders once, in order: much quicker than in a pick-up's random order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.demand.trace import CANCEL_BEFORE_SHIPPING, REFUND_ONLY, RETURN
from sim.flow.jit import kernel, touch
from sim.flow.transit import delay_us
from sim.operations.front.orders import cancel_wish_us
from sim.operations.front.state import AFTER, HOUSE, SPLIT, STATE, Front
from sim.orders.states import Reason, State

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
I16 = npt.NDArray[np.int16]
U32 = npt.NDArray[np.uint32]
U16 = npt.NDArray[np.uint16]
U8 = npt.NDArray[np.uint8]

RESTOCKS, HORIZON_US, WINDOW_US, BORDERS, TAKES_BACK = range(5)  # the last: what was cancelled too late comes back
CARRIER_USE, CUSTOMS_USE, CUSTOMS_DELAY_USE = 1, 2, 3  # of a parcel's uniform of the loss
FURTHER_USE = 3  # of an order's uniforms for its k-th further parcel, less k
AHEAD = 16  # how many orders ahead their columns are fetched
IN_TRANSIT, CANCELLED = int(State.IN_TRANSIT), int(State.CANCELLED)
LOST, RETURNED, REFUNDED = int(Reason.LOST), int(Reason.RETURNED), int(Reason.REFUNDED)


class Road(NamedTuple):
    """What happens behind the warehouse door. n = carts."""

    reg: I64  # scalars by the names above
    lead: I64  # [carriers, regions, 1025]: quantile tables; a warehouse without several is a carrier
    loss: I64  # [carriers, regions]: lost below this
    held: I64  # [carriers, regions]: held by customs below this; empty where there are none
    customs: I64  # [carriers, regions, 1025]: how long; empty where there are none
    return_delay: I64  # [1025]
    return_transit: I64
    transit_u32: U32  # [n]
    loss_u32: U32
    after_u32: U32
    back_u32: U32
    restock: U8
    pick_up: U16  # [n]: number of the pick-up that took an order of one parcel, from 1 on
    restock_id: I32  # [at least the orders of one pick-up]
    restock_at: I64


@kernel
def arrival_us(f: Front, road: Road, order: int, place: int, carrier: int, collected_us: int) -> int:
    """When a parcel, at its place among those of its order, arrives or is known to be lost."""
    region = f.line_region[f.first[order]]
    transit = max(1, delay_us(road.lead[carrier, region], _luck(int(road.transit_u32[order]), place)))
    if road.reg[BORDERS] != 0:
        loss = _luck(int(road.loss_u32[order]), place)
        if _mixed(loss, CUSTOMS_USE) < road.held[carrier, region]:
            transit += delay_us(road.customs[carrier, region], _mixed(loss, CUSTOMS_DELAY_USE))
    return collected_us + transit


@kernel
def _luck(uniform: int, place: int) -> int:
    """The first parcel has its order's uniform, every further one another made of it."""
    return uniform if place == 0 else _mixed(uniform, FURTHER_USE + place)


@kernel
def _mixed(uniform: int, use: int) -> int:
    """`sim.scenario.quantiles.derived_u32`: products may overflow, their low 32 bits are right."""
    x = (uniform ^ (use * 0x9E3779B9)) & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return x ^ (x >> 16)


@kernel
def is_lost(f: Front, road: Road, order: int, place: int, carrier: int) -> bool:
    """Whether a parcel is lost on its way."""
    return bool(_luck(int(road.loss_u32[order]), place) < road.loss[carrier, f.line_region[f.first[order]]])


@kernel
def _comes_back(f: Front, road: Road, order: int) -> bool:
    """Whether a delivered order is returned. One that is to be cancelled before shipping was, or will be, too late."""
    wish = f.small[order, AFTER]
    return bool(wish == RETURN or (wish == CANCEL_BEFORE_SHIPPING and road.reg[TAKES_BACK] != 0))


@kernel
def closing_reason(f: Front, road: Road, order: int, lost: bool) -> int:
    """How an order ends whose last parcel has arrived; all of them `lost` or not."""
    if lost:
        return LOST
    if _comes_back(f, road, order):
        return RETURNED
    if f.small[order, AFTER] == REFUND_ONLY:
        return REFUNDED
    return 0


@kernel
def closing_us(f: Front, road: Road, order: int, end_us: int, reason: int) -> int:
    """When an order ends for `reason` whose last parcel arrives at `end_us`."""
    if reason == LOST:
        return end_us
    if reason == RETURNED:
        back = delay_us(road.return_transit, int(road.back_u32[order]))
        if f.small[order, AFTER] == CANCEL_BEFORE_SHIPPING:
            return max(end_us, cancel_wish_us(f, order)) + max(1, back)
        return end_us + max(1, delay_us(road.return_delay, int(road.after_u32[order])) + back)
    if reason == REFUNDED:
        return end_us + max(1, delay_us(road.return_delay, int(road.after_u32[order])))
    return end_us + int(road.reg[WINDOW_US])


@kernel
def plan_return(f: Front, road: Road, order: int, end_us: int, lost: bool) -> None:
    """If an order comes back before the horizon and can be sold again, note when. All its parcels are under way."""
    reason = closing_reason(f, road, order, lost)
    if reason != RETURNED or road.restock[order] == 0:
        return
    closed = closing_us(f, road, order, end_us, reason)
    if closed < road.reg[HORIZON_US]:
        road.restock_id[road.reg[RESTOCKS]] = order
        road.restock_at[road.reg[RESTOCKS]] = closed
        road.reg[RESTOCKS] += 1


@kernel
def find_cancelled(f: Front, orders: I32, cancelled: U8) -> None:
    """Mark which of these orders are cancelled."""
    for k in range(len(orders)):
        if k + AHEAD < len(orders):
            touch(f.times, orders[k + AHEAD])
        cancelled[k] = f.small[orders[k], STATE] == CANCELLED


@kernel
def collect(f: Front, road: Road, orders: I32, carrier: int, now_us: int, number: int) -> None:
    """A carrier takes the parcels of `orders` at `now_us`, in pick-up `number`; split orders are passed over."""
    for k in range(len(orders)):
        if k + AHEAD < len(orders):
            touch(f.times, orders[k + AHEAD])
            touch(road.pick_up, orders[k + AHEAD])
        order = int(orders[k])
        if f.small[order, HOUSE] == SPLIT:
            continue
        f.small[order, STATE] = IN_TRANSIT
        road.pick_up[order] = number
        if _comes_back(f, road, order):
            arrived = arrival_us(f, road, order, 0, carrier, now_us)
            plan_return(f, road, order, arrived, is_lost(f, road, order, 0, carrier))
