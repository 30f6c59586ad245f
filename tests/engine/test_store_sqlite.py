"""What only SQLite has: settings of a connection that could lose what was acknowledged."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.engine.stores.sqlite import SqliteStore
from sim.engine.stores.store import StoreRefused
from tests.engine.databases import SqliteDatabase

pytestmark = pytest.mark.anyio

_NORMAL, _FULL = 1, 2


async def test_a_database_in_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreRefused, match=r"journal_mode=memory.*an acknowledged order could be lost"):
        await SqliteStore(Path(":memory:")).open()


@pytest.mark.parametrize(("unsafe", "expected"), [(False, _FULL), (True, _NORMAL)])
async def test_every_commit_is_synced_unless_unsafe(
    sqlite_database: SqliteDatabase, unsafe: bool, expected: int
) -> None:
    async with sqlite_database.opened(unsafe=unsafe) as store:
        assert isinstance(store, SqliteStore)
        assert store._write.execute("PRAGMA synchronous").fetchone() == (expected,)
        assert store._write.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_database_has_one_engine_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "engine.sqlite3")
    async with SqliteDatabase(tmp_path / "engine.sqlite3").opened():
        with pytest.raises(StoreRefused, match="in use by another engine"):
            await SqliteStore(tmp_path / "link").open()
