"""When an order must be dispatched, and when it was promised: ends of business days (docs/model.md, Dispatch)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.arrays import Flags, Ints
from sim.operations.carts import Carts
from sim.operations.outcome import Outcome
from sim.operations.waiting import clock_start_us
from sim.scenario.calendar import dispatch_day_ends
from sim.scenario.schema import Scenario

NO_DEADLINE_US = 2**62


class Deadlines:
    """The end of the `days`-th business day after the first business-day end that lies after a time, by region."""

    def __init__(self, scenario: Scenario, days: int, more_days: int = 0) -> None:
        self._due: list[tuple[Ints, Ints]] = []
        self._more = more_days
        for day_ends in dispatch_day_ends(scenario):
            ends = np.array(day_ends, np.int64)
            due = np.full(len(ends) + 1 + more_days, NO_DEADLINE_US, np.int64)
            due[: max(len(ends) - days, 0)] = ends[days:]
            self._due.append((ends, due))

    def after(self, start_us: Ints, region: npt.NDArray[np.uint8], over: Flags | None = None) -> Ints:
        """Deadline in microseconds where the clock starts at `start_us` in regions `region`, same shape.

        Where `over`, it is `more_days` business days later.
        """
        result = np.empty(len(start_us), np.int64)
        for number, (ends, due) in enumerate(self._due):
            here = slice(None) if len(self._due) == 1 else np.flatnonzero(region == number)
            day = np.searchsorted(ends, start_us[here], side="right")
            result[here] = due[day if over is None else day + over[here] * self._more]
        return result


class DispatchDeadlines:
    """When each order must be dispatched: `Deadlines`, later for orders beyond the day's declared capacity."""

    def __init__(self, scenario: Scenario, outcome: Outcome, carts: Carts) -> None:
        rules = scenario.dispatch
        self._deadlines = Deadlines(scenario, rules.dispatch_days, rules.capacity_days)
        self._orders = outcome.orders
        self._over = _over_capacity(scenario, outcome, carts) if rules.daily_capacity else None
        self._last: tuple[slice, Ints] | None = None

    def of(self, orders: slice, region: npt.NDArray[np.uint8]) -> Ints:
        """Deadlines (us) of a slice of orders from `region`; those never paid have one that means nothing.

        Asked about the same slice again it gives the same array.
        """
        if self._last is None or self._last[0] != orders:
            over = None if self._over is None else self._over[orders]
            self._last = orders, self._deadlines.after(clock_start_us(self._orders, orders), region, over)
        return self._last[1]


def _over_capacity(scenario: Scenario, outcome: Outcome, carts: Carts) -> Flags:
    """Which orders came to pay when their business day had `daily_capacity` already; ties by number."""
    rules, paid_us = scenario.dispatch, outcome.orders["paid_us"]
    region = np.concatenate([chunk.first_of("region") for chunk in carts.chunks()] or [np.zeros(0, np.uint8)])
    counted = np.flatnonzero((paid_us >= 0) & (outcome.orders["late"] == 0))
    day = np.zeros(len(counted), np.int64)
    for number, day_ends in enumerate(dispatch_day_ends(scenario)):
        here = region[counted] == number
        ends = np.array(day_ends, np.int64)
        calendar = 0 if rules.calendar else number
        day[here] = np.searchsorted(ends, paid_us[counted[here]], side="right") * len(scenario.regions) + calendar
    rank = np.lexsort((paid_us[counted], day))  # stable: equal times stay in the order of numbers
    first = np.searchsorted(day[rank], day[rank], side="left")
    over = np.zeros(len(paid_us), np.bool_)
    over[counted[rank[np.arange(len(rank)) - first >= rules.daily_capacity]]] = True
    return over
