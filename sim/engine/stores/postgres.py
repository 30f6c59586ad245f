"""PostgreSQL as a store: one function call a group, on one connection that holds the engine's lock.

The lock lives and dies with the writing connection. When that is lost, the next use makes a new one, takes the lock
again and makes sure by the epoch that nobody else has written in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from sim.engine.sharing import SharedReads
from sim.engine.stores.alike import alike, is_new
from sim.engine.stores.migrations import migrate_postgres
from sim.engine.stores.pgsql import KEY_PAGES, PURGE, SHORT, TAKEN_OVER, WRITE, YOUNG, numbered, select_by, select_whole
from sim.engine.stores.store import OutcomeUnknown, Rows, StoreRefused, StoreUnavailable
from sim.engine.stores.tables import TABLES, Changes, Mode, Table

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

    Connection = asyncpg.Connection[asyncpg.Record]

#: The server gives up a statement after the first, we give up the server after the second (seconds).
_STATEMENT_S = 10
_ANSWER_S = 15
_CONNECT_S = 5
#: The audit reads everything.
_AUDIT_S = 600
#: After a failed attempt to connect, groups fail at once for this long.
_RETRY_S = 0.25
#: An engine that was killed a moment ago still has its connection: how often to ask for its lock, and how far apart.
_LOCK_TRIES = 10
_LOCK_WAIT_S = 0.1
_LOCK_KEY = 0x4C697665_52757368  # "LiveRush"
_READERS = 4
#: Pages, some 20 keys each, that are looked at in one go when old keys are purged.
_PURGED_PAGES = 64

#: The server notices within half a minute that an engine's machine is gone, and lets go of its lock.
_ALIVE = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
_COMMON = {"application_name": "liverush", "jit": "off", "statement_timeout": f"{_STATEMENT_S}s", **_ALIVE}
#: The writer looks up keys in tables that grow from nothing: a plan made while they were small must not scan them.
_WRITING = {**_COMMON, "enable_seqscan": "off", "lock_timeout": f"{_STATEMENT_S}s"}
_READING = {**_COMMON, "default_transaction_read_only": "on", "plan_cache_mode": "force_custom_plan"}

#: What must not be off, or an acknowledged order could be lost.
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
#: Classes of SQLSTATE that tell of the server's state rather than of the statement: connection, transaction state,
#: rollback, resources, object state, operator, system, internal (a file that may not grow, a broken page).
_SERVER_STATE = ("08", "25", "40", "53", "55", "57", "58", "XX")
#: Those after which the connection ends, so that a commit may or may not have happened.
_ENDING = ("08", "57P")


class PostgresStore:
    """The database behind a URL. `revive` is called before each new attempt to connect after a loss."""

    name = "postgres"

    def __init__(self, url: str, *, unsafe: bool = False, revive: Callable[[], Awaitable[None]] | None = None) -> None:
        self.url = url
        self.place = _place(url)
        self._unsafe = unsafe
        self._revive = revive
        self._epoch = 0
        self._purged = self._looked_at = 0  # pages from which on old keys are looked for next
        self._shared = SharedReads(self._select)
        self._turn = asyncio.Lock()  # a connection runs one statement at a time
        self._audit = asyncio.Lock()  # one takes minutes of a reading connection; the others are for the rest
        self._scan = asyncio.Lock()  # likewise, seconds
        self._mending = asyncio.Lock()
        self._retry_at = 0.0
        self._writer: Connection | None = None
        self._statement: PreparedStatement[asyncpg.Record]
        self._readers: asyncpg.Pool[asyncpg.Record]

    async def open(self) -> None:
        """See `Store.open`."""
        connection = await self._connect()
        try:
            await self._check_durability(connection)
            await self._take_lock(connection)
            self._epoch = await migrate_postgres(connection)
            self._statement = await connection.prepare(WRITE)
            await self.open_reader()
        except BaseException as error:
            connection.terminate()
            self._refuse_opening(error)
            raise
        self._writer = connection

    async def open_reader(self) -> None:
        """See `Store.open_reader`."""
        self._readers = await asyncpg.create_pool(
            self.url,
            min_size=0,
            max_size=_READERS,
            init=_read_numbers,
            reset=_keep,
            timeout=_CONNECT_S,
            command_timeout=_ANSWER_S,
            server_settings=_READING,
        )

    async def close(self) -> None:
        """See `Store.close`."""
        await _close_or_terminate(self._readers)
        if self._writer is not None:
            await _close_or_terminate(self._writer)

    async def all_rows(self, table: str) -> Rows:
        """See `Store.all_rows`."""
        return await self._fetch(select_whole(table))

    async def rows(self, table: str, column: str, keys: Sequence[Any]) -> Rows:
        """See `Store.rows`."""
        return await self._fetch(select_by(table, column), keys)

    async def write(self, changes: Changes, fresh: Collection[str] = ()) -> None:
        """See `Store.write`."""
        async with self._turn:
            connection = await self._connected()
            try:
                try:
                    await self._call(changes, fresh)
                except asyncpg.CardinalityViolationError:  # one key twice: an upsert takes it only once
                    await self._call({name: _last_of_each(name, rows) for name, rows in changes.items()}, fresh)
            except BaseException as error:
                self._let_go(connection, error)
                raise

    async def rest(self) -> None:
        """See `Store.rest`: the server has processes of its own for such things."""

    async def purge_keys(self, before_us: int) -> int:
        """See `Store.purge_keys`: first where old keys were found last, so that it needs no index of ages.

        Keys lie about in the order in which they came: the next old ones are there, however fast the table grows. Where
        there are none, pages take turns: what was freed is used again, so old keys may lie elsewhere too.
        """
        async with self._turn:
            connection = await self._connected()
            try:
                pages = await connection.fetchval(KEY_PAGES)
                start = self._purged if self._purged < pages else 0
                deleted, self._purged = await self._purge_part(connection, start, before_us)
                if deleted:
                    return deleted
                start = self._looked_at if self._looked_at < pages else 0
                self._looked_at = start + _PURGED_PAGES
                deleted, onward = await self._purge_part(connection, start, before_us)
                if deleted:
                    self._purged = onward
                return deleted
            except BaseException as error:
                if _lost(error):
                    connection.terminate()
                self._refuse(error)
                raise

    async def _purge_part(self, connection: Connection, start: int, before_us: int) -> tuple[int, int]:
        """How many went, and where the next old ones are: here, while young ones are left that grow old."""
        bounds = (start, 0), (start + _PURGED_PAGES, 0)
        told = await connection.execute(PURGE, *bounds, before_us, self._epoch)
        young = await connection.fetchval(YOUNG, *bounds, before_us)
        return int(told.split()[-1]), start if young else start + _PURGED_PAGES  # "DELETE 12"

    async def select(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """See `Store.select`."""
        return await self._shared.read(sql, parameters)

    async def scan(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """See `Store.scan`: the server has a process of its own for it."""
        async with self._scan:
            return await self.select(sql, parameters)

    async def _select(self, sql: str, parameters: Sequence[Any]) -> Rows:
        query = numbered(sql)
        try:
            try:
                return [tuple(found) for found in await self._readers.fetch(query, *parameters)]
            except Exception as error:
                if not _lost(error):
                    raise
                await self._mend_for_reading()
                return [tuple(found) for found in await self._readers.fetch(query, *parameters)]
        except Exception as error:
            self._refuse(error)
            raise

    async def select_all(self, queries: Iterable[str]) -> list[Rows]:
        """See `Store.select_all`."""
        try:
            async with (
                self._audit,
                self._readers.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                await connection.execute(f"SET LOCAL statement_timeout = '{_AUDIT_S}s'")
                return [
                    [tuple(found) for found in await connection.fetch(numbered(query), timeout=_AUDIT_S)]
                    for query in queries
                ]
        except Exception as error:
            self._refuse(error)
            raise

    async def _call(self, changes: Changes, fresh: Collection[str]) -> None:
        short = [_shortened(table, changes, fresh) for table in SHORT]
        sent = {table.name for table, found in zip(SHORT, short, strict=True) if found[0]}
        rows = (None if name in sent else changes.get(name) for name in TABLES)
        await self._statement.fetchval(self._epoch, fresh, *rows, *chain.from_iterable(short), timeout=_ANSWER_S)

    async def _fetch(self, query: str, *arguments: Any) -> Rows:
        """Read on the writing connection."""
        async with self._turn:
            connection = await self._connected()
            try:
                return [tuple(found) for found in await connection.fetch(query, *arguments)]
            except BaseException as error:
                if _lost(error):
                    connection.terminate()
                self._refuse(error)
                raise

    async def _connect(self) -> Connection:
        try:
            return await asyncpg.connect(
                self.url, timeout=_CONNECT_S, command_timeout=_ANSWER_S, server_settings=_WRITING
            )
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, ValueError) as error:
            raise StoreRefused(f"{self.place}: {error}") from error
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StoreUnavailable(f"{self.place}: cannot connect: {error or type(error).__name__}") from error

    async def _connected(self) -> Connection:
        """The writing connection, made anew when it was lost."""
        if self._writer is not None and not self._writer.is_closed():
            return self._writer
        now = asyncio.get_running_loop().time()
        if now < self._retry_at:
            raise StoreUnavailable(f"{self.place}: not connected")
        self._retry_at = now + _RETRY_S
        await self._mend()
        connection = await self._connect()
        try:
            await self._resume(connection)
        except BaseException as error:
            connection.terminate()
            self._refuse(error)
            raise
        self._writer = connection
        return connection

    async def _mend(self) -> None:
        """Have a server of our own started again, should it have died."""
        if self._revive is not None:
            async with self._mending:
                await self._revive()

    async def _mend_for_reading(self) -> None:
        """The same for those who read: whoever does not write leaves it alone, and nobody queues up for it."""
        if self._writer is not None and not self._mending.locked():
            await self._mend()

    async def _resume(self, connection: Connection) -> None:
        """Make a new connection the one that writes, unless somebody else has written since we lost the old one."""
        await self._check_durability(connection)
        locked = await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY)
        if await connection.fetchval("SELECT epoch FROM meta") != self._epoch:
            raise self._taken_over()
        if not locked:
            raise StoreUnavailable(f"{self.place}: the lost connection has not ended yet")
        self._statement = await connection.prepare(WRITE)

    async def _take_lock(self, connection: Connection) -> None:
        for _ in range(_LOCK_TRIES):
            if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY):
                return
            await asyncio.sleep(_LOCK_WAIT_S)
        raise StoreRefused(f"{self.place} is in use by another engine; stop that first")

    async def _check_durability(self, connection: Connection) -> None:
        query = "SELECT name, setting FROM pg_settings WHERE name = ANY ($1)"
        found = await connection.fetch(query, [*_DURABLE, "server_encoding"])
        settings = {row["name"]: row["setting"] for row in found}
        if settings["server_encoding"] != "UTF8":
            raise StoreRefused(f"{self.place}: the database's encoding is {settings['server_encoding']}, not UTF8")
        if self._unsafe:
            return
        weak = [f"{name}=off" for name in _DURABLE if settings[name] == "off"]
        if weak:
            raise StoreRefused(
                f"{self.place}: {', '.join(weak)}: an acknowledged order could be lost; turn it on, or --unsafe"
            )
        # Ours from now on: a change of the server's configuration does not reach a value set by the session.
        await connection.execute(f"SET synchronous_commit = {settings['synchronous_commit']}")

    def _refuse_opening(self, error: BaseException) -> None:
        if isinstance(error, asyncpg.DuplicateTableError):
            raise StoreRefused(f"{self.place} belongs to another program ({error}); use an empty database") from error
        if isinstance(error, asyncpg.InsufficientPrivilegeError):
            raise StoreRefused(f"{self.place}: {error}") from error
        self._refuse(error)

    def _let_go(self, connection: Connection, error: BaseException) -> None:
        """Raise what a failed write means, and end a connection whose state is not known."""
        if isinstance(error, asyncpg.PostgresError) and error.sqlstate == TAKEN_OVER:
            raise self._taken_over() from error
        if _lost(error) or connection.is_closed():
            connection.terminate()
            raise OutcomeUnknown(f"{self.place}: lost while storing: {error or type(error).__name__}") from error
        if isinstance(error, asyncio.CancelledError):
            connection.terminate()
        self._refuse(error)

    def _refuse(self, error: BaseException) -> None:
        """Raise StoreUnavailable for an error that tells of the server's state; others are the caller's to raise."""
        state = error.sqlstate or "" if isinstance(error, asyncpg.PostgresError) else ""
        if _lost(error) or state.startswith(_SERVER_STATE):
            raise StoreUnavailable(f"{self.place}: {error or type(error).__name__}") from error

    def _taken_over(self) -> StoreRefused:
        return StoreRefused(f"{self.place} was taken over by another engine")


def _lost(error: BaseException) -> bool:
    """Whether the connection that raised an error is of no more use."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_ENDING)
    if isinstance(error, asyncpg.InterfaceError):
        return "clos" in str(error)  # "connection is closed", "... closing"; others are our mistakes
    return isinstance(error, OSError | TimeoutError | asyncpg.InternalClientError)


