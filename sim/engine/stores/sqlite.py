"""SQLite as a store: WAL, `synchronous=FULL`, one writing connection and one that reads.

Rows are written on the event loop, many in a statement: a statement a row, or a thread for the writing, would fight
over the interpreter lock with the requests. Only the commit, which waits for the disk, may run in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from sim.engine.stores import sqlite_keys
from sim.engine.stores.alike import alike, is_new, like_places
from sim.engine.stores.migrations import is_foreign, migrate_sqlite
from sim.engine.stores.sqlite_keys import KeyPlaces
from sim.engine.stores.store import Rows, StoreRefused, StoreUnavailable
from sim.engine.stores.tables import TABLES, Changes, Table, enumerations, plain_row
from sim.errors import Defect

#: Rows of one statement: these sizes, then what is left. Few sizes, so that all statements stay prepared.
_CHUNKS = (256, 128, 64, 32)
_PREPARED = 2048
_FULL = 2
#: Pages of the write-ahead log (16 MB) after which they go to the database's file: at the default, a quarter of this,
#: every thirtieth group of a burst waits for that.
LOG_PAGES = 4000
#: Groups after which the log goes to the file as soon as nobody waits: then it is a few hundred pages, and half a
#: millisecond. So a burst finds a short log, and a group that could be answered does not wait for that.
_LOG_GROUPS = 50
#: What SQLite says of a sum that no column could hold. (PostgreSQL adds up without an end.)
_TOO_LARGE = "integer overflow"
#: A thread that has ended its commit waits at most this long for the interpreter.
_SWITCH_S = 0.0005


class SqliteStore:
    """A database file. `threaded` commits in a thread; a process with nothing else to do is quicker without."""

    name = "sqlite"

    def __init__(self, path: str | Path, *, unsafe: bool = False, threaded: bool = True) -> None:
        self.path = self.place = str(path)
        self._unsafe = unsafe
        self._epoch = 0
        self._logged = 0  # groups since the log was last copied on purpose
        self._turn = asyncio.Lock()  # a connection has one transaction at a time
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit") if threaded else None
        self._scans = ThreadPoolExecutor(1, thread_name_prefix="scan")  # one at a time: they take one processor at most
        self._lock: sqlite3.Connection
        self._write: sqlite3.Connection
        self._read: sqlite3.Connection
        self._keys: KeyPlaces

    async def open(self) -> None:
        """See `Store.open`."""
        sys.setswitchinterval(_SWITCH_S)
        self._lock = self._take_lock()
        try:
            self._check_owner()
            self._write = self._connect()
            self._check_durability()
            self._epoch = migrate_sqlite(self._write)
            self._keys = KeyPlaces(self._write)
            self._read = self._connect(reader=True)
        except BaseException as error:
            self._lock.close()
            if isinstance(error, sqlite3.Error):
                raise StoreRefused(f"{self.path}: {error}") from error
            raise

    async def open_reader(self) -> None:
        """See `Store.open_reader`."""
        self._read = self._connect(reader=True)

    async def close(self) -> None:
        """See `Store.close`."""
        if self._thread is not None:
            self._thread.shutdown()
        self._scans.shutdown(cancel_futures=True)
        for name in ("_read", "_write", "_lock"):
            if hasattr(self, name):  # a reader has only the first
                getattr(self, name).close()

    async def all_rows(self, table: str) -> Rows:
        """See `Store.all_rows`."""
        known = TABLES[table]
        return self._write.execute(
            f"SELECT {', '.join(known.columns)} FROM {table} ORDER BY {', '.join(known.key)}"
        ).fetchall()

    async def rows(self, table: str, column: str, keys: Sequence[Any]) -> Rows:
        """See `Store.rows`."""
        try:
            if table == sqlite_keys.TABLE and keys:
                return self._keys.rows(keys)
            return self._write.execute(_select_by(table, column), (json.dumps(keys),)).fetchall()
        except sqlite3.Error as error:
            raise _unavailable(error) from error

    async def write(self, changes: Changes, fresh: Collection[str] = ()) -> None:
        """See `Store.write`."""
        async with self._turn:
            connection = self._write
            try:
                connection.execute("BEGIN IMMEDIATE")
                self._check_epoch()
                for name, rows in changes.items():
                    table = TABLES[name]
                    upsert = not is_new(table, fresh)
                    if name == sqlite_keys.TABLE:
                        self._keys.write(rows, partial(_insert, connection, table), upsert=upsert)
                    else:
                        _insert(connection, table, rows, upsert=upsert)
                await self._in_thread(connection.commit)
                self._logged += 1
            except BaseException as error:
                self._roll_back()
                if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError):
                    raise _unavailable(error) from error
                raise

    async def rest(self) -> None:
        """See `Store.rest`."""
        if self._logged >= _LOG_GROUPS:
            self._logged = 0
            async with self._turn:
                with contextlib.suppress(sqlite3.OperationalError):  # the next group will tell
                    await self._in_thread(self._copy_log)

    async def purge_keys(self, before_us: int) -> int:
        """See `Store.purge_keys`."""
        async with self._turn:
            connection = self._write
            try:
                connection.execute("BEGIN IMMEDIATE")
                self._check_epoch()
                deleted = self._keys.purge(before_us)
                connection.commit()
            except BaseException as error:
                self._roll_back()
                if isinstance(error, sqlite3.Error):
                    raise _unavailable(error) from error
                raise
        return deleted

    async def select(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """See `Store.select`."""
        try:
            return self._read.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as error:
            raise _unavailable(error) from error

    async def scan(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """See `Store.scan`."""
        (rows,) = await self._beside([(sql, parameters)], self._scans)
        return rows

    async def select_all(self, queries: Iterable[str]) -> list[Rows]:
        """See `Store.select_all`."""
        return await self._beside([(query, ()) for query in queries])

    async def _beside(
        self, queries: list[tuple[str, Sequence[Any]]], threads: ThreadPoolExecutor | None = None
    ) -> list[Rows]:
        """Read one snapshot in a thread."""
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, self._snapshot, queries)
        except sqlite3.OperationalError as error:
            if str(error) == _TOO_LARGE:  # the database is there: asking again would change nothing
                raise Defect(f"SQLite: {_TOO_LARGE}: a sum is beyond 64 bits") from error
            raise _unavailable(error) from error

    def _snapshot(self, queries: list[tuple[str, Sequence[Any]]]) -> list[Rows]:
        connection = self._connect(reader=True)
        try:
            connection.execute("BEGIN")
            return [connection.execute(query, parameters).fetchall() for query, parameters in queries]
        finally:
            connection.close()

    def _copy_log(self) -> None:
        self._write.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    async def _in_thread(self, work: Callable[[], object]) -> None:
        """Do what waits for the disk, in a thread where others need this one."""
        if self._thread is None:
            work()
        else:
            await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _take_lock(self) -> sqlite3.Connection:
        """Hold an exclusive lock on a file beside the database for as long as this process lives."""
        try:
            path = os.path.realpath(self.path)  # whatever it is called: one file, one lock
            lock = sqlite3.connect(f"{path}.lock", timeout=0, isolation_level=None, check_same_thread=False)
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise StoreRefused(f"{self.path} is in use by another engine; stop that first") from error
            raise StoreRefused(f"{self.path}: {error}") from error
        return lock

    def _connect(self, *, reader: bool = False) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=_PREPARED
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if self._unsafe else 'FULL'}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        connection.execute("PRAGMA temp_store = MEMORY")  # what undoes half a statement would go to a file
        if reader:
            connection.execute("PRAGMA query_only = ON")
        return connection

    def _check_owner(self) -> None:
        """Raise StoreRefused for another program's file, before anything in it is changed: WAL is, for good."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            if is_foreign(connection):
                raise StoreRefused(f"{self.path} is another program's database; nothing was changed")

    def _check_durability(self) -> None:
        (mode,) = self._write.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = self._write.execute("PRAGMA synchronous").fetchone()
        if not self._unsafe and (mode != "wal" or synchronous < _FULL):
            raise StoreRefused(
                f"{self.path}: journal_mode={mode}, synchronous={synchronous}: an acknowledged order could be lost; "
                "use a local disk, or --unsafe"
            )

    def _check_epoch(self) -> None:
        (epoch,) = self._write.execute("SELECT epoch FROM meta").fetchone()
        if epoch != self._epoch:
            raise StoreRefused(f"{self.path} was taken over by another engine")

    def _roll_back(self) -> None:
        if self._write.in_transaction:
            self._write.rollback()


