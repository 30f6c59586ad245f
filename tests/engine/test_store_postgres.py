"""What only PostgreSQL has: a server that can be weak, go away, come back, or lose an answer on the way."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from sim.engine.stores import postgres
from sim.engine.stores.pgserver import OwnedPostgresStore, PrivatePostgres
from sim.engine.stores.pgsql import numbered
from sim.engine.stores.postgres import PostgresStore
from sim.engine.stores.store import OutcomeUnknown, StoreRefused, StoreUnavailable
from tests.engine.databases import PostgresDatabase, admin
from tests.engine.relay import Relay, Wire
from tests.engine.samples import dump, samples, shelf

pytestmark = pytest.mark.anyio

T = TypeVar("T")
SHOP = {"shops": [(9, "new", "GBP", 0, 1)]}


@pytest.fixture
async def store(postgres_database: PostgresDatabase) -> AsyncIterator[PostgresStore]:
    store = postgres_database.store()
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def relay(postgres_database: PostgresDatabase, tmp_path: Path) -> AsyncIterator[Relay]:
    async with Relay(postgres_database.url, tmp_path).running() as relay:
        yield relay


@pytest.fixture
async def relayed(relay: Relay) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(relay.url)
    await store.open()
    yield store
    relay.state = Wire.WHOLE
    await store.close()


async def eventually(act: Callable[[], Awaitable[T]]) -> T:
    """Do it, again and again while the store is unavailable; a server that recovers syncs a thousand files first."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await act()
            except StoreUnavailable:
                await asyncio.sleep(0.05)


async def eventually_writes(store: PostgresStore) -> None:
    await eventually(lambda: store.write(SHOP))


async def test_asynchronous_commit_is_refused_unless_unsafe(postgres_database: PostgresDatabase) -> None:
    name = postgres_database.url.split("/")[3].split("?")[0]
    await admin(postgres_database.url, [f"ALTER DATABASE {name} SET synchronous_commit = off"])
    with pytest.raises(StoreRefused, match="synchronous_commit=off: an acknowledged order could be lost"):
        await postgres_database.store().open()
    async with postgres_database.opened(unsafe=True) as store:
        await store.write(SHOP)


async def test_a_server_without_fsync_is_refused(postgres_database: PostgresDatabase) -> None:
    await admin(postgres_database.url, ["ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"])
    try:
        async with asyncio.timeout(30):
            while await postgres_database.run("SELECT 1 FROM pg_settings WHERE name = 'fsync' AND setting = 'on'"):
                await asyncio.sleep(0.01)
        with pytest.raises(StoreRefused, match="fsync=off"):
            await postgres_database.store().open()
    finally:
        await admin(postgres_database.url, ["ALTER SYSTEM RESET fsync", "SELECT pg_reload_conf()"])


async def test_a_later_change_of_the_server_does_not_weaken_the_engine(store: PostgresStore) -> None:
    await admin(store.url, ["ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()"])
    try:
        await asyncio.sleep(0.1)
        assert store._writer is not None
        assert await store._writer.fetchval("SHOW synchronous_commit") == "on"
    finally:
        await admin(store.url, ["ALTER SYSTEM RESET synchronous_commit", "SELECT pg_reload_conf()"])


async def test_a_database_that_does_not_exist_is_refused(postgres_database: PostgresDatabase) -> None:
    with pytest.raises(StoreRefused, match=r'database "nowhere" does not exist'):
        await PostgresStore(postgres_database.url.replace("/test?", "/nowhere?")).open()


async def test_a_server_that_does_not_answer_is_unavailable_and_its_password_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot connect") as failure:
        await PostgresStore(f"postgresql://me:secret@/shop?host={tmp_path}").open()
    assert "secret" not in str(failure.value)


async def test_tables_of_another_program_are_refused_and_not_touched(postgres_database: PostgresDatabase) -> None:
    await postgres_database.run("CREATE TABLE orders (mine INTEGER)")
    with pytest.raises(StoreRefused, match="belongs to another program"):
        await postgres_database.store().open()
    assert await postgres_database.run("SELECT to_regclass('meta'), to_regclass('shops')") == [(None, None)]


async def test_a_store_whose_connection_ended_writes_again(
    postgres_database: PostgresDatabase, store: PostgresStore
) -> None:
    await store.write(shelf())
    for _ in range(3):
        await postgres_database.run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        await eventually_writes(store)
    assert await store.rows("shops", "id", [9]) == SHOP["shops"]
    with pytest.raises(StoreRefused, match="in use by another engine"):
        await postgres_database.store().open()


async def test_reading_survives_the_loss_of_its_connections(
    postgres_database: PostgresDatabase, store: PostgresStore
) -> None:
    await store.write(SHOP)
    await store.select("SELECT 1")
    await postgres_database.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert await store.select("SELECT id FROM shops") == [(9,)]


async def test_an_engine_that_lost_its_lock_to_another_is_refused(
    postgres_database: PostgresDatabase, store: PostgresStore
) -> None:
    assert store._writer is not None
    store._writer.terminate()
    async with postgres_database.opened() as second:
        with pytest.raises(StoreRefused, match="taken over by another engine"):
            await store.write(SHOP)
        await second.write(shelf())
        assert await second.all_rows("shops") == shelf()["shops"]


