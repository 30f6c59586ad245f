"""The order engine: one pool of workers, clients that give up and try again, and a store that commits in groups.

A client is the order's own process, waiting in `Engine.ask`. The engine's work on an attempt is a process of its own,
because it goes on when the client has gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import simpy
from simpy.events import ProcessGenerator

from sim.orders.states import Reason
from sim.scenario.parts.base import Outage
from sim.scenario.parts.system import Engine as EngineOptions
from sim.scenario.parts.system import GroupCommit
from tests.oracle.clock import (
    ARRIVAL,
    COMPLETION,
    CONTROL,
    GROUP,
    OUTAGE_END,
    OUTAGE_START,
    START,
    TIME_OUT,
    WORKERS,
    Clock,
    Pool,
    priority,
)
from tests.oracle.records import Order

SECOND_ROUND = 8  # attempts of a second choice are numbered from here
MAX_RESPONSE_US = 2**31 - 1


@dataclass(slots=True, eq=False)
class Attempt:
    """One request at the engine. `outcome` happens when its client is answered (NOTHING) or it fails (why)."""

    order: Order
    stage: int
    number: int
    request: Any  # for a worker
    outcome: simpy.Event
    voided: bool = False
    joined_us: int = -1  # the store

    def key(self) -> tuple[int, int, int]:
        """Its place among others of one instant."""
        return self.stage, self.order.number, self.number


class Engine:
    """Workers, store, outages. `effects[stage](order, round)` carries a request out and says why it was refused."""

    def __init__(
        self, env: Clock, options: EngineOptions, effects: Sequence[Callable[[Order, int], Reason]], met: Counter[str]
    ) -> None:
        self.env, self.options, self.effects, self.met = env, options, effects, met
        self.on_crash: Callable[[], None] = lambda: None
        self.planned, self.outages = options.workers, 0  # workers at work but for outages; outages going on
        self.workers = Pool(env, options.workers, 0)
        self.in_service: set[Attempt] = set()
        self.store = None if options.store == "immediate" else Store(env, options.store, self._effect, met)
        for index in sorted(range(len(options.changes)), key=lambda i: options.changes[i].at_us):
            env.process(self._change(index))
        for index, outage in enumerate(options.outages):
            env.process(self._outage(index, outage))

    def ask(self, order: Order, stage: int, first: int = 0) -> Generator[simpy.Event, Any, Reason]:
        """In the order's process, at the arrival of a request: try until answered (NOTHING) or given up (why)."""
        began_us, failure = self.env.now, Reason.NOTHING
        for k in range(self.options.attempts):
            if k:
                again_us = self.env.now + (self.options.backoff_us << (k - 1))
                yield self.env.at(again_us, priority(ARRIVAL, stage, order.number, first + k))
                self.met["retries"] += 1
            failure = yield from self._try(order, stage, first + k)
            if failure == Reason.NOTHING:
                order.response_us[stage] = min(self.env.now - began_us, MAX_RESPONSE_US)
                break
        return failure

    def _try(self, order: Order, stage: int, number: int) -> Generator[simpy.Event, Any, Reason]:
        if not self.workers.idle and len(self.workers.queue) >= self.options.queue_bound:
            order.queue_full += 1
            self.met["queue_full"] += 1
            return Reason.ENGINE_BUSY
        attempt = Attempt(order, stage, number, self.workers.request(), self.env.event())
        self.env.process(self._work(attempt))
        if self._may_time_out(attempt):
            place = priority(TIME_OUT, stage, order.number, number)
            self.env.call(self.env.now + self.options.client_timeout_us, place, lambda: self._time_out(attempt))
        outcome: Reason = yield attempt.outcome
        return outcome

    def _may_time_out(self, attempt: Attempt) -> bool:
        """Saves events: without a store, work that starts at once and is short is answered (or crashes) in time."""
        timeout_us = self.options.client_timeout_us
        at_once = attempt.request.triggered and self.store is None
        return timeout_us > 0 and not (at_once and attempt.order.work_us[attempt.stage] <= timeout_us)

    def _time_out(self, attempt: Attempt) -> None:
        if attempt.outcome.triggered:  # answered, or crashed
            return
        waits = not attempt.request.triggered
        if waits:
            attempt.request.cancel()
        self.met["timed_out_waiting" if waits else "timed_out_in_service"] += 1
        attempt.order.timed_out += 1
        attempt.outcome.succeed(Reason.ENGINE_TIMEOUT)

    def _work(self, attempt: Attempt) -> ProcessGenerator:
        """Process: what the engine does for an attempt, whether or not its client is still there."""
        yield attempt.request
        self.in_service.add(attempt)
        done_us = self.env.now + attempt.order.work_us[attempt.stage]
        yield self.env.at(done_us, priority(COMPLETION, attempt.stage, attempt.order.number, attempt.number))
        if attempt.voided:
            return
        self.workers.release(attempt.request)
        if self.store is None:
            self._effect(attempt)
        else:
            self.store.join(attempt)

    def _effect(self, attempt: Attempt) -> None:
        """The first attempt of a round to get here decides, later ones repeat the answer to whoever still listens."""
        self.in_service.discard(attempt)
        order, second = attempt.order, int(attempt.number >= SECOND_ROUND)
        if (attempt.stage, second) in order.answers:
            self.met["replays"] += 1
        else:
            order.answers[attempt.stage, second] = self.effects[attempt.stage](order, second)
        if not attempt.outcome.triggered:
            attempt.outcome.succeed(Reason.NOTHING)

    def _change(self, index: int) -> ProcessGenerator:
        change = self.options.changes[index]
        yield self.env.at(change.at_us, priority(CONTROL, WORKERS, index))
        self.planned = change.servers
        if self.outages == 0:
            self.met["capacity_drop_while_busy"] += change.servers < len(self.workers.users)
            self.workers.change(self.planned)

    def _outage(self, index: int, outage: Outage) -> ProcessGenerator:
        yield self.env.at(outage.at_us, priority(CONTROL, OUTAGE_START, index))
        self.outages += 1
        self.workers.change(0)
        self.met["outage_while_busy"] += len(self.workers.users) > 0
        if outage.crash:
            self._crash()
        yield self.env.at(outage.at_us + outage.length_us, priority(CONTROL, OUTAGE_END, index))
        self.outages -= 1
        if self.outages == 0:
            self.workers.change(self.planned)

    def _crash(self) -> None:
        """Void everything in service; the clients that are still there fail. The store is free at once."""
        self.on_crash()
        for attempt in sorted(self.in_service, key=Attempt.key):
            attempt.voided = True
            if attempt.joined_us < 0:
                self.workers.release(attempt.request)
            if not attempt.outcome.triggered:
                attempt.order.crashed += 1
                attempt.outcome.succeed(Reason.ENGINE_CRASHED)
            self.met["voided"] += 1
        self.in_service.clear()
        if self.store is not None:
            self.store.crash()


