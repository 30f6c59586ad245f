"""The one writer: requests wait in a bounded queue, whoever waits together is stored together.

A group takes what is in the queue when the group before it is durable, so groups grow with the load and an idle engine
answers at once. Where many callers wait for their answer before they ask again, a group takes only half of them: while
it is stored, the others are on their way, and neither waits for the other. A full queue sheds: better a quick 503 than
a slow everything.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from sim.engine.calls import Call, Reply
from sim.engine.executor import Executor
from sim.engine.problems import DEFECT, OVERLOADED, STORE_UNAVAILABLE
from sim.engine.stores.store import StoreRefused, StoreUnavailable

_log = logging.getLogger("liverush.engine")

MAX_GROUP = 256
QUEUE_BOUND = 10_000
#: Callers from which on they are stored in two halves: what a group costs, whatever its size, is then worth it.
_HALVED = 40


Deliver = Callable[[Reply], None]


def settle(future: asyncio.Future[Reply], reply: Reply) -> None:
    """Give a future its answer, unless its client went away and has cancelled it."""
    if not future.done():
        future.set_result(reply)


class Submitter(Protocol):
    """Where calls go: the writer here, or the one in the store process."""

    failed: Exception | None
    sweeps: int
    swept: int

    @property
    def queued(self) -> int:
        """Calls that wait."""

    def submit(self, call: Call) -> asyncio.Future[Reply]:
        """The future answer of a call."""

    def put(self, call: Call, deliver: Deliver) -> None:
        """Take a call; `deliver` is called with its answer, at once where it is not taken."""


def _share(waiting: int, answered: int) -> int:
    """How many of those who wait go into the next group, where others have just been answered."""
    half = (waiting + answered + 1) // 2
    return waiting if waiting + answered < _HALVED else min(waiting, half)


class Writer:
    """Groups calls and hands them to the executor. `observe(group size, seconds)` is told of each group."""

    def __init__(
        self,
        executor: Executor,
        *,
        max_group: int = MAX_GROUP,
        queue_bound: int = QUEUE_BOUND,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        self.executor = executor
        self.failed: Exception | None = None  # what keeps the store from taking writes, while it does
        self._max_group = max_group
        self._bound = queue_bound
        self._observe = observe
        self.sweeps = self.swept = 0  # sweeps done, and orders on which they acted
        self._waiting: deque[tuple[Call, Deliver]] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    @property
    def queued(self) -> int:
        """Calls that wait."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin to work; needs a running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """Finish all that was taken in, then stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task

    def submit(self, call: Call) -> asyncio.Future[Reply]:
        """The future answer of a call; with a full queue it is a 503 at once, unless the call is the engine's own."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.put(call, partial(settle, future))
        return future

    def put(self, call: Call, deliver: Deliver) -> None:
        """Take a call; `deliver` is called with its answer, at once where the queue is full."""
        if (len(self._waiting) >= self._bound and not call.own) or self._closing:
            deliver(OVERLOADED)
            return
        self._waiting.append((call, deliver))
        if len(self._waiting) == 1:
            self._wake.set()

    async def _work(self) -> None:
        waiting = self._waiting
        clock = asyncio.get_running_loop().time
        answered, begun, ended = 0, 0.0, 0.0
        while True:
            if not waiting:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                if clock() - ended > (ended - begun) / 2:
                    answered = 0  # whoever got an answer has had the time to ask again
                continue
            size = min(_share(len(waiting), answered), self._max_group)
            batch = [waiting.popleft() for _ in range(size)]
            begun = clock()
            replies = await self._answers([call for call, _deliver in batch])
            ended = clock()
            if self._observe is not None:
                self._observe(size, ended - begun)
            for (_call, deliver), reply in zip(batch, replies, strict=True):
                deliver(reply)
            answered = size
            await asyncio.sleep(0)  # the answers leave, and what has come meanwhile is seen
            if not waiting:
                await self.executor.store.rest()

    async def _answers(self, calls: list[Call]) -> list[Reply]:
        try:
            replies = await self.executor.execute(calls)
        except (StoreUnavailable, StoreRefused) as error:
            self._note_failure(error)
            return [STORE_UNAVAILABLE] * len(calls)
        except Exception:
            if len(calls) == 1:
                _log.exception("%s failed", type(calls[0].command).__name__)
                return [DEFECT]
            _log.exception("a group of %d calls failed; now each alone", len(calls))
            # One call must not take the others down with it: each alone, in their order.
            return [(await self._answers([call]))[0] for call in calls]
        if self.failed is not None:
            _log.warning("the store takes writes again")
            self.failed = None
        return replies

    def _note_failure(self, error: Exception) -> None:
        if self.failed is None:
            _log.error("the store takes no writes: %s", error)
        self.failed = error
