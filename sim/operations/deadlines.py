"""When an order must be dispatched, and when it was promised: ends of business days of its region."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.scenario.calendar import business_day_ends
from sim.scenario.schema import Scenario

Ints = npt.NDArray[np.int64]
NO_DEADLINE_US = 2**62


class Deadlines:
    """The end of the `days`-th business day after the first business-day end that lies after a time, by region."""

    def __init__(self, scenario: Scenario, days: int) -> None:
        self._due: list[tuple[Ints, Ints]] = []
        for region in scenario.regions:
            ends = np.array(business_day_ends(scenario, region), np.int64)
            due = np.full(len(ends) + 1, NO_DEADLINE_US, np.int64)
            due[: max(len(ends) - days, 0)] = ends[days:]
            self._due.append((ends, due))

    def after(self, paid_us: Ints, region: npt.NDArray[np.uint8]) -> Ints:
        """Deadline in microseconds for payments at `paid_us` from regions `region`, same shape."""
        if len(self._due) == 1:
            ends, due = self._due[0]
            return due[np.searchsorted(ends, paid_us, side="right")]
        result = np.empty(len(paid_us), np.int64)
        for number, (ends, due) in enumerate(self._due):
            here = np.flatnonzero(region == number)
            result[here] = due[np.searchsorted(ends, paid_us[here], side="right")]
        return result
