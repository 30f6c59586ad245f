"""A database of an earlier version becomes one of this version, and nothing in it is lost."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any, get_type_hints

import asyncpg
import pytest

from sim.engine.stores import migrations
from sim.engine.stores.store import StoreRefused
from sim.engine.stores.tables import POSTGRES, SQLITE, TABLES, Changes, ddl
from tests.engine.databases import FORBIDDEN, Database, PostgresDatabase, SqliteDatabase
from tests.engine.samples import dump, sample, samples

pytestmark = pytest.mark.anyio


def first_samples(count: int) -> Changes:
    """Rows of every table as the first version had them."""
    return {name: [cut(name, values) for values in rows] for name, rows in samples(count).items()}


def cut(name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    return values[: len(values) - len(TABLES[name].added)]


def grown(name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row of the first version as it should be now: nothing in the columns that came later."""
    types = get_type_hints(TABLES[name].record)
    return (*values, *(types[column]() for column in TABLES[name].added))


def make_first(database: SqliteDatabase) -> None:
    """Make a file as the first version did, with rows in every table."""
    with contextlib.closing(sqlite3.connect(database.path)) as connection, connection:
        for statement in (*ddl(SQLITE), "CREATE TABLE meta (version INTEGER NOT NULL, epoch INTEGER NOT NULL) STRICT"):
            connection.execute(statement)
        connection.execute("INSERT INTO meta VALUES (1, 1)")
        for name, rows in first_samples(8).items():
            connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)


async def make_first_of_postgres(database: PostgresDatabase) -> None:
    """Make a database as the first version did, with rows in every table."""
    connection = await asyncpg.connect(database.url)
    try:
        for statement in (*ddl(POSTGRES), "CREATE TABLE meta (version BIGINT NOT NULL, epoch BIGINT NOT NULL)"):
            await connection.execute(statement)
        await connection.execute("INSERT INTO meta VALUES (1, 1)")
        for name, rows in first_samples(8).items():
            await connection.copy_records_to_table(name, records=rows)
    finally:
        await connection.close()


async def make_first_of(database: Database) -> None:
    if isinstance(database, SqliteDatabase):
        make_first(database)
    else:
        assert isinstance(database, PostgresDatabase)
        await make_first_of_postgres(database)


async def test_replacements_of_the_first_version_find_the_order_that_was_paid(database: Database) -> None:
    await make_first_of(database)
    orders = [order_id for (order_id,) in await database.run("SELECT id FROM orders ORDER BY id")]
    returns = [return_id for (return_id,) in await database.run("SELECT id FROM returns ORDER BY id")]
    await database.run("UPDATE returns SET replacement_id = 0 RETURNING id")
    for return_id, of, by in zip(
        returns, (orders[0], orders[1], orders[4]), (orders[1], orders[2], orders[5]), strict=False
    ):
        change = f"order_id = {of}, replacement_id = {by}"
        await database.run(f"UPDATE returns SET {change} WHERE id = {return_id} RETURNING id")
    async with database.opened():
        pass
    found = dict(await database.run("SELECT id, replaces_id FROM orders WHERE replaces_id > 0"))
    assert found == {orders[1]: orders[0], orders[2]: orders[0], orders[5]: orders[4]}


async def test_rows_of_the_first_version_are_all_there_and_writable(database: Database) -> None:
    await make_first_of(database)
    old = {name: [grown(name, values) for values in rows] for name, rows in first_samples(8).items()}
    async with database.opened() as store:
        assert await dump(store) == old
        with pytest.raises(FORBIDDEN):
            await store.write({"idempotency": [sample("idempotency", 7)]}, ["idempotency"])
        new = {name: [sample(name, 9)] for name in TABLES}
        await store.write(new)
        assert await dump(store) == {name: old[name] + new[name] for name in TABLES}
    assert await database.run("SELECT version FROM meta") == [(len(migrations.MIGRATIONS),)]


async def test_the_rebuilt_table_of_keys_has_the_columns_of_the_first_and_no_index(
    sqlite_database: SqliteDatabase,
) -> None:
    make_first(sqlite_database)
    query = "SELECT name, type, \"notnull\" FROM pragma_table_info('idempotency') WHERE name <> 'place'"
    before = await sqlite_database.run(query)
    async with sqlite_database.opened():
        pass
    assert await sqlite_database.run(query) == before
    assert not await sqlite_database.run("SELECT name FROM pragma_index_list('idempotency')")


@pytest.mark.parametrize(
    "made",
    ["CREATE TABLE meta (key TEXT, value TEXT)", "CREATE TABLE notes (text TEXT)", "PRAGMA user_version = 3"],
)
async def test_a_file_of_another_program_is_refused_and_not_touched(sqlite_database: SqliteDatabase, made: str) -> None:
    with contextlib.closing(sqlite3.connect(sqlite_database.path)) as connection, connection:
        connection.execute(made)
    before = sqlite_database.path.read_bytes()
    with pytest.raises(StoreRefused, match="another program's database"):
        async with sqlite_database.opened():
            pass
    assert sqlite_database.path.read_bytes() == before