class Store:
    """One server that commits requests in groups."""

    def __init__(self, env: Clock, options: GroupCommit, effect: Callable[[Attempt], None], met: Counter[str]) -> None:
        self.env, self.options, self.effect, self.met = env, options, effect, met
        self.waiting: list[Attempt] = []
        self.bell = env.event()  # rung when somebody joins and a group may have become ready
        self.process = env.process(self._serve())

    def join(self, attempt: Attempt) -> None:
        """A worker is done with `attempt`."""
        attempt.joined_us = self.env.now
        self.waiting.append(attempt)
        news = len(self.waiting) == 1 or len(self.waiting) >= self.options.max_group
        if news and not self.bell.triggered:
            self.bell.succeed()

    def crash(self) -> None:
        """Forget the group and all who wait for one."""
        self.waiting.clear()
        self.process.interrupt()

    def _serve(self) -> ProcessGenerator:
        """Process: the store's whole life."""
        while True:
            try:
                yield from self._until_a_group_is_ready()
                group = self.waiting[: self.options.max_group]
                del self.waiting[: self.options.max_group]
                self.met["largest_group"] = max(self.met["largest_group"], len(group))
                done_us = self.env.now + max(1, self.options.a_us + self.options.b_us * len(group))
                yield self.env.at(done_us, priority(COMPLETION, GROUP))
                for attempt in group:
                    self.effect(attempt)
            except simpy.Interrupt:
                continue

    def _until_a_group_is_ready(self) -> ProcessGenerator:
        """Looks only in the class of starts, when everybody who joins at this instant has joined."""
        while True:
            self.bell = self.env.event()
            if not self.waiting:
                yield self.bell
            yield self.env.at(self.env.now, priority(START, GROUP))
            if len(self.waiting) >= self.options.max_group:
                return
            ready_us = self.waiting[0].joined_us + self.options.linger_us
            if ready_us <= self.env.now:
                return
            self.bell = self.env.event()
            yield self.bell | self.env.at(ready_us, priority(START, GROUP))
