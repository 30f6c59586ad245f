"""Idempotency keys are forgotten when they are old: a part at a time, those of running requests never."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from sim.engine import purger
from sim.engine.core import Engine
from sim.engine.stores.store import Store, StoreRefused, StoreUnavailable
from sim.engine.stores.tables import IdempotencyRow, row
from sim.orders.commands import PlaceOrder, Wanted
from sim.orders.rules import DAY_US, SECOND_US
from tests.engine.databases import Database
from tests.engine.samples import SKU, Shopper, shelf

pytestmark = pytest.mark.anyio

NOW_US = 1_750_000_000_000_000
PLACE = PlaceOrder("buyer", (Wanted(SKU, 1),))


def kept(number: int, created_us: int, status: int = 201) -> tuple[Any, ...]:
    return row(IdempotencyRow(b"key %06d" % number, b"body", status, b" " * 400, "", created_us, 0))


async def purge_all(store: Store, before_us: int) -> int:
    """Purge until every part has had its turn; return how many keys went."""
    return sum([await store.purge_keys(before_us) for _ in range(12)])


async def numbers(store: Store) -> list[int]:
    return [int(values[0][4:]) for values in await store.all_rows("idempotency")]


async def test_old_keys_are_forgotten_young_ones_and_running_ones_stay(store: Store) -> None:
    old = [kept(1, NOW_US - 1), kept(2, NOW_US - 1, status=0), kept(3, NOW_US - DAY_US, status=409)]
    await store.write({"idempotency": [*old, kept(4, NOW_US), kept(5, NOW_US + 1)]})
    assert await purge_all(store, NOW_US) == 2
    assert await numbers(store) == [2, 4, 5]


async def test_no_call_deletes_more_than_a_part_and_in_the_end_all_are_gone(store: Store) -> None:
    await store.write({"idempotency": [kept(number, NOW_US - 1) for number in range(4000)]})
    first = await store.purge_keys(NOW_US)
    assert 0 < first < 4000
    assert first + await purge_all(store, NOW_US) == 4000
    assert await numbers(store) == []
    await store.write({"idempotency": [kept(number, NOW_US - 1) for number in range(9)]})
    assert await purge_all(store, NOW_US) == 9


async def test_keys_are_forgotten_as_fast_as_they_come(store: Store) -> None:
    """However fast: each second 3,000 come, of which some hundreds are a part, and those of five seconds are kept.

    A request that never ends keeps its key, and nobody else's.
    """
    await store.write({"idempotency": [kept(10**6 - 1, NOW_US - DAY_US, status=0)]})
    for second in range(30):
        now_us = NOW_US + second * SECOND_US
        rows = [kept(second * 3000 + number, now_us) for number in range(3000)]
        await store.write({"idempotency": rows}, ["idempotency"])
        while await store.purge_keys(now_us - 5 * SECOND_US):
            pass
    assert len(await numbers(store)) < 3 * 5 * 3000


async def test_the_old_keys_of_a_part_that_is_half_young_go_when_they_are_the_last_too(store: Store) -> None:
    for second in range(40):
        rows = [kept(second * 100 + number, NOW_US + second * SECOND_US) for number in range(100)]
        await store.write({"idempotency": rows}, ["idempotency"])
    for second in range(1, 41):
        while await store.purge_keys(NOW_US + second * SECOND_US):
            pass
        assert len(await numbers(store)) == (40 - second) * 100


async def test_running_requests_hide_no_old_keys(store: Store) -> None:
    await store.write({"idempotency": [kept(number, NOW_US - 1, status=0) for number in range(3000)]})
    await store.write({"idempotency": [kept(number, NOW_US - 1) for number in range(3000, 3010)]})
    assert await purge_all(store, NOW_US) == 10


async def test_a_request_under_a_forgotten_key_is_a_new_one(store: Store) -> None:
    await store.write(shelf(on_hand=30))
    shopper = Shopper(store)
    await shopper.executor.load()
    (first,) = await shopper.ask(PLACE, keys=(b"key",))
    (again,) = await shopper.ask(PLACE, keys=(b"key",))
    assert first
    assert not again
    assert await purge_all(store, shopper.now_us + 1) == 1
    (anew,) = await shopper.ask(PLACE, keys=(b"key",))
    assert anew[0].order.id != first[0].order.id


async def test_an_engine_that_was_replaced_purges_nothing(database: Database) -> None:
    async with database.opened() as store:
        await store.write({"idempotency": [kept(1, NOW_US - 1)]})
        await database.run("UPDATE meta SET epoch = epoch + 1 RETURNING epoch")
        with contextlib.suppress(StoreRefused):
            assert await store.purge_keys(NOW_US) == 0
        assert await numbers(store) == [1]


async def test_the_engine_forgets_keys_by_itself_and_goes_on_after_a_failure(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purger, "_EVERY_S", 0.01)
    store = sqlite_database.store()
    purge, failures = store.purge_keys, [StoreUnavailable("full"), RuntimeError("what?")]

    async def fail_twice(before_us: int) -> int:
        if failures:
            raise failures.pop()
        return await purge(before_us)

    monkeypatch.setattr(store, "purge_keys", fail_twice)
    engine = Engine(store, lambda: NOW_US, keep_keys_us=DAY_US)
    await engine.open()
    try:
        await store.write({"idempotency": [kept(1, NOW_US - DAY_US - 1), kept(2, NOW_US - DAY_US + 1)]})
        async with asyncio.timeout(60):
            while await numbers(store) != [2]:
                await asyncio.sleep(0.01)
    finally:
        await engine.close()
    assert not failures
