"""The filter of idempotency keys: it may know too many, never too few."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.engine import executor
from sim.engine.calls import Call, Reply
from sim.engine.executor import Executor
from sim.engine.seen import SeenKeys
from sim.engine.stores.sqlite import SqliteStore
from sim.orders.commands import PlaceOrder, Wanted
from sim.orders.rules import Rules
from tests.engine.rig import run
from tests.engine.samples import SKU, shelf

KEYS = [b"key %d" % number for number in range(2000)]


def test_a_filter_that_has_not_begun_knows_every_key() -> None:
    seen = SeenKeys()
    assert seen.add(KEYS) == KEYS
    assert seen.add(KEYS) == KEYS


def test_a_filter_knows_what_is_stored_and_what_came_since() -> None:
    seen = SeenKeys()
    seen.begin(KEYS[:1000])
    assert len(seen.add(KEYS[1000:1500])) < 50
    assert seen.add(KEYS[:1500]) == KEYS[:1500]
    assert len(seen.add(KEYS[1500:])) < 50


def test_of_a_million_keys_few_new_ones_are_taken_for_known() -> None:
    seen = SeenKeys()
    seen.begin(b"stored %d" % number for number in range(1_000_000))
    assert len([key for key in KEYS if seen.add([key])]) < 2 * len(KEYS) / 80


@pytest.mark.parametrize("most", [0, 10])
def test_a_key_of_an_earlier_run_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(executor, "_MOST_KEYS", most)

    async def place() -> Reply:
        store = SqliteStore(tmp_path / "engine.sqlite3")
        await store.open()
        try:
            if not await store.all_rows("skus"):
                await store.write(shelf())
            engine = Executor(store, lambda: 1_750_000_000_000_000, Rules())
            await engine.load()
            command = PlaceOrder("ada", (Wanted(SKU, 1),))
            (reply,) = await engine.execute([Call(command, lambda *_: Reply(201, b"{}"), b"the key", b"body")])
            return reply
        finally:
            await store.close()

    async def check() -> None:
        assert not (await place()).replayed
        assert (await place()).replayed

    run(check())
