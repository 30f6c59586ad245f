"""Idempotency keys in SQLite: their index lives in memory, and knows after all what is in the file."""

from __future__ import annotations

from typing import Any

import pytest

from sim.engine.stores.store import Store
from tests.engine.databases import FORBIDDEN, SqliteDatabase
from tests.engine.samples import sample

pytestmark = pytest.mark.anyio

TABLE = "idempotency"


def answers(*numbers: int, status: int = 201) -> list[tuple[Any, ...]]:
    """Rows of keys that come in no order."""
    return [(b"%d" % (number * 7919 % 1009), b"print", status, b"{}", "", number, 0) for number in numbers]


async def found(store: Store, *numbers: int) -> set[tuple[Any, ...]]:
    return set(await store.rows(TABLE, "key", [row[0] for row in answers(*numbers)]))


async def test_the_next_engine_knows_all_keys(sqlite_database: SqliteDatabase) -> None:
    async with sqlite_database.opened() as store:
        await store.write({TABLE: answers(*range(1, 400))}, [TABLE])
        await store.write({TABLE: answers(5, 400, status=409)})
    async with sqlite_database.opened() as store:
        assert await found(store, 5, 6, 399, 400, 401) == {*answers(6, 399), *answers(5, 400, status=409)}
        with pytest.raises(FORBIDDEN):
            await store.write({TABLE: answers(401, 6)}, [TABLE])
        await store.write({TABLE: answers(6, 401, 6, status=402)})
        assert await found(store, 6, 401) == {*answers(6, 401, status=402)}
        assert len(await store.all_rows(TABLE)) == 401


async def test_a_key_of_a_group_that_failed_is_free(sqlite_database: SqliteDatabase) -> None:
    async with sqlite_database.opened() as store:
        await store.write({"events": [sample("events", 1)], TABLE: answers(1)}, [TABLE])
        with pytest.raises(FORBIDDEN):
            await store.write({TABLE: answers(2, 3), "events": [sample("events", 1)]}, [TABLE])
        assert await found(store, 1, 2, 3) == {*answers(1)}
        await store.write({TABLE: answers(3, 2)}, [TABLE])
        assert await found(store, 1, 2, 3) == {*answers(1, 2, 3)}


async def test_a_purged_key_is_free_and_rows_come_after_those_that_were_there(sqlite_database: SqliteDatabase) -> None:
    async with sqlite_database.opened() as store:
        await store.write({TABLE: answers(1, 2, 3)})
        assert await store.purge_keys(3) == 2
        assert await store.purge_keys(9) == 1
        await store.write({TABLE: answers(3, 1, 4)}, [TABLE])
        assert await found(store, 1, 2, 3, 4) == {*answers(1, 3, 4)}


async def test_the_log_goes_to_the_file_while_nobody_waits(sqlite_database: SqliteDatabase) -> None:
    async with sqlite_database.opened() as store:
        await store.write({TABLE: answers(*range(1000))})
        before = sqlite_database.path.stat().st_size
        for number in range(1000, 1060):
            await store.write({TABLE: answers(number)})
            await store.rest()
        assert sqlite_database.path.stat().st_size > before
        await sqlite_database.stop_writes(store)
        await store.rest()
