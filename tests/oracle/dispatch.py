"""The platform's rules of dispatch: deadlines, the cancelling of what is not dispatched, and what it counts."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable

from sim.orders.states import Reason, State
from sim.scenario.calendar import dispatch_day_ends
from sim.scenario.schema import Scenario
from tests.oracle.clock import PLATFORM, Clock, priority
from tests.oracle.records import Order, Parcel

NEVER_US = 2**62
FAULTS = (Reason.AUTO_CANCELLED, Reason.NOT_CONFIRMED, Reason.NOT_SUPPLIED)


class Dispatch:
    """Business days of each region, and what follows from them."""

    def __init__(self, scenario: Scenario) -> None:
        self.rules, self.horizon_us = scenario.dispatch, scenario.horizon_us
        self.day_ends = dispatch_day_ends(scenario)

    def end_us(self, order: Order, days: int) -> int:
        """The end of the `days`-th business day after that of the payment, or of the promise to one who waits."""
        ends = self.day_ends[order.region]
        index = self._day(order, max(order.paid_us, order.promised_us)) + days
        return ends[index] if index < len(ends) else NEVER_US

    def _day(self, order: Order, time_us: int) -> int:
        return bisect_right(self.day_ends[order.region], time_us)

    def deadline_us(self, order: Order) -> int:
        """When the order must be dispatched."""
        more = self.rules.capacity_days if order.over_capacity else 0
        return self.end_us(order, self.rules.dispatch_days + more)

    def watch(self, env: Clock, order: Order, cancel: Callable[[], None]) -> None:
        """A paid order: `cancel` it at the end of its last day, after all else of that instant."""
        if self.rules.auto_cancel_days is not None:
            at_us = self.end_us(order, self.rules.auto_cancel_days)
            if at_us < self.horizon_us:
                env.call(at_us, priority(PLATFORM, 0, order.number), cancel)

    def is_dispatched(self, order: Order) -> bool:
        """Whether all its parcels are."""
        return bool(order.parcels) and all(self.dispatched_us(parcel) >= 0 for parcel in order.parcels)

    def is_spared(self, order: Order) -> bool:
        """Whether all its parcels are as far as the platform asks of an order that it does not cancel."""
        event = self.rules.auto_cancel_event
        return bool(order.parcels) and all(_reached_us(parcel, event) >= 0 for parcel in order.parcels)

    def dispatched_us(self, parcel: Parcel) -> int:
        """When a parcel was dispatched, -1 not yet."""
        return _reached_us(parcel, self.rules.event)

    def mark_over_capacity(self, orders: list[Order]) -> int:
        """Mark the orders beyond the declared capacity of their day; returns how many."""
        found: Counter[tuple[int, int]] = Counter()
        for order in sorted(orders, key=lambda order: (order.paid_us, order.number)):
            if order.paid_us >= 0 and not order.late:
                day = (0 if self.rules.calendar else order.region), self._day(order, order.paid_us)
                found[day] += 1
                order.over_capacity = 0 < self.rules.daily_capacity < found[day]
        return sum(order.over_capacity for order in orders)

    def is_late(self, order: Order) -> bool:
        """Whether it was dispatched late, or cancelled for not being dispatched."""
        if order.state == State.CANCELLED and order.reason != Reason.LOST:
            return order.reason == Reason.AUTO_CANCELLED
        return any(self.dispatched_us(parcel) > self.deadline_us(order) for parcel in order.parcels)

    def counts(self, orders: list[Order]) -> dict[str, tuple[int, int]]:
        """The rates that the platform looks at: of how many, how many."""
        paid = [order for order in orders if order.paid_us >= 0 and not order.late]
        kept = [order for order in paid if order.state != State.CANCELLED or order.reason == Reason.LOST]
        dropped = [order for order in paid if order.reason == Reason.AUTO_CANCELLED]
        past = {order.number for order in paid if self.deadline_us(order) < self.horizon_us}
        overdue = [order for order in kept if order.number in past and not self.is_dispatched(order)]
        late = [order for order in kept if self.is_late(order) or order in overdue]
        due = [order for order in kept if order in late or self.is_dispatched(order) or order.number in past]
        judged = [order for order in kept if self._is_judged(order)]
        prompt = [order for order in judged if self._is_prompt(order)]
        packed = [(order, parcel) for order in kept + dropped for parcel in order.parcels if parcel.packed_us >= 0]
        tracked = [(o, parcel) for o, parcel in packed if parcel.collected_us >= 0 or o.number in past]
        scanned = [parcel for _, parcel in tracked if parcel.collected_us >= 0]
        faults = [order for order in paid if order.reason in FAULTS]
        return {
            "late_dispatch": (len(due) + len(dropped), len(late) + len(dropped)),
            "on_time_delivery": (len(judged), len(prompt)),
            "valid_tracking": (len(tracked), len(scanned)),
            "seller_cancels": (len(paid), len(faults)),
        }

    def _is_judged(self, order: Order) -> bool:
        promised_us = self.end_us(order, self.rules.deliver_days)
        return order.delivered_us >= 0 or _lacks_a_parcel(order) or promised_us < self.horizon_us

    def _is_prompt(self, order: Order) -> bool:
        in_time = 0 <= order.delivered_us <= self.end_us(order, self.rules.deliver_days)
        return in_time and not _lacks_a_parcel(order)


def _lacks_a_parcel(order: Order) -> bool:
    return any(parcel.lost for parcel in order.parcels)


def _reached_us(parcel: Parcel, event: str) -> int:
    """When a parcel had its label, or was scanned by the carrier; -1 not yet."""
    return parcel.packed_us if event == "ready_to_ship" else parcel.collected_us
