"""A calendar queue that grows by itself: what the front does around its kernels, in few lines."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from sim.flow import calendar_queue as cq
from sim.flow.calendar_queue import FAR, NEAR_SIZE, grown, new_calendar, remove_where, shrunk
from sim.flow.jit import choose
from sim.flow.structs import handle


class Agenda:
    """Events (time, key) in order; `room` is what the calendar begins with, `events` sets the width of its bins."""

    def __init__(self, end_us: int, *, room: int = 2, events: int = 1024, fast: bool = False) -> None:
        fields = new_calendar(end_us, room, events)
        self.fast = fast
        kernels: tuple[Any, ...] = (cq.schedule, cq.next_time, cq.next_key, cq.drop_next, cq.bin_size, cq.open_bin)
        self._schedule, self._next_time, self._next_key, self._drop_next, self._bin_size, self._open_bin = (
            choose(kernel, fast) for kernel in kernels
        )
        self._set(namedtuple("State", list(fields))(**fields))

    def _set(self, state: Any) -> None:
        self.state, self._handle = state, handle(state, self.fast)

    def add(self, time_us: int, key: int) -> None:
        """Schedule an event, in a calendar made large enough."""
        self._set(grown(self.state, 1, int(self.state.cal[NEAR_SIZE]) + 1, len(self.state.sorted)))
        self._schedule(self._handle, time_us, key)

    def pop(self) -> tuple[int, int] | None:
        """The next event, if there is one."""
        while self._next_key(self._handle) < 0:
            if self._next_time(self._handle) == FAR:
                return None
            room = int(self._bin_size(self._handle))
            self._set(grown(self.state, 0, len(self.state.near), room))
            self._open_bin(self._handle)
        event = int(self._next_time(self._handle)), int(self._next_key(self._handle))
        self._drop_next(self._handle)
        return event

    def shrink(self, free: int) -> None:
        """Give back blocks that are not needed, but for `free` and some more."""
        self._set(shrunk(self.state, free, self.fast))

    def remove(self, low_key: int, high_key: int) -> list[int]:
        """Take out events by key."""
        return remove_where(self.state, low_key, high_key)
