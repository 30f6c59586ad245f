"""The writer seen from the HTTP process: it works in a process of its own, so that the two use two cores.

Calls of one turn of the event loop go over together. Should the store process die, what was on its way is answered 503
(its outcome is unknown, and a retry with the same key finds it), and a new one is started.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sim.engine.calls import Call, Reply
from sim.engine.clock import CarriedClock
from sim.engine.link import Answers, Goodbye, Link, Ready, pack_calls
from sim.engine.problems import DEFECT, OVERLOADED, STORE_UNAVAILABLE
from sim.engine.settings import Plan
from sim.engine.stores.store import StoreUnavailable
from sim.engine.tasks import stop
from sim.engine.writer import Deliver, settle
from sim.errors import Defect, LiveRushError

_log = logging.getLogger("liverush.engine")

#: Pauses before a new store process is started, while they keep dying.
_RESTART_S = (0.1, 0.5, 2.0, 5.0)


class RemoteWriter:
    """Like `Writer`, with the executor in another process, on the same time. `start` first, `close` last."""

    def __init__(self, plan: Plan, clock: CarriedClock, observe: Callable[[int, float], None]) -> None:
        self.failed: Exception | None = None
        self.place = ""
        self.sweeps = self.swept = 0
        self._plan = plan
        self._clock = clock
        self._observe = observe
        self._counted = (0, 0)  # sweeps of store processes that are no more
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Deliver] = {}
        self._outgoing: list[tuple[int, Call]] = []
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None  # asking for it costs a system call each time
        self._link: Link | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._ready: asyncio.Future[Ready] | None = None
        self._ended = asyncio.Event()
        self._restart: asyncio.Task[None] | None = None

    @property
    def queued(self) -> int:
        """Calls that have no answer yet."""
        return len(self._waiting)

    async def start(self) -> Ready:
        """Start the store process and wait until its store is open. Raises what that raised."""
        loop = self._loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        self._ready = loop.create_future()
        self._ended = asyncio.Event()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "sim.engine.storing", str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONSAFEPATH": "1"},
                start_new_session=True,  # a Ctrl-C is ours alone: the store finishes what was acknowledged
            )
        _transport, link = await loop.create_connection(lambda: Link(self._receive, self._lost), sock=ours)
        link.send(replace(self._plan, from_us=self._clock()))
        try:
            ready = await self._ready
        except BaseException:
            link.close()
            await self._process.wait()
            raise
        if self._ended.is_set():
            raise StoreUnavailable("the store process ended as soon as it was ready")
        self._link = link
        self.place = ready.place
        self._clock.carry_on_from(ready.now_us)
        self.failed = None
        return ready

    async def close(self) -> None:
        """Let the store process finish what it was given, and wait for its end."""
        self._closing = True
        await stop(self._restart)
        if self._link is not None:
            self._flush()
            self._link.send(Goodbye())
            await self._ended.wait()
        if self._process is not None:
            await self._process.wait()

    def submit(self, call: Call) -> asyncio.Future[Reply]:
        """The future answer of a call; with too many on their way it is a 503 at once."""
        assert self._loop is not None
        future: asyncio.Future[Reply] = self._loop.create_future()
        self.put(call, partial(settle, future))
        return future

    def put(self, call: Call, deliver: Deliver) -> None:
        """Send a call; `deliver` is called with its answer, at once where it is not sent."""
        loop = self._loop
        if loop is None or self._link is None or self._closing:
            deliver(STORE_UNAVAILABLE)
        elif len(self._waiting) >= self._plan.queue_bound and not call.own:
            deliver(OVERLOADED)
        else:
            number = next(self._numbers)
            self._waiting[number] = deliver
            self._outgoing.append((number, call))
            if len(self._outgoing) == 1:
                loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._outgoing and self._link is not None:
            outgoing, self._outgoing = self._outgoing, []
            try:
                self._link.send(pack_calls(outgoing))
            except Exception:  # one that cannot be packed: nobody may wait for ever because of it
                _log.exception("%d calls cannot be sent to the store process", len(outgoing))
                for number, _call in outgoing:
                    self._waiting.pop(number)(DEFECT)

    def _receive(self, message: object) -> None:
        if isinstance(message, Answers):
            self._take(message)
        elif self._ready is not None and not self._ready.done():
            if isinstance(message, Ready):
                self._ready.set_result(message)
            else:
                self._ready.set_exception(message if isinstance(message, LiveRushError) else Defect(str(message)))

    def _take(self, answers: Answers) -> None:
        for number, reply in answers.replies:
            self._waiting.pop(number)(reply)
        for size, seconds in answers.groups:
            self._observe(size, seconds)
        self.sweeps = self._counted[0] + answers.sweeps
        self.swept = self._counted[1] + answers.swept
        self.failed = StoreUnavailable(answers.failed) if answers.failed else None

    def _lost(self) -> None:
        """The store process has gone: answer what it had, and start another unless this is the end, or the start."""
        was_ready, self._link = self._link is not None, None
        self._ended.set()
        self._counted = (self.sweeps, self.swept)
        waiting, self._waiting, self._outgoing = self._waiting, {}, []
        for deliver in waiting.values():
            deliver(STORE_UNAVAILABLE)
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(Defect("the store process ended before it was ready"))
        elif was_ready and not self._closing:
            self.failed = StoreUnavailable("the store process has ended")
            _log.error("the store process has ended; starting another")
            self._restart = asyncio.get_running_loop().create_task(self._start_again())

    async def _start_again(self) -> None:
        for pause_s in itertools.chain(_RESTART_S, itertools.repeat(_RESTART_S[-1])):
            await asyncio.sleep(pause_s)
            try:
                await self.start()
            except Exception as error:  # whatever it was: without another try the engine would answer 503 for ever
                _log.error("no store process: %s", error)
            else:
                _log.warning("the store process is back")
                return

    def kill(self) -> None:
        """Kill the store process: for tests of its death."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
