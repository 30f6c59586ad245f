"""An engine in this process under the hard load, on a clock that the test moves, and a fault at one of its writes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from sim.engine.stores.store import StoreUnavailable
from sim.orders.rules import SECOND_US, Rules
from tests.engine.databases import Database
from tests.engine.hard_check import look, shelf
from tests.engine.hard_load import CROSSINGS, WEBHOOK, HardLoad, Journal, NoAnswer, Request, Said
from tests.engine.mall import Mall
from tests.orders.shop import START_US

_WINDOW_US = SECOND_US
_AT_ONCE = 3
#: The fault is at one of so many writes, which come within so many bursts.
_WRITES, _MOST_BURSTS = 3, 10
_ON_HAND = 5
_names = map("load {}".format, itertools.count())

Write = Callable[[], Awaitable[None]]


class Scene:
    """An engine, the hard load on it, and the fault of a row."""

    def __init__(self, database: Database, folder: Path, crossing: str, seed: int) -> None:
        self.database = database
        self.wire: Callable[[Request], Awaitable[Said]] = self.exchange
        self.name = next(_names)
        self.load = HardLoad(self._send, Journal(folder / self.name, durable=False), self.elapse, seed=seed)
        self.chance = self.load.chance
        self.untold = self.acknowledged = 0
        self._crossing = CROSSINGS[crossing]
        self._struck = asyncio.Event()

    async def open(self, now_us: int = START_US) -> None:
        self.it = Mall(self.database.store(unsafe=True), now_us, Rules(pay_window_us=_WINDOW_US))
        await self.it.open()
        if not self.load.skus:
            await self.load.open_shop(_ON_HAND, self.name)

    async def abandon(self) -> None:
        """Let the engine be dead: whatever it was about to do it does not."""
        engine = self.it.engine
        tasks = [engine.writer._task, *(getattr(one, "_task", None) for one in engine.companions)]
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.it.store.close()

    async def elapse(self) -> None:
        """Let the time to pay of all orders end, and sweep."""
        self.it.now_us += _WINDOW_US
        with contextlib.suppress(StoreUnavailable):  # the next sweep will do it
            await self.it.sweep()

    async def get(self, path: str) -> Any:
        answer = await self.it.client.get(path)
        assert answer.status == 200, (path, answer.body)
        return answer.json

    async def _send(self, request: Request) -> Said:
        return await self.wire(request)

    async def exchange(self, request: Request, *, cut: bool = False, body: Any = None) -> Said:
        """Send a request as it is, but for a cut or another body."""
        if request.path == WEBHOOK:
            raw, headers = self.it.signed(request.body)
            answer = await self.it.client.call("POST", WEBHOOK, raw=raw, role="", cut=cut, **headers)
        else:
            answer = await self.it.client.call(
                *("POST", request.path, body or request.body),
                role=request.role,
                cut=cut,
                idempotency_key=request.key,
            )
        return Said(answer.status, answer.json, "idempotent-replayed" in answer.headers)

    def at_a_write(self, fault: Callable[[Write], Awaitable[None]]) -> None:
        """Put a fault in the place of one of the next writes, which it may make itself."""
        write, left = self.it.store.write, self.chance.randint(1, _WRITES)
        self._struck.clear()

        async def counted(*what: Any) -> None:
            nonlocal left
            left -= 1
            if left:
                return await write(*what)
            self._struck.set()
            return await fault(partial(write, *what))

        self.it.store.write = counted  # type: ignore[method-assign, assignment]

    async def burst(self) -> None:
        """Let three play the crossing at once, each until they get no answer."""

        async def one() -> None:
            with contextlib.suppress(NoAnswer):
                await self.load.play(self._crossing)

        await asyncio.gather(*(one() for _player in range(_AT_ONCE)))

    async def struck_burst(self) -> None:
        """The same until the fault has come: calls that come at once are one write, so a crossing may have too few."""
        for _time in range(_MOST_BURSTS):
            await self.burst()
            if self._struck.is_set():
                return
        raise AssertionError("the fault has not come")

    async def burst_until_struck(self) -> None:
        """The same, where nothing goes on after the fault."""
        burst, struck = asyncio.create_task(self.struck_burst()), asyncio.create_task(self._struck.wait())
        await asyncio.wait((burst, struck), return_when=asyncio.FIRST_COMPLETED)
        assert struck.done(), "the fault has not come"
        await asyncio.sleep(0.005)  # whatever else can still happen
        burst.cancel()
        await asyncio.gather(burst, return_exceptions=True)

    def expect_all_answered(self) -> None:
        assert self.load.requests.keys() == self.load.said.keys()

    async def check(self) -> None:
        """Look at all that was acknowledged, now that everything is well again."""
        self.wire = self.exchange
        self.acknowledged = len(self.load.said)
        self.untold = await look(self.load, self.get, list(self.load.requests.values()))
        await self.elapse()
        await shelf(self.load, self.get)
