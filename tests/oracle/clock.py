"""Time, ties and the two things that SimPy lacks: servers that come and go, and a grid of instants.

SimPy executes events by (time, priority, insertion). Every event of the model gets a priority that spells out the
order of docs/model.md: class, then rank or stage, then order, then attempt. SimPy's own events (a process begins, a
server is granted, an event succeeds: priorities 0 and 1) come first at their instant, that is at once. They carry
out what an event has already decided; no work is shorter than 1 us, so none of them can end anything at that instant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import simpy

CONTROL, COMPLETION, START, TIME_OUT, ARRIVAL, PLATFORM = 1, 2, 3, 4, 5, 6
#: Ranks of control events.
WORKERS, OUTAGE_END, OUTAGE_START, SHIFTS, RELEASES, RECEIPTS, PICK_UPS, REVIEWS, SWEEP, WAVES = 0, 1, 2, *range(5, 12)
FEEDBACK = 12
#: What is completed, starts, times out or arrives; below 3 it is the stage of a request.
CHECKOUT, PAYMENT, CONFIRMATION = 0, 1, 2
GROUP, STAFF, PARCEL, BACK, BUYER = 3, 4, 5, 6, 7


def priority(kind: int, rank: int, order: int = 0, attempt: int = 0) -> int:
    """The place of an event among those of its instant; an order number has 32 bits, an attempt or parcel 16."""
    return (((kind << 6) + rank) << 48) + (order << 16) + attempt


class Clock(simpy.Environment):
    """A SimPy environment that counts whole microseconds and knows where its run ends."""

    def __init__(self, horizon_us: int) -> None:
        super().__init__()
        self.horizon_us = horizon_us

    @property
    def now(self) -> int:
        """Microseconds since the scenario's start."""
        return self._now  # type: ignore[return-value]

    def at(self, time_us: int, place: int) -> simpy.Event:
        """An event at `time_us`, at its `place` among others of that instant. At or after the horizon: never."""
        event = simpy.Event(self)
        event._ok, event._value = True, None
        if time_us < self.horizon_us:
            self.schedule(event, place, time_us - self._now)  # type: ignore[arg-type]
        return event

    def call(self, time_us: int, place: int, action: Callable[[], Any]) -> None:
        """Do `action` at that time and place."""
        self.at(time_us, place).callbacks.append(lambda _: action())


class Pool(simpy.Resource):
    """Servers whose number changes. SimPy's `Resource` has a fixed capacity, above 0, and no public way to change it.

    `Resource` compares the number of users with `_capacity` at each grant. So after a fall nobody is put out, and
    who finishes is not replaced; after a rise the queue must be looked at again, which happens in the class of starts,
    when all control events of the instant are over.
    """

    def __init__(self, env: Clock, servers: int, start_rank: int) -> None:
        super().__init__(env, 1)
        self.env = env
        self._capacity = servers
        self._start = priority(START, start_rank)

    @property
    def idle(self) -> bool:
        """Whether a server is free and nobody waits for it."""
        return len(self.users) < self._capacity and not self.queue

    def change(self, servers: int) -> None:
        """From now on `servers` work."""
        rises = servers > self._capacity
        self._capacity = servers
        if rises:
            self.env.call(self.env.now, self._start, self._fill)

    def _fill(self) -> None:
        while self.queue and len(self.users) < self._capacity:
            self._trigger_put(None)  # grants one


def follow(env: Clock, pool: Pool, changes: list[tuple[int, int]], index: int) -> simpy.events.ProcessGenerator:
    """Process: change the number of servers as shifts begin and end."""
    for time_us, servers in changes:
        yield env.at(time_us, priority(CONTROL, SHIFTS, index))
        pool.change(servers)


class Grid:
    """Does `action` at whole multiples (1, 2, ...) of `every`, only where something is due; else there is no event."""

    def __init__(self, env: Clock, every_us: int, place: int, action: Callable[[], None]) -> None:
        self.env, self.every_us, self.place, self.action = env, every_us, place, action
        self.planned: set[int] = set()

    def due(self, from_us: int) -> None:
        """Something is due at the first multiple at or after `from_us` (which lies ahead)."""
        time_us = max(1, -(-from_us // self.every_us)) * self.every_us
        if time_us not in self.planned:
            self.planned.add(time_us)
            self.env.call(time_us, self.place, lambda: self._run(time_us))

    def _run(self, time_us: int) -> None:
        self.planned.discard(time_us)
        self.action()
