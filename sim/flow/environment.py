"""SimPy at bulk speed: SimPy owns what decides; between its events, flows move everything that is due.

`FlowEnvironment` is a `simpy.Environment`. Before it executes an event at time T it lets every flow catch up to T: all
that is due before T happens in bulk. Control processes are ordinary SimPy processes; several of them at one
instant run in the order of the rank they gave to `at`.
"""

from __future__ import annotations

from typing import Protocol

import simpy
from simpy.core import EmptySchedule, Infinity

MAX_WINDOW_US = 1 << 35  # 9.5 h: stations keep times as 36-bit offsets within a window


class Flow(Protocol):
    """Something that moves in bulk."""

    def catch_up(self, end_us: int) -> None:
        """Do everything that is due before `end_us`. Called with times that never fall."""


class FlowEnvironment(simpy.Environment):
    """An environment in whole microseconds whose `flows` catch up, in their order, before each event."""

    def __init__(self) -> None:
        super().__init__(initial_time=0)
        self.flows: list[Flow] = []
        self._caught_up_us = 0

    def at(self, time_us: int, rank: int) -> simpy.Event:
        """An event at `time_us` >= now; those of one instant are executed by rising `rank` (>= -1)."""
        if time_us < self.now:
            raise ValueError(f"time {time_us} us lies before now, {self.now} us")
        event = simpy.Event(self)
        event._ok, event._value = True, None
        self.schedule(event, priority=2 + rank, delay=time_us - int(self.now))  # type: ignore[arg-type]
        return event

    def step(self) -> None:
        """Let the flows catch up to the next event's time, then execute it."""
        time = self.peek()
        if time == Infinity:
            raise EmptySchedule
        self.catch_up(int(time))
        super().step()

    def catch_up(self, end_us: int) -> None:
        """Move every flow to `end_us`, in windows that their kernels can count in."""
        while self._caught_up_us < end_us:
            self._caught_up_us = min(end_us, self._caught_up_us + MAX_WINDOW_US)
            for flow in self.flows:
                flow.catch_up(self._caught_up_us)
