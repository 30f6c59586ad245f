"""What the oracle keeps of a cart, and how it reads carts from a trace."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import simpy

from sim.demand.trace import BUY, Trace
from sim.orders.states import Reason, State, may_go
from sim.scenario.quantiles import quantile_table


class Line(NamedTuple):
    """A line of a cart."""

    sku: int
    quantity: int
    deal: int
    second_sku: int


class Take(NamedTuple):
    """Units of one SKU that one line (by its place in the cart) takes from one warehouse."""

    line: int
    warehouse: int
    sku: int
    units: int


@dataclass(slots=True, eq=False)
class Parcel:
    """All that one warehouse sends for one order."""

    order: Order
    position: int
    warehouse: int
    takes: list[Take]
    transit_u32: int
    loss_u32: int
    released: simpy.Event  # from the wave to the pickers
    collected: simpy.Event  # by the carrier
    carrier: int = -1  # that took it, by its row over all warehouses
    picked_us: int = -1
    packed_us: int = -1
    collected_us: int = -1
    arrived_us: int = -1
    lost: int = 0


@dataclass(slots=True, eq=False)
class Order:
    """A cart, and the order that it becomes. The second group is drawn in the trace, the third is what happens."""

    number: int
    time_us: int = 0
    region: int = 0
    content: int = -1
    buyer: int = 0
    lines: list[Line] = field(default_factory=list)

    go_u32: int = 0
    work_us: tuple[int, int, int] = (1, 1, 1)  # checkout, payment, confirmation
    pay_delay_us: int = 0
    provider_us: int = 0
    declines: int = 0
    voucher: int = 0
    confirm_work_us: int = 1
    pick_us: int = 1
    pack_us: int = 1
    transit_u32: int = 0
    loss_u32: int = 0
    after: int = 0
    after_u32: int = 0
    back_u32: int = 0
    restock: int = 0

    state: State = State.NONE
    reason: Reason = Reason.NOTHING
    first_refusal: Reason = Reason.NOTHING
    second: int = 0
    refused_line: int = -1  # of the last refusal
    short_line: int = -1  # for which it was refused for good
    answers: dict[tuple[int, int], Reason] = field(default_factory=dict)  # (stage, round): what its effect was
    takes: list[Take] = field(default_factory=list)
    hold_end_us: int = -1
    needs: Counter[int] = field(default_factory=Counter)  # units by SKU that it waits, or waited, for
    promised_us: int = -1
    allocated_us: int = -1
    ready_us: int = -1  # confirmed, and with its units
    releasing: bool = False  # its units wait for the next sweep
    parcels: list[Parcel] = field(default_factory=list)
    restocked: bool = False
    cancel_us: int = -1  # when its buyer wants to cancel it
    over_capacity: bool = False  # paid when its day had the declared number of orders already
    placed_us: int = -1
    pay_due_us: int = -1
    paid_us: int = -1
    late: int = 0
    confirm_due_us: int = -1
    confirmed_us: int = -1
    closed_us: int = -1
    delivered_us: int = -1
    response_us: list[int] = field(default_factory=lambda: [-1, -1, -1])
    queue_full: int = 0
    timed_out: int = 0
    declined: int = 0
    crashed: int = 0

    @property
    def cancelled(self) -> bool:
        """Whether it is CANCELLED."""
        return self.state == State.CANCELLED

    def cancel(self, now_us: int, reason: Reason) -> None:
        """CANCELLED, now, for this reason."""
        self.go(State.CANCELLED)
        self.reason, self.closed_us = reason, now_us

    def go(self, state: State) -> None:
        """The next state, which the table of transitions must allow; the same state once more is no step."""
        assert state == self.state or may_go(self.state, state)
        self.state = state


def read_orders(trace: Trace) -> list[Order]:
    """The carts of a trace in order of number; plain Python numbers throughout."""
    carts = {name: column.tolist() for name, column in trace.carts.items()}
    orders = [
        Order(
            number,
            go_u32=carts["go_u32"][number],
            work_us=tuple(carts[stage][number] for stage in ("checkout_us", "payment_us", "confirmation_us")),
            **{name: carts[name][number] for name in _AS_DRAWN},
        )
        for number in range(trace.orders)
    ]
    lines = {name: column[trace.lines["kind"] == BUY].tolist() for name, column in trace.lines.items()}
    for row, number in enumerate(lines["cart"]):
        order = orders[number]
        if not order.lines:  # region, content and buyer are those of the first line
            order.time_us, order.region = lines["time_us"][row], lines["region"][row]
            order.content, order.buyer = lines["content"][row], lines["buyer"][row]
        order.lines.append(Line(*(lines[name][row] for name in Line._fields)))
    return orders


_AS_DRAWN = (
    "pay_delay_us", "provider_us", "declines", "voucher", "confirm_work_us", "pick_us", "pack_us", "transit_u32",
    "loss_u32", "after", "after_u32", "back_u32", "restock",
)  # fmt: skip

#: A law is read for many orders, and most lanes share one.
law_table = cache(quantile_table)
