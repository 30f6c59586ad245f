"""Suppliers: how much they take on, and how long they take."""

from __future__ import annotations

from sim.demand.lead_times import lead_time_u32
from sim.scenario.parts.base import Duration
from sim.scenario.quantiles import at_u32, quantile_table


class Supplier:
    """One supplier of everything. `luck`: seed and replication of the streams of its lead times."""

    def __init__(
        self, name: str, lead_time: Duration, luck: tuple[int, int], minimum: int, capacity: int, every_us: int
    ) -> None:
        self._name, self._law, self._luck = name, lead_time, luck
        self._minimum, self._capacity, self._every_us = minimum, capacity, every_us
        self._table = quantile_table(lead_time)
        self._taken: tuple[int, int] = (-1, 0)  # period, units

    def takes_on(self, wanted: int, now_us: int) -> int:
        """How many of the units wanted the supplier delivers: raised to the minimum order, cut to what it can do in
        this period, and nothing where that is less than the minimum."""
        if wanted <= 0:
            return 0
        units = max(wanted, self._minimum)
        if self._capacity == 0:
            return units
        period = now_us // self._every_us
        taken = self._taken[1] if self._taken[0] == period else 0
        units = min(units, self._capacity - taken)
        if units < max(self._minimum, 1):
            return 0
        self._taken = period, taken + units
        return units

    def next_period_us(self, now_us: int) -> int:
        """When the next period begins in which it takes on more."""
        return (now_us // self._every_us + 1) * self._every_us

    def lead_time_us(self, item: str, number: int) -> int:
        """The lead time of an item's order by its number, 0 the first."""
        if self._law.dist == "constant":
            return self._law.mean_us
        return at_u32(self._table, lead_time_u32(*self._luck, f"{self._name}/{item}", number))
