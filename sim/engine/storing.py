"""The store process: order core, database, timers and outgoing webhooks; started by `sim.engine.remote`.

It ends when told to, or when the process that started it has gone, and then finishes what it was given.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial

from sim.engine.calls import Reply
from sim.engine.clock import steady_clock, wall_clock
from sim.engine.core import Engine
from sim.engine.handlers import HANDLERS
from sim.engine.link import Answers, Calls, Goodbye, Link, Ready, unpack_calls
from sim.engine.settings import Plan, open_store
from sim.engine.tasks import stop
from sim.engine.webhooks.outbox import Outbox
from sim.errors import LiveRushError
from sim.orders.rules import SECOND_US

#: Young objects between collections: calls leave no cycles, so looking for them often is wasted.
GC_THRESHOLD = 50_000


class _Server:
    """Takes calls from the link to the writer and the answers back, those of one turn of the loop together."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.plan: asyncio.Future[Plan] = loop.create_future()
        self.gone = asyncio.Event()
        self.link = Link(self._receive, self.gone.set)
        self.engine: Engine | None = None
        self._loop = loop
        self._replies: list[tuple[int, Reply]] = []
        self._groups: list[tuple[int, float]] = []

    def observe(self, size: int, seconds: float) -> None:
        """Note a group for the next answers."""
        self._groups.append((size, seconds))

    def flush(self) -> None:
        """Send the answers that there are, and how the writer is."""
        if self.engine is None:
            return
        writer = self.engine.writer
        failed = str(writer.failed) if writer.failed else ""
        self.link.send(Answers(self._replies, self._groups, writer.sweeps, writer.swept, failed))
        self._replies, self._groups = [], []

    def _receive(self, message: object) -> None:
        if isinstance(message, Calls):
            assert self.engine is not None
            for number, call in unpack_calls(message):
                self.engine.writer.put(call, partial(self._answer, number))
        elif isinstance(message, Goodbye):
            self.gone.set()
        elif isinstance(message, Plan):
            self.plan.set_result(message)

    def _answer(self, number: int, reply: Reply) -> None:
        if not self._replies:
            self._loop.call_soon(self.flush)
        self._replies.append((number, reply))


async def serve(connection: socket.socket) -> None:
    """Serve one HTTP process until it says goodbye or has gone."""
    server = _Server()
    await asyncio.get_running_loop().create_connection(lambda: server.link, sock=connection)
    plan = await server.plan
    engine = engine_of(plan, server.observe)
    opening = asyncio.get_running_loop().create_task(open_engine(engine, plan))
    leaving = asyncio.get_running_loop().create_task(server.gone.wait())
    await asyncio.wait((opening, leaving), return_when=asyncio.FIRST_COMPLETED)
    if not opening.done():
        await stop(opening)
        return
    try:
        notes = opening.result()
    except LiveRushError as error:
        server.link.send(error)
        server.link.close()
        return
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    server.engine = engine
    server.link.send(Ready(engine.store.place, notes, engine.clock()))
    ticking = asyncio.get_running_loop().create_task(_tell(server))
    await leaving
    ticking.cancel()
    await engine.close()
    server.flush()
    server.link.close()


def engine_of(plan: Plan, observe: Callable[[int, float], None]) -> Engine:
    """The engine of a plan, not opened yet: all but HTTP and payments. `observe` is told of each group."""
    engine = Engine(
        open_store(plan),
        steady_clock(),
        rules=plan.rules,
        handlers=HANDLERS,
        speed=plan.speed,
        sweep_us=plan.sweep_us,
        keep_keys_us=plan.keep_keys_us,
        max_group=plan.max_group,
        queue_bound=plan.queue_bound,
        observe=observe,
    )
    engine.executor.clock.carry_on_from(plan.from_us)
    engine.companions.append(
        Outbox(engine.writer, engine.store, engine.clock, speed=plan.speed, loopback=plan.loopback)
    )
    return engine


async def open_engine(engine: Engine, plan: Plan) -> tuple[str, ...]:
    """Open an engine and fill its store with the plan's scenario; return what there is to tell."""
    await engine.open()
    notes = _late_note(engine.clock() - wall_clock())
    if plan.scenario is None:
        return notes
    from sim.engine.catalogue.seed import seed  # with the schema of scenarios, which takes as long as all else to load

    try:
        return (*notes, (await seed(engine, plan.scenario)).summary())
    except BaseException:
        await engine.close()
        raise


def _late_note(behind_us: int) -> tuple[str, ...]:
    if behind_us < SECOND_US:
        return ()
    seconds = f"{behind_us / SECOND_US:,.0f}"
    return (f"This machine's clock is {seconds} s behind the last event; the engine's time goes on from there",)


async def _tell(server: _Server) -> None:
    """Say each second how the writer is, so that what it counts is seen without calls."""
    while True:
        await asyncio.sleep(1)
        server.flush()


def main() -> None:
    """Serve on the socket whose number is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the HTTP process says when it is time
    factory = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
