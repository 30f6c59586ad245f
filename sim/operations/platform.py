"""Orders that the platform cancels because they did not get on in time (section Dispatch of docs/model.md)."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from sim.operations.front import state as fs
from sim.operations.front.flow import FrontFlow
from sim.operations.warehouses import Delivery
from sim.orders.states import Reason, State
from sim.scenario.calendar import dispatch_day_ends
from sim.scenario.schema import Scenario


class Platform:
    """Looks at the end of each business day which orders have had their last; `times_us` are those ends."""

    def __init__(self, scenario: Scenario, front: FrontFlow, delivery: Delivery) -> None:
        self._front, self._delivery = front, delivery
        self._at_packing = scenario.dispatch.auto_cancel_event == "ready_to_ship"
        self._paid: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)  # (region, clock from, before)
        days = scenario.dispatch.auto_cancel_days
        for region, day_ends in enumerate(dispatch_day_ends(scenario) if days is not None else ()):
            assert days is not None
            ends = [-1, *day_ends]
            for k in range(len(ends) - 1 - days):
                if 0 <= ends[k + 1 + days] < scenario.horizon_us:
                    self._paid[ends[k + 1 + days]].append((region, ends[k], ends[k + 1]))
        self.times_us = sorted(self._paid)

    def end_of_day(self, now_us: int) -> None:
        """Cancel what is due at `now_us`, after all else of that instant."""
        f = self._front.state
        waiting = np.flatnonzero(
            (f.small[:, fs.STATE] == State.ON_HOLD) | (f.small[:, fs.STATE] == State.AWAITING_SHIPMENT)
        )
        start_us, region = f.times[waiting, fs.PAID], f.line_region[f.first[waiting]]
        if f.reg[fs.WAITS]:
            start_us = np.maximum(start_us, f.promised_us[waiting])
        due = np.zeros(len(waiting), np.bool_)
        for number, from_us, before_us in self._paid[now_us]:
            due |= (region == number) & (start_us >= from_us) & (start_us < before_us)
        orders = waiting[due].astype(np.int32)
        if self._at_packing:
            self._delivery.follow(now_us + 1)
            is_packed = self._delivery.parcels.is_packed
            ready = np.array([is_packed(order) for order in orders.tolist()], np.bool_)
            orders = orders[~ready]
        self._front.cancel_all(orders, int(Reason.AUTO_CANCELLED), now_us)
