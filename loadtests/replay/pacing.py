"""The absolute schedule: things start at `t0 + due`, never before, whatever came of those before them.

On Linux a timerfd in gevent's hub wakes within a tenth of a millisecond (gevent's own timers are 1 ms grained).
Elsewhere a greenlet sleeps to 1 ms before and then in short steps. Neither chains relative sleeps nor spins.
"""

from __future__ import annotations

import ctypes
import heapq
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import gevent
from gevent.event import Event
from greenlet import getcurrent

FAR = 1 << 62
#: Starts in one go at most; then answers that have come meanwhile get their turn, so that their times stay true.
BATCH = 32
_CLOCK_MONOTONIC, _TFD_NONBLOCK, _TFD_CLOEXEC, _TFD_TIMER_ABSTIME = 1, 0o4000, 0o2000000, 1
_READ = 1  # libev's EV_READ
_NEAR_US, _STEP_US = 1_000, 200

#: After the last row of a stream.
_END: tuple[Any, ...] = (FAR,)

Start = Callable[..., object]


class Alarm(Protocol):
    """Calls what it was made with, in the hub, at or soon after an instant of the monotonic clock."""

    def set(self, at_us: int) -> None:
        """Go off once at an instant, instead of any earlier wish; FAR: never."""

    def again(self) -> None:
        """Go off again as soon as others had their turn; only while it is going off."""

    def close(self) -> None:
        """Go off no more."""


class Pacer:
    """Starts arrivals and waiting greenlets when they are due. Times are microseconds since t0."""

    def __init__(self, *, portable: bool = False) -> None:
        self.t0_us = 0
        self._hub: Any = gevent.get_hub()
        self._waiting: list[tuple[int, int, Start]] = []
        self._count = itertools.count()
        self._stream: Iterator[tuple[Any, ...]] = iter(())
        self._launch: Start = _nothing
        self._next = _END
        self._set_for = FAR
        self._firing = False
        alarm = SleepAlarm if portable or sys.platform != "linux" else TimerfdAlarm
        self._alarm: Alarm = alarm(self._fire)

    def begin(self, t0_us: int) -> None:
        """Set time 0, by the monotonic clock; before anything is fed."""
        self.t0_us = t0_us

    @property
    def exhausted(self) -> bool:
        """Whether all rows that were fed are launched."""
        return self._next is _END

    def now_us(self) -> int:
        """Microseconds since t0, rounded down: nothing starts before it is due."""
        return time.monotonic_ns() // 1000 - self.t0_us

    def feed(self, stream: Iterator[tuple[Any, ...]], launch: Start) -> None:
        """Launch each row of a stream, sorted by their first field, when that is due; called in the hub."""
        self._stream, self._launch = stream, launch
        self._next = next(stream, _END)
        self._arm()

    def at(self, due_us: int, start: Start) -> None:
        """Call something in the hub when it is due; it must not block, but may switch to a greenlet."""
        heapq.heappush(self._waiting, (due_us, next(self._count), start))
        if due_us < self._set_for and not self._firing:
            self._arm()

    def wait(self, due_us: int) -> None:
        """Let this greenlet wait until an instant; returns at once if that is past."""
        if due_us > self.now_us():
            self.at(due_us, getcurrent().switch)
            self._hub.switch()

    def close(self) -> None:
        """Start nothing more."""
        self._stream, self._next = iter(()), _END
        self._waiting.clear()
        self._alarm.close()

    def _arm(self, *, gone_off: bool = False) -> None:
        due = self._next[0]
        if self._waiting and self._waiting[0][0] < due:
            due = self._waiting[0][0]
        self._set_for = due
        if gone_off and due <= self.now_us():
            self._alarm.again()
            return
        self._alarm.set(due if due == FAR else due + self.t0_us)

    def _fire(self) -> None:
        self._firing = True
        try:
            now = self.now_us()
            for _ in range(BATCH):
                waiting = self._waiting
                if waiting and waiting[0][0] < self._next[0]:
                    if waiting[0][0] > now:
                        break
                    heapq.heappop(waiting)[2]()
                elif self._next[0] <= now:
                    row = self._next
                    self._next = next(self._stream, _END)
                    self._launch(row)
                else:
                    break
        finally:
            self._firing = False
            self._arm(gone_off=True)


def _nothing(*_: Any) -> None:
    pass


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


class TimerfdAlarm:
    """A timerfd, watched by the hub. Python has it since 3.13 only; so by ctypes."""

    def __init__(self, fire: Start) -> None:
        library = ctypes.PyDLL(None, use_errno=True)  # does not let go of the interpreter: the call takes a microsecond
        self._settime = library.timerfd_settime
        self._fd = library.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = _Itimerspec()
        self._value = self._spec.it_value
        self._address = ctypes.byref(self._spec)
        hub: Any = gevent.get_hub()
        self._watcher = hub.loop.io(self._fd, _READ)
        self._watcher.start(fire)

    def set(self, at_us: int) -> None:
        """See `Alarm.set`. Setting also takes back that the timer has gone off, so it need not be read."""
        value = self._value
        value.tv_sec, rest = divmod(0 if at_us == FAR else at_us, 1_000_000)
        value.tv_nsec = rest * 1000
        self._settime(self._fd, _TFD_TIMER_ABSTIME, self._address, None)

    def again(self) -> None:
        """See `Alarm.again`. As long as it is not set anew it can be read, and the hub comes back to it."""

    def close(self) -> None:
        """See `Alarm.close`."""
        if self._fd >= 0:
            self._watcher.stop()
            self._watcher.close()
            os.close(self._fd)
            self._fd = -1


class SleepAlarm:
    """The same from gevent's timers: to 1 ms before, then in short steps."""

    def __init__(self, fire: Start) -> None:
        self._fire = fire
        self._at_us = FAR
        self._changed = Event()
        self._greenlet = gevent.spawn(self._run)

    def set(self, at_us: int) -> None:
        """See `Alarm.set`."""
        self._at_us = at_us
        self._changed.set()

    def again(self) -> None:
        """See `Alarm.again`."""
        self.set(0)

    def close(self) -> None:
        """See `Alarm.close`."""
        self._greenlet.kill(block=False)

    def _run(self) -> None:
        hub: Any = gevent.get_hub()
        while True:
            self._changed.clear()
            left_us = self._at_us - time.monotonic_ns() // 1000
            if left_us > _NEAR_US:
                self._changed.wait(None if self._at_us == FAR else (left_us - _NEAR_US) / 1e6)
            elif left_us > 0:
                gevent.sleep(max(_STEP_US, left_us // 2) / 1e6)
            else:
                self._at_us = FAR
                hub.loop.run_callback(self._fire)  # in the hub, like a timerfd: what it starts may switch back
                self._changed.wait()