def _insert(connection: sqlite3.Connection, table: Table, rows: list[tuple[Any, ...]], *, upsert: bool = False) -> int:
    """Write rows in as few statements as their number allows; return the rowid of the last, where they have any."""
    shared, values = _values(table, rows, new=not upsert)
    start, last, width = 0, 0, len(values) // len(rows)
    while start < len(rows):
        left = len(rows) - start
        size = next((chunk for chunk in _CHUNKS if chunk <= left), left)
        own = values[start * width : (start + size) * width]
        last = connection.execute(_statement(table.name, size, upsert, bool(shared)), [*shared, *own]).lastrowid or 0
        start += size
    return last


def _values(table: Table, rows: list[tuple[Any, ...]], *, new: bool) -> tuple[list[Any], list[Any]]:
    """What all rows share, where they are new and alike, and then the values of each; all of them plain."""
    found = alike(table, rows) if new else None
    if found is None:
        values, width = [*chain.from_iterable(rows)], len(table.columns)
        for position, plain in enumerations(table.record):  # binding takes ten times as long for those that are not
            values[position::width] = map(plain, values[position::width])
        return [], values
    columns, first = found
    values = [None] * (len(rows) * len(columns))
    for position, column in enumerate(columns):
        values[position :: len(columns)] = column
    plain_first = plain_row(table.record, first)
    return [plain_first[place] for place in like_places(table.name)], values


@functools.cache
def _statement(name: str, size: int, upsert: bool, short: bool) -> str:
    table = TABLES[name]
    # A conflict ends the transaction: else each statement would keep a copy of every page before it changes that.
    insert = f"INSERT OR ROLLBACK INTO {name} ({', '.join(table.columns)}) VALUES "
    if short:
        return insert + ", ".join(_short_rows(table, size))
    statement = insert + ", ".join([f"({', '.join('?' * len(table.columns))})"] * size)
    if not upsert:
        return statement
    changed = [f"{column} = excluded.{column}" for column in table.columns if column not in table.key]
    return f"{statement} ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {', '.join(changed)}"


def _short_rows(table: Table, size: int) -> list[str]:
    """The marks of rows: what all share has the first numbers, and then each value its own."""
    shared = {place: f"?{number}" for number, place in enumerate(like_places(table.name), 1)}
    marks = [shared.get(place, "?") for place in range(len(table.columns))]
    first = [*marks]
    first[marks.index("?")] = f"?{len(shared) + 1}"  # those without a number count on from the highest
    return [f"({', '.join(row)})" for row in (first, *[marks] * (size - 1))]


@functools.cache
def _select_by(table: str, column: str) -> str:
    known = TABLES[table]
    return (
        f"SELECT {', '.join(known.columns)} FROM {table} "
        f"WHERE {column} IN (SELECT value FROM json_each(?)) ORDER BY {', '.join(known.key)}"
    )


def _unavailable(error: sqlite3.Error) -> StoreUnavailable:
    return StoreUnavailable(f"SQLite: {error}")
