"""SimPy at bulk speed: SimPy owns what decides; between its events, flows move everything that is due.

`FlowEnvironment` is a `simpy.Environment`. Before it executes an event at time T it lets every flow catch up to T: all
that is due before T happens in bulk. Control processes are ordinary SimPy processes; several of them at one
instant run in the order of the rank they gave to `at`. A flow may stop earlier, where something must be decided first.
"""

from __future__ import annotations

from typing import Protocol

import simpy
from simpy.core import EmptySchedule, Infinity

MAX_WINDOW_US = 1 << 35  # 9.5 h: stations keep times as 36-bit offsets within a window


class Flow(Protocol):
    """Something that moves in bulk."""

    def catch_up(self, end_us: int) -> int:
        """Do everything that is due before `end_us`; returns how far it got. Called with times that never fall.

        A flow that stops before `end_us` has planned an event at the time it returns.
        """


class FlowEnvironment(simpy.Environment):
    """An environment in whole microseconds whose `flows` catch up, in their order, before each event."""

    def __init__(self) -> None:
        super().__init__(initial_time=0)
        self.flows: list[Flow] = []
        self._caught_up_us = 0

    def at(self, time_us: int, rank: int) -> simpy.Event:
        """An event at `time_us` >= now; those of one instant are executed by rising `rank` (>= -1).

        Raises ValueError for a time before now.
        """
        if time_us < self.now:
            raise ValueError(f"time {time_us} us lies before now, {self.now} us")
        event = simpy.Event(self)
        event._ok, event._value = True, None
        self.schedule(event, priority=2 + rank, delay=time_us - int(self.now))  # type: ignore[arg-type]
        return event

    def step(self) -> None:
        """Let the flows catch up to the next event's time, then execute it."""
        while True:
            time = self.peek()
            if time == Infinity:
                raise EmptySchedule
            if self.catch_up(int(time)):
                break
        super().step()

    def catch_up(self, end_us: int) -> bool:
        """Move every flow to `end_us`, in windows that their kernels can count in; False where one stopped earlier."""
        while self._caught_up_us < end_us:
            window_us = reached_us = min(end_us, self._caught_up_us + MAX_WINDOW_US)
            for flow in self.flows:
                reached_us = flow.catch_up(reached_us)
            self._caught_up_us = reached_us
            if reached_us < window_us:
                return False
        return True
