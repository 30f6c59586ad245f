"""A database of an earlier version becomes one of this version, and nothing in it is lost."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from sim.engine import migrations
from sim.engine.tables import SQLITE, TABLES, ddl
from tests.engine.databases import FORBIDDEN, Database, SqliteDatabase
from tests.engine.samples import dump, sample, samples

pytestmark = pytest.mark.anyio


def make_first(database: SqliteDatabase) -> None:
    """Make a file as the first version did, with rows in every table."""
    with contextlib.closing(sqlite3.connect(database.path)) as connection, connection:
        for statement in (*ddl(SQLITE), "CREATE TABLE meta (version INTEGER NOT NULL, epoch INTEGER NOT NULL) STRICT"):
            connection.execute(statement)
        connection.execute("INSERT INTO meta VALUES (1, 1)")
        for name, rows in samples(8).items():
            connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)


async def test_rows_of_the_first_version_are_all_there_and_writable(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(database, SqliteDatabase):
        make_first(database)
    else:
        with monkeypatch.context() as earlier:
            earlier.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:1])
            async with database.opened() as store:
                await store.write(samples(8))
    async with database.opened() as store:
        assert await dump(store) == samples(8)
        with pytest.raises(FORBIDDEN):
            await store.write({"idempotency": [sample("idempotency", 7)]}, ["idempotency"])
        await store.write({name: [sample(name, 9)] for name in TABLES})
        assert await dump(store) == samples(9)
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
