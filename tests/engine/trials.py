"""Bursts of the hard load on an engine in processes of its own, with a provider that plays tricks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from loadtests.generator import free_port
from sim.engine.psp.behaviour import Behaviour
from tests.engine.hard_check import expect_clean, kind, look, money, shelf, states
from tests.engine.hard_load import WEBHOOK, HardLoad, Journal, Request, Said
from tests.engine.rig import Psp, opened
from tests.engine.served import SECRET, Served, Session, serving, session_with

_WINDOW_S = 0.4
_TIMERS = {"pay_window_us": round(_WINDOW_S * 1e6), "sweep_us": 50_000}
_ON_HAND = 30
_PLAYERS = 8
_TRICKS = Behaviour(
    latency_ms=5,
    latency_sigma=1,
    decline_share=0.05,
    duplicate_share=0.3,
    duplicates=2,
    reorder_share=0.2,
    reorder_ms=100,
    late_share=0.2,
    late_ms=300,
    lost_share=0.2,
    drop_answer_share=0.1,
)


class Trials:
    """The load, the engine and the provider. Each trial ends with a look at what it was told."""

    def __init__(self, served: Served, psp: Psp, folder: Path) -> None:
        self.served = served
        self.psp = psp
        self.chance = random.Random(7)
        self.load = HardLoad(self._send, Journal(folder / "acknowledged"), self._elapse, seed=7)
        self.drops = 0.0  # the share of requests whose answer nobody waits for
        self.unanswered = self.untold = 0  # requests without an answer; those of them that had been done
        self._audits = 0
        self._session: Session
        self._looked_at = 0

    async def open(self) -> None:
        async with self.session():
            await self.load.open_shop(_ON_HAND, "shop")

    @contextlib.asynccontextmanager
    async def session(self, timeout_s: float = 30.0) -> AsyncIterator[Session]:
        """Let the load go over connections of its own."""
        async with session_with(self.served.url, timeout_s) as self._session:
            yield self._session

    @contextlib.asynccontextmanager
    async def burst(self, timeout_s: float = 30.0) -> AsyncIterator[Session]:
        """Let them play until they have been told some more, and on until the block is over; then all of them end."""
        async with self.session(timeout_s) as session:
            burst = asyncio.create_task(self.load.burst(_PLAYERS))
            enough = len(self.load.said) + self.chance.randint(60, 260)
            while len(self.load.said) < enough and not burst.done():
                await asyncio.sleep(0.002)
            yield session
            self.load.enough = True
            await burst

    async def look(self) -> None:
        """Look at all that was asked since the last time."""
        requests = list(self.load.requests.values())[self._looked_at :]
        self._looked_at += len(requests)
        self.unanswered += sum(request.key not in self.load.said for request in requests)
        async with self.session() as session:
            self.untold += await look(self.load, session.get, requests)
            self._audits += 1

    async def end(self) -> dict[str, Any]:
        """Look at all that was ever told, by the file of those who were told, at the shelf and at the money."""
        async with self.session() as session:
            told = list(self.load.journal.read())
            things = await states(iter(told), session.get)
            await shelf(self.load, session.get)
            await money(self.load, session.get, self.psp.server.psp.ledger.everything)
            await expect_clean(session.get)
        return {
            "requests": len(self.load.requests),
            "acknowledged": len(self.load.requests) - self.unanswered,
            "not_acknowledged_but_done": self.untold,
            "answered_after_a_retry": len(told),
            "by_kind": dict(sorted(Counter(kind(request) for request, _said in told).items())),
            "states_read_again": things,
            "missing_or_set_back_or_done_twice": 0,
            "audits_clean": self._audits + 1,
        }

    async def _send(self, request: Request) -> Said:
        if self.chance.random() < self.drops:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.02 * self.chance.random()):
                    await self._session.send(request)
        while (said := await self._session.send(request)).is_in_use:
            await asyncio.sleep(0.01)
        return said

    async def _elapse(self) -> None:
        await asyncio.sleep(_WINDOW_S * (0.9 + 0.4 * self.chance.random()))


@contextlib.contextmanager
def _last_words(served: Served) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        error.add_note("The engine's last words:\n" + served.log.read_text()[-3000:])
        raise


@contextlib.asynccontextmanager
async def trials(store: str) -> AsyncIterator[Trials]:
    """Have an engine under the hard load; it must stop in good order.

    Its folder is not pytest's: that closes itself to others with every run, and root's PostgreSQL is another user's.
    """
    folder = Path(tempfile.mkdtemp(prefix="liverush-test-"))
    port = free_port()  # the same after every start, for the provider to find it
    psp = Psp(f"http://127.0.0.1:{port}{WEBHOOK}", _TRICKS, SECRET)
    async with opened(psp):
        options = ("--psp-url", psp.url, "--timers", json.dumps(_TIMERS))
        with serving(folder, store, *options, port=port) as served, _last_words(served):
            it = Trials(served, psp, folder)
            await it.open()
            yield it
    shutil.rmtree(folder)
