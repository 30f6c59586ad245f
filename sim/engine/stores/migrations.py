"""The versions of the database's schema, and how one becomes the next.

An empty database gets all of them in turn; one with a newer schema than this program knows is refused, not touched.
Each open raises the epoch: see `sim.engine.stores.store`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.engine.stores.pgsql import write_function
from sim.engine.stores.store import StoreRefused
from sim.engine.stores.tables import POSTGRES, SQLITE, Dialect, add_columns, ddl

if TYPE_CHECKING:
    from asyncpg import Connection, Record


def _append_keys(dialect: Dialect) -> list[str]:
    """Take the index of idempotency keys out of a SQLite file: see `sim.engine.stores.sqlite_keys`."""
    if dialect is not SQLITE:
        return []
    columns = (
        "key BLOB, fingerprint BLOB, status INTEGER, body BLOB, location TEXT, created_us INTEGER, subject_id INTEGER"
    )
    return [
        "ALTER TABLE idempotency RENAME TO idempotency_indexed",
        f"CREATE TABLE idempotency ({columns.replace(',', ' NOT NULL,')} NOT NULL, place INTEGER PRIMARY KEY) STRICT",
        "INSERT INTO idempotency SELECT *, NULL FROM idempotency_indexed ORDER BY rowid",
        "DROP TABLE idempotency_indexed",
    ]


#: The order that was paid, of each replacement and of those that replace these.
_FIND_PAID = """
WITH RECURSIVE paid(id, by) AS (
  SELECT replacement_id, order_id FROM returns
  WHERE replacement_id > 0 AND order_id NOT IN (SELECT replacement_id FROM returns)
  UNION SELECT r.replacement_id, p.by FROM returns AS r JOIN paid AS p ON r.order_id = p.id WHERE r.replacement_id > 0
)
UPDATE orders SET replaces_id = (SELECT by FROM paid WHERE paid.id = orders.id) WHERE id IN (SELECT id FROM paid)
"""


def _goods_again(dialect: Dialect) -> list[str]:
    """Let a replacement know the order that was paid, and a return that its goods are on their way."""
    return [
        *add_columns(dialect, "orders", "replaces_id"),
        _FIND_PAID,
        *add_columns(dialect, "returns", "tracking_number", "shipped_us", "receive_by_us"),
    ]


#: From version n to n + 1, as statements in a dialect. Add at the end, never change.
MIGRATIONS: tuple[Callable[[Dialect], list[str]], ...] = (ddl, _append_keys, _goods_again)


def is_foreign(connection: sqlite3.Connection) -> bool:
    """Whether a SQLite file is another program's: it holds something, but not our table of versions."""
    ours = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info('meta')")} >= {
        "version",
        "epoch",
    }
    (things,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    marks = [connection.execute(f"PRAGMA {mark}").fetchone()[0] for mark in ("application_id", "user_version")]
    return not ours and any([things, *marks])


def newer_schema(found: int) -> StoreRefused:
    """The refusal of a schema that a later version made."""
    return StoreRefused(
        f"the database has schema {found}, this program knows up to {len(MIGRATIONS)}: use the newer program; "
        "nothing was changed"
    )


def migrate_sqlite(connection: sqlite3.Connection) -> int:
    """Bring the schema up to date in one transaction and return the new epoch. Raises StoreRefused."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = _sqlite_version(connection)
        if found > len(MIGRATIONS):
            raise newer_schema(found)
        for migration in MIGRATIONS[found:]:
            for statement in migration(SQLITE):
                connection.execute(statement)
        connection.execute("UPDATE meta SET version = ?, epoch = epoch + 1", (len(MIGRATIONS),))
        (epoch,) = connection.execute("SELECT epoch FROM meta").fetchone()
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return int(epoch)


def _sqlite_version(connection: sqlite3.Connection) -> int:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
    if known is None:
        connection.execute("CREATE TABLE meta (version INTEGER NOT NULL, epoch INTEGER NOT NULL) STRICT")
        connection.execute("INSERT INTO meta VALUES (0, 0)")
    (version,) = connection.execute("SELECT version FROM meta").fetchone()
    return int(version)


async def migrate_postgres(connection: Connection[Record]) -> int:
    """Bring the schema up to date in one transaction and return the new epoch. Raises StoreRefused.

    The function that writes is made anew each time: it belongs to the program, not to the data.
    """
    async with connection.transaction():
        found = await _postgres_version(connection)
        if found > len(MIGRATIONS):
            raise newer_schema(found)
        for migration in MIGRATIONS[found:]:
            for statement in migration(POSTGRES):
                await connection.execute(statement)
        for statement in write_function():
            await connection.execute(statement)
        epoch = await connection.fetchval(
            "UPDATE meta SET version = $1, epoch = epoch + 1 RETURNING epoch", len(MIGRATIONS)
        )
    return int(epoch)


async def _postgres_version(connection: Connection[Record]) -> int:
    if await connection.fetchval("SELECT to_regclass('meta') IS NULL"):
        await connection.execute("CREATE TABLE meta (version BIGINT NOT NULL, epoch BIGINT NOT NULL)")
        await connection.execute("INSERT INTO meta VALUES (0, 0)")
    return int(await connection.fetchval("SELECT version FROM meta"))