async def test_an_engine_waits_for_its_own_lost_connection_to_end(store: PostgresStore) -> None:
    lingering, store._writer = store._writer, None
    assert lingering is not None
    with pytest.raises(StoreUnavailable, match="has not ended yet"):
        await store.write(SHOP)
    await lingering.close()
    await eventually_writes(store)


@pytest.mark.parametrize(("wire", "stored"), [(Wire.CUT_BEFORE, False), (Wire.CUT_AFTER, True)])
async def test_a_connection_lost_while_storing_leaves_the_outcome_unknown(
    relay: Relay, relayed: PostgresStore, wire: Wire, stored: bool
) -> None:
    await relayed.write(shelf())
    relay.state = wire
    with pytest.raises(OutcomeUnknown, match="lost while storing"):
        await relayed.write(SHOP)
    relay.state = Wire.WHOLE
    found = await eventually(lambda: relayed.rows("shops", "id", [9]))
    assert found == (SHOP["shops"] if stored else [])


async def test_a_server_that_hangs_does_not_hang_the_engine(
    relay: Relay, relayed: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_ANSWER_S", 0.2)
    monkeypatch.setattr(postgres, "_CONNECT_S", 0.2)
    relay.state = Wire.SILENT
    async with asyncio.timeout(20):
        with pytest.raises(OutcomeUnknown):
            await relayed.write(SHOP)
        with pytest.raises(StoreUnavailable, match="cannot connect"):
            await relayed.write(SHOP)
        with pytest.raises(StoreUnavailable, match="not connected"):  # at once
            await relayed.write(SHOP)
    relay.state = Wire.WHOLE
    await eventually_writes(relayed)


#: As the server tells it: of a disk, and of a file that may not grow any more (measured with a limit on its size).
_FULL = {"disk_full": "No space left on device", "internal_error": "could not extend file: File too large"}


@pytest.mark.parametrize("code", _FULL)
async def test_a_full_disk_leaves_nothing_of_a_group(
    postgres_database: PostgresDatabase, store: PostgresStore, code: str
) -> None:
    await postgres_database.run(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        f"'BEGIN RAISE EXCEPTION USING ERRCODE = ''{code}'', MESSAGE = ''{_FULL[code]}''; END'"
    )
    await postgres_database.run("CREATE TRIGGER full_disk BEFORE INSERT ON events EXECUTE FUNCTION full_disk()")
    with pytest.raises(StoreUnavailable, match=_FULL[code]) as failure:
        await store.write(samples())
    assert not isinstance(failure.value, OutcomeUnknown)
    assert all(rows == [] for rows in (await dump(store)).values())
    await postgres_database.run("DROP TRIGGER full_disk ON events")
    await store.write(samples())


async def test_a_server_killed_outright_is_started_again_and_has_every_group(server_folder: Path) -> None:
    store = OwnedPostgresStore(server_folder)
    await store.open()
    try:
        await store.write(shelf())
        os.kill(int((server_folder / "data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        await eventually_writes(store)
        assert await eventually(lambda: store.all_rows("shops")) == [*shelf()["shops"], *SHOP["shops"]]
        assert await eventually(lambda: store.select("SELECT COUNT(*) FROM shops")) == [(2,)]
    finally:
        await store.close()
    assert not (server_folder / "data/postmaster.pid").exists()


async def test_a_new_server_has_its_log_made_beforehand(server_folder: Path) -> None:
    store = OwnedPostgresStore(server_folder)
    await store.open()
    try:
        await store.write(shelf())
        query = "SELECT COUNT(*), MIN(size) FROM pg_ls_waldir() WHERE name > pg_walfile_name(pg_current_wal_lsn())"
        assert await store.select(query) == [(8, 16 << 20)]
    finally:
        await store.close()


async def test_reading_alone_brings_a_dead_server_back(server_folder: Path) -> None:
    store = OwnedPostgresStore(server_folder)
    await store.open()
    try:
        await store.write(SHOP)
        os.kill(int((server_folder / "data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        assert await eventually(lambda: store.select("SELECT id FROM shops")) == [(9,)]
    finally:
        await store.close()


async def test_a_private_server_outlives_neither_its_owner_nor_its_folder_lock(server_folder: Path) -> None:
    folder = server_folder / ("long" * 30)
    first, second = PrivatePostgres(folder), PrivatePostgres(folder)
    try:
        await asyncio.to_thread(first.start)
        with pytest.raises(StoreRefused, match="in use by another engine"):
            second.start()
        # As after kill -9 of the owner and of the shell between: the lock is free, the server still runs.
        assert first._keeper is not None
        assert first._lock is not None
        first._lock.close()
        os.kill(first._keeper.pid, signal.SIGKILL)
        await asyncio.to_thread(second.start)
        await admin(second.url, ["SELECT 1"])
    finally:
        await asyncio.to_thread(second.stop)
        await asyncio.to_thread(first.stop)
    with pytest.raises((OSError, StoreUnavailable)):
        await PostgresStore(second.url).open()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT ? + ?", "SELECT $1 + $2"),
        ("SELECT '?', 'it''s ?', \"?\", ?", "SELECT '?', 'it''s ?', \"?\", $1"),
        ("SELECT 1", "SELECT 1"),
    ],
)
def test_marks_become_numbers_outside_of_quotes(sql: str, expected: str) -> None:
    assert numbered(sql) == expected
