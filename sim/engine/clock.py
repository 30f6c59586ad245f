"""The engine's clock: microseconds since 1970 that never run backwards, whatever somebody does to the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]


def wall_clock() -> int:
    """The machine's own time, for what others compare with theirs; it may be set back and forth."""
    return time.time_ns() // 1000


def steady_clock() -> Clock:
    """A clock set once by the wall clock and then run by the monotonic one."""
    origin_ns = time.time_ns() - time.monotonic_ns()
    return lambda: (time.monotonic_ns() + origin_ns) // 1000


class CarriedClock:
    """A clock that goes on from the last thing that happened where it was set back since: all of an engine have one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_us = 0

    def __call__(self) -> int:
        """The time."""
        return self._clock() + self._ahead_us

    def carry_on_from(self, at_us: int) -> None:
        """Be no earlier than that from now on."""
        self._ahead_us = max(self._ahead_us, at_us - self._clock())
