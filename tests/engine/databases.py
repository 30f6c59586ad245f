"""Databases to test with: an empty one of either kind, and what can be done to it behind the engine's back."""

from __future__ import annotations

import contextlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg

from sim.engine.stores.postgres import PostgresStore
from sim.engine.stores.sqlite import SqliteStore
from sim.engine.stores.store import Store

#: What a database says of a row that a check or a unique index forbids.
FORBIDDEN = (sqlite3.IntegrityError, asyncpg.IntegrityConstraintViolationError)


class Database(ABC):
    """One database; `store` makes a store of it, which is not opened yet."""

    kind: str

    @abstractmethod
    def store(self, *, unsafe: bool = False) -> Store: ...

    @abstractmethod
    async def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement as somebody else than the engine."""

    @abstractmethod
    async def stop_writes(self, store: Store) -> None:
        """Let every write fail as on a full or read-only disk, until `allow_writes`."""

    @abstractmethod
    async def allow_writes(self, store: Store) -> None: ...

    @abstractmethod
    async def make_read_only(self, store: Store) -> None:
        """Let every write fail, however small it is, until `make_writable`."""

    @abstractmethod
    async def make_writable(self, store: Store) -> None: ...

    @contextlib.asynccontextmanager
    async def opened(self, *, unsafe: bool = False) -> AsyncIterator[Store]:
        store = self.store(unsafe=unsafe)
        await store.open()
        try:
            yield store
        finally:
            await store.close()


class SqliteDatabase(Database):
    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path

    def store(self, *, unsafe: bool = False) -> SqliteStore:
        return SqliteStore(self.path, unsafe=unsafe)

    async def run(self, sql: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(sql).fetchall()

    async def stop_writes(self, store: Store) -> None:
        assert isinstance(store, SqliteStore)
        store._write.execute("PRAGMA max_page_count = 1")  # that is: no more pages than there are

    async def allow_writes(self, store: Store) -> None:
        assert isinstance(store, SqliteStore)
        store._write.execute("PRAGMA max_page_count = 1000000")

    async def make_read_only(self, store: Store) -> None:
        assert isinstance(store, SqliteStore)
        store._write.execute("PRAGMA query_only = ON")

    async def make_writable(self, store: Store) -> None:
        assert isinstance(store, SqliteStore)
        store._write.execute("PRAGMA query_only = OFF")


class PostgresDatabase(Database):
    kind = "postgres"

    def __init__(self, url: str) -> None:
        self.url = url

    def store(self, *, unsafe: bool = False) -> PostgresStore:
        return PostgresStore(self.url, unsafe=unsafe)

    async def run(self, sql: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    async def stop_writes(self, store: Store) -> None:
        assert isinstance(store, PostgresStore)
        assert store._writer is not None
        await store._writer.execute("SET default_transaction_read_only = on")

    async def allow_writes(self, store: Store) -> None:
        assert isinstance(store, PostgresStore)
        assert store._writer is not None
        await store._writer.execute("SET default_transaction_read_only = off")

    async def make_read_only(self, store: Store) -> None:
        await self.stop_writes(store)

    async def make_writable(self, store: Store) -> None:
        await self.allow_writes(store)


async def admin(url: str, statements: Sequence[str]) -> None:
    """Run statements that belong in no transaction."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