def _shortened(table: Table, changes: Changes, fresh: Collection[str]) -> tuple[list[Any] | None, Any]:
    """What differs in a table's new rows, and a row that has the rest of all; nothing where there is more."""
    found = alike(table, changes.get(table.name, [])) if is_new(table, fresh) else None
    if found is None:
        return None, None
    columns, first = found
    return [*zip(*columns, strict=True)], first


def _last_of_each(name: str, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows without those that a later one with the same key replaces."""
    table = TABLES[name]
    if table.mode == Mode.APPEND:
        return rows
    places = [table.columns.index(column) for column in table.key]
    return list({tuple(row[place] for place in places): row for row in rows}.values())


async def _read_numbers(connection: Connection) -> None:
    """Let sums be plain numbers, as in SQLite: PostgreSQL's sum of whole numbers is a decimal one."""
    await connection.set_type_codec("numeric", schema="pg_catalog", encoder=str, decoder=_number, format="text")


def _number(text: str) -> int | float:
    return float(text) if "." in text or "N" in text else int(text)


async def _keep(_connection: Connection) -> None:
    """Nothing to undo when a reading connection returns to its pool: it saves a round trip a query."""


async def _close_or_terminate(it: Any) -> None:
    try:
        await asyncio.wait_for(it.close(), _CONNECT_S)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        it.terminate()


def _place(url: str) -> str:
    """What to call a database in a message: never with its password."""
    parts = urlsplit(url)
    hosts = [parts.hostname or "", *parse_qs(parts.query).get("host", [])]
    return f"PostgreSQL {next(filter(None, hosts), 'localhost')}{parts.path}"
