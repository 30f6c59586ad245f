"""Identical reads are shared, and never with what was read too early."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from sim.engine.sharing import SharedReads
from sim.engine.stores.store import Rows


class _Table:
    """Something to read whose answer is the state when the read began; reads take until they are let go."""

    def __init__(self) -> None:
        self.value = 0
        self.reads = 0
        self.gate = asyncio.Event()

    async def read(self, _sql: str, parameters: Sequence[Any]) -> Rows:
        self.reads += 1
        if parameters == ("broken",):
            raise ValueError("broken")
        found = self.value
        await self.gate.wait()
        return [(found,)]


def test_who_asks_during_a_read_gets_what_was_read_after_they_asked() -> None:
    async def scene() -> tuple[list[Rows], int]:
        table = _Table()
        shared = SharedReads(table.read)
        first = asyncio.ensure_future(shared.read("q", ()))
        while not table.reads:
            await asyncio.sleep(0)
        table.value = 1
        later = [asyncio.ensure_future(shared.read("q", ())) for _ in range(50)]
        await asyncio.sleep(0)
        table.gate.set()
        return [await first, *[await one for one in later]], table.reads

    answers, reads = asyncio.run(scene())
    assert answers == [[(0,)]] + [[(1,)]] * 50
    assert reads == 2


def test_another_question_is_another_read() -> None:
    async def scene() -> int:
        table = _Table()
        table.gate.set()
        shared = SharedReads(table.read)
        await asyncio.gather(shared.read("q", (1,)), shared.read("q", (2,)), shared.read("p", (1,)))
        await shared.read("q", (1,))
        return table.reads

    assert asyncio.run(scene()) == 4


def test_a_failed_read_fails_those_who_shared_it_and_no_later_one() -> None:
    async def scene() -> None:
        table = _Table()
        shared = SharedReads(table.read)
        for _ in range(2):
            with pytest.raises(ValueError, match="broken"):
                await shared.read("q", ("broken",))
        assert table.reads == 2

    asyncio.run(scene())


def test_a_client_that_goes_away_takes_nobody_with_it() -> None:
    async def scene() -> Rows:
        table = _Table()
        shared = SharedReads(table.read)
        gone = asyncio.ensure_future(shared.read("q", ()))
        await asyncio.sleep(0)
        stays = asyncio.ensure_future(shared.read("q", ()))
        await asyncio.sleep(0)
        gone.cancel()
        table.gate.set()
        return await stays

    assert asyncio.run(scene()) == [(0,)]
