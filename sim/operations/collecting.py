"""Kernels of a carrier's pick-up: units leave the stock; arrival, loss and after-sales are decided."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.demand.trace import REFUND_ONLY, RETURN
from sim.flow.jit import kernel, touch
from sim.flow.transit import delay_us
from sim.operations.front_state import CLOSED, HOUSE, ON_HAND, REASON, SHIPPED, SPLIT, STATE, Front
from sim.operations.front_stock import wanted_sku
from sim.orders.states import Reason, State

I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
U8 = npt.NDArray[np.uint8]

RESTOCKS, HORIZON_US, WINDOW_US = range(3)
AHEAD = 16  # how many orders ahead their columns are fetched
IN_TRANSIT, DELIVERED = int(State.IN_TRANSIT), int(State.DELIVERED)
COMPLETED, CANCELLED = int(State.COMPLETED), int(State.CANCELLED)
LOST, RETURNED, REFUNDED = int(Reason.LOST), int(Reason.RETURNED), int(Reason.REFUNDED)


class Road(NamedTuple):
    """What happens behind the warehouse door. n = carts; parcels are numbered as in `sim.operations.parcels`."""

    reg: I64  # scalars by the names above
    lead: I64  # [warehouses, regions, 1025]: quantile tables of the lanes
    loss: I64  # [warehouses, regions]: lost below this
    return_delay: I64  # [1025]
    return_transit: I64
    transit_u32: U32  # [n]
    loss_u32: U32
    after: U8
    after_u32: U32
    back_u32: U32
    restock: U8
    collected_us: I64  # [parcels]
    arrived_us: I64
    lost: U8
    delivered_us: I64  # [n]
    restock_id: npt.NDArray[np.int32]  # [at least the orders of one pick-up]
    restock_at: I64


@kernel
def collect(
    f: Front, road: Road, orders: npt.NDArray[np.int32], parcels: npt.NDArray[np.int32], house: int, now_us: int
) -> None:
    """The parcels `parcels` of `orders` leave `house` at `now_us`. Orders of one parcel are settled to their end."""
    for k in range(len(orders)):
        if k + AHEAD < len(orders):
            _fetch(f, road, orders[k + AHEAD])
        order = int(orders[k])
        parcel = int(parcels[k])
        region = f.line_region[f.first[order]]
        arrived = now_us + max(1, delay_us(road.lead[house, region], int(road.transit_u32[order])))
        lost = int(road.loss_u32[order]) < road.loss[house, region]
        road.collected_us[parcel] = now_us
        road.arrived_us[parcel] = arrived
        road.lost[parcel] = 1 if lost else 0
        if f.small[order, HOUSE] != SPLIT:
            _ship(f, order, house)
            settle(f, road, order, arrived, lost)


@kernel
def _fetch(f: Front, road: Road, order: int) -> None:
    touch(f.times, order)
    touch(f.first, order)
    touch(f.line_region, order)
    touch(f.line_sku, order)
    touch(f.line_quantity, order)
    touch(road.transit_u32, order)
    touch(road.loss_u32, order)
    touch(road.after, order)
    touch(road.collected_us, order)
    touch(road.arrived_us, order)
    touch(road.lost, order)
    touch(road.delivered_us, order)


@kernel
def _ship(f: Front, order: int, house: int) -> None:
    """All units of an order leave one warehouse."""
    for line in range(int(f.first[order]), int(f.first[order + 1])):
        sku = wanted_sku(f, order, line)
        for part in range(int(f.part_first[sku]), int(f.part_first[sku + 1])):
            units = int(f.line_quantity[line]) * int(f.part_units[part])
            f.stock[ON_HAND, f.part_sku[part], house] -= units
            f.stock[SHIPPED, f.part_sku[part], house] += units


@kernel
def settle(f: Front, road: Road, order: int, end_us: int, lost: bool) -> None:
    """Every parcel of an order is under way and has arrived by `end_us`: write what follows before the horizon."""
    horizon = road.reg[HORIZON_US]
    wish = road.after[order]
    closed = end_us + road.reg[WINDOW_US]
    reason = 0
    if lost:
        closed, reason = end_us, LOST
    elif wish == RETURN:
        wait = delay_us(road.return_delay, int(road.after_u32[order]))
        wait += delay_us(road.return_transit, int(road.back_u32[order]))
        closed, reason = end_us + max(1, wait), RETURNED
    elif wish == REFUND_ONLY:
        closed, reason = end_us + max(1, delay_us(road.return_delay, int(road.after_u32[order]))), REFUNDED
    f.small[order, STATE] = IN_TRANSIT
    if not lost and end_us < horizon:
        f.small[order, STATE] = DELIVERED
        road.delivered_us[order] = end_us
    if closed < horizon:
        f.small[order, STATE] = CANCELLED if lost else COMPLETED
        f.small[order, REASON] = reason
        f.times[order, CLOSED] = closed
        if reason == RETURNED and road.restock[order] == 1:
            road.restock_id[road.reg[RESTOCKS]] = order
            road.restock_at[road.reg[RESTOCKS]] = closed
            road.reg[RESTOCKS] += 1
