"""What became of every intent: the result of running one trace through one scenario.

The columns are those of docs/model.md; times are int64 microseconds since the scenario's start, -1 where it never
happened. Everything that reports, prices or compares reads this and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.arrays import Column

ORDER_COLUMNS: dict[str, str] = {
    "state": "u1",  # sim.orders.states.State
    "reason": "u1",  # sim.orders.states.Reason
    "first_refusal": "u1",
    "second": "u1",  # 1: went on to its second choice
    "refused_line": "i1",  # the line (of the cart) whose second choice was taken, -1 none
    "short_line": "i1",  # the line for which the cart was refused for good, -1 none
    "late": "u1",  # 1: paid after its hold was swept, refunded
    "placed_us": "i8",
    "pay_due_us": "i8",
    "paid_us": "i8",
    "confirm_due_us": "i8",
    "confirmed_us": "i8",
    "closed_us": "i8",
    "delivered_us": "i8",
    "checkout_response_us": "i4",
    "payment_response_us": "i4",
    "confirmation_response_us": "i4",
    "queue_full": "u1",
    "timed_out": "u1",
    "declined": "u1",
    "crashed": "u1",
    "parcels": "u1",
}
PARCEL_COLUMNS: dict[str, str] = {
    "order": "i4",
    "warehouse": "i2",
    "picked_us": "i8",
    "packed_us": "i8",
    "collected_us": "i8",
    "arrived_us": "i8",
    "lost": "u1",
}
#: Only where an order may wait for stock (sim.scenario.parts.allocation).
WAITING_COLUMNS: dict[str, str] = {
    "promised_us": "i8",  # when its units were promised, -1: it did not wait
    "allocated_us": "i8",  # when it got them, -1: it did not wait, or not long enough
}
STOCK_FIELDS = (
    *("on_hand", "held", "committed", "releasing", "available", "received", "restocked", "shipped"),
    "waited_for",  # by orders of regions that ask this warehouse first
)


class Purchase(NamedTuple):
    """An order to a supplier. `warehouse` is -1 where the units are allotted to warehouses when they arrive."""

    ordered_us: int
    sku: int
    warehouse: int
    units: int
    due_us: int
    emergency: int


@dataclass
class Outcome:
    """Orders (one entry a cart), parcels (sorted by order, then nearest warehouse first), stock at the horizon."""

    orders: dict[str, Column]
    parcels: dict[str, Column]
    stock: dict[str, npt.NDArray[np.int64]]  # by STOCK_FIELDS, each int64[sku, warehouse]
    # Split orders only: order i4, line i4 (row of the trace), sku i4, warehouse i2, units i4.
    allocations: dict[str, Column]
    deal_left: list[int]
    carried: list[int]  # by row of carriers: parcels that were in time for a pick-up and found no room
    receipts: list[tuple[int, int, int, int]]  # (time_us, sku, warehouse, units) of replenishment
    queue_peak: npt.NDArray[np.int32]  # longest engine queue within each second from time 0 (may end early)
    cancels_too_late: int = 0  # buyers who wanted to cancel when a parcel had left the house
    overtime: list[tuple[int, int, int, int]] = field(default_factory=list)  # (time_us, warehouse, row, backlog) called
    counts: dict[str, int] = field(default_factory=dict)  # events handled by stage, for benches
    purchases: Sequence[Purchase] = ()  # orders to suppliers, in the order in which they were placed
