"""The sweep: orders on which time must act are handed to the writer, where they compete with payments like any call."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from sim.engine.calls import Call, Reply
from sim.engine.stores.store import StoreUnavailable
from sim.engine.tasks import Companion
from sim.orders.commands import Elapse

if TYPE_CHECKING:
    from sim.engine.core import Engine

_log = logging.getLogger("liverush.engine")

_ACTED = 200
#: Orders handed over at once; where more are due, the next round follows at once.
BATCH = 1000
#: A sweep comes no oftener, at whatever speed: the loop would spin, at half a processor for nothing.
LEAST_PAUSE_US = 10_000
_DUE = "SELECT id FROM orders WHERE due_us > 0 AND due_us <= ? ORDER BY due_us LIMIT ?"


def pause_us(sweep_us: int, speed: float) -> int:
    """How long the engine really waits between two sweeps."""
    return max(LEAST_PAUSE_US, round(sweep_us / speed))


class Sweeper(Companion):
    """Sweeps every `every_us` of the engine's clock."""

    def __init__(self, engine: Engine, every_us: int) -> None:
        self._engine = engine
        self._every_s = every_us / 1e6

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self._sweep_all()
            except Exception:
                _log.exception("a sweep failed")

    async def _sweep_all(self) -> None:
        try:
            while await self.sweep() > BATCH // 2:  # it was full, whatever was paid or cancelled meanwhile
                pass
        except StoreUnavailable as error:
            _log.warning("no sweep: %s", error)
            await self._probe()  # should the store take no writes either, nobody need lose an order to find out

    async def _probe(self) -> None:
        """Store a row, to learn whether the store takes writes again: while we are not ready nobody else tries."""
        now_us = self._engine.clock()
        await self._engine.writer.submit(Call(Elapse(0), lambda *_: Reply(200), key=b"probe %d" % now_us, own=True))

    async def sweep(self) -> int:
        """Let time act on what is due now, at most a batch; return on how many orders it did."""
        engine = self._engine
        if engine.writer.failed is not None:
            await self._probe()
        if engine.writer.failed is not None:
            return 0
        due = await engine.store.select(_DUE, (engine.clock(), BATCH))
        calls = [engine.writer.submit(Call(Elapse(int(order_id)), _whether_acted, own=True)) for (order_id,) in due]
        acted = sum(reply.status == _ACTED for reply in await asyncio.gather(*calls))
        engine.writer.sweeps += 1
        engine.writer.swept += acted
        return acted


def _whether_acted(_world: Any, _command: Any, happened: tuple[Any, ...]) -> Reply:
    return Reply(_ACTED if happened else 204)
