"""The engine's clock: microseconds since 1970 that never run backwards, whatever somebody does to the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]


def steady_clock(floor_us: int = 0) -> Clock:
    """Return a clock set once by the wall clock (or `floor_us`, if that is later) and then run by the monotonic one."""
    origin_ns = max(time.time_ns(), floor_us * 1000) - time.monotonic_ns()
    return lambda: (time.monotonic_ns() + origin_ns) // 1000
