"""The cells of the benchmark without HTTP: who writes (executor or script), into which store, how many at once.

Run in a process of its own by `tests.bench.jobs`. Cells take turns in random order, engine and script of a pair one
after the other, each time on an empty database, so that whatever else the machine does meets all of them alike.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg

from sim.engine.clock import steady_clock
from sim.engine.executor import Executor
from sim.engine.stores.pgserver import PrivatePostgres
from sim.engine.stores.postgres import PostgresStore
from sim.engine.stores.sqlite import SqliteStore
from sim.engine.stores.store import Store
from sim.engine.stores.tables import TABLES
from sim.orders.rules import Rules
from tests.bench.engine_carts import make_calls, make_carts, shelf
from tests.bench.engine_script import Maker, PostgresScript, SqliteScript

_VERIFIED = 300  # carts, in groups of 128


@dataclass(frozen=True, slots=True)
class Cell:
    """Who writes how: `writer` is "engine" or "script"."""

    store: str
    skus: int
    writer: str
    group: int
    orders: int


class Databases:
    """Makes empty databases of either kind, with the engine's tables and a shelf."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._server: PrivatePostgres | None = None

    @contextlib.asynccontextmanager
    async def opened(self, kind: str, skus: int) -> AsyncIterator[tuple[Store, str]]:
        """Give a store on a new database, and where that is."""
        async with self._place(kind) as place:
            store = SqliteStore(place, threaded=False) if kind == "sqlite" else PostgresStore(place)
            await store.open()
            try:
                await store.write(shelf(skus))
                yield store, place
            finally:
                await store.close()

    @contextlib.asynccontextmanager
    async def _place(self, kind: str) -> AsyncIterator[str]:
        name = f"bench_{next(self._numbers)}"
        if kind == "sqlite":
            yield str(self._folder / f"{name}.sqlite3")
            for path in self._folder.glob(f"{name}.*"):
                path.unlink()
            return
        url = self._url()
        await _run(url, f"CREATE DATABASE {name}", "CHECKPOINT")
        yield url.replace("/postgres?", f"/{name}?")
        await _run(url, f"DROP DATABASE {name}")

    def _url(self) -> str:
        if self._server is None:
            self._server = PrivatePostgres(self._folder / "postgres")
            self._server.start()
        return self._server.url

    def close(self) -> None:
        """End the server, if one runs."""
        if self._server is not None:
            self._server.stop()


async def _run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def engine_cells(folder: str, cells: list[dict[str, Any]], rounds: int, seed: int) -> list[dict[str, Any]]:
    """Run every cell `rounds` times in random order; return each with its seconds, wall and CPU, a round."""
    import uvloop

    with contextlib.closing(Databases(Path(folder))) as databases:
        return uvloop.run(_rounds(databases, [Cell(**cell) for cell in cells], rounds, random.Random(seed)))


async def _rounds(databases: Databases, cells: list[Cell], rounds: int, chance: random.Random) -> list[dict[str, Any]]:
    for kind, skus in sorted({(cell.store, cell.skus) for cell in cells}):
        await verify(databases, kind, skus)
    found: dict[Cell, list[tuple[float, float]]] = {cell: [] for cell in cells}
    for _ in range(rounds):
        for cell in _in_turn(cells, chance):
            async with databases.opened(cell.store, cell.skus) as (store, place):
                found[cell].append(await _timed(cell, store, place, chance.randrange(10**9)))
            gc.collect()
    return [
        asdict(cell) | {"seconds": [wall for wall, _ in times], "cpu_seconds": [cpu for _, cpu in times]}
        for cell, times in found.items()
    ]


def _in_turn(cells: list[Cell], chance: random.Random) -> Iterator[Cell]:
    """Cells in random order, but those that are compared one after the other: the machine's speed drifts."""
    compared: dict[tuple[str, int, int], list[Cell]] = {}
    for cell in cells:
        compared.setdefault((cell.store, cell.skus, cell.group), []).append(cell)
    for pair in chance.sample([*compared.values()], len(compared)):
        yield from chance.sample(pair, len(pair))


async def _timed(cell: Cell, store: Store, place: str, seed: int) -> tuple[float, float]:
    """Wall and CPU seconds that a cell takes for its orders; the first group, which prepares statements, apart."""
    carts = make_carts(cell.skus, cell.orders + cell.group, seed)
    groups = [carts[start : start + cell.group] for start in range(0, len(carts), cell.group)]
    if cell.writer == "engine":
        return await _time_engine(store, groups)
    return await _time_script(cell.store, place, groups)


async def _time_engine(store: Store, groups: list[list[Any]]) -> tuple[float, float]:
    executor = Executor(store, steady_clock(), Rules())
    await executor.load()
    called = [make_calls(group) for group in groups]
    await executor.execute(called[0])
    wall, cpu = time.perf_counter(), time.process_time()
    for calls in called[1:]:
        await executor.execute(calls)
    return time.perf_counter() - wall, time.process_time() - cpu


async def _time_script(kind: str, place: str, groups: list[list[Any]]) -> tuple[float, float]:
    script, maker, clock = _script(kind, place), Maker(), steady_clock()
    await script.write(maker.rows(groups[0], clock()))
    wall, cpu = time.perf_counter(), time.process_time()
    for group in groups[1:]:
        await script.write(maker.rows(group, clock()))
    times = time.perf_counter() - wall, time.process_time() - cpu
    await script.close()
    return times


async def verify(databases: Databases, kind: str, skus: int) -> None:
    """Make sure that executor and script leave the same rows in every table: the clock is the same, so are ids."""
    carts = make_carts(skus, _VERIFIED, seed=skus)
    instants = [1_750_000_000_000_000, 1_750_000_000_000_001, 1_750_000_000_004_000]
    groups = [carts[start : start + 128] for start in range(0, len(carts), 128)]
    async with databases.opened(kind, skus) as (store, _place):
        clock = [0]
        executor = Executor(store, lambda: clock[0], Rules())
        await executor.load()
        for group, clock[0] in zip(groups, instants, strict=True):
            replies = await executor.execute(make_calls(group))
            assert all(reply.status == 201 for reply in replies), replies
        ours = {name: await store.all_rows(name) for name in TABLES}
    async with databases.opened(kind, skus) as (store, place):
        script, maker = _script(kind, place), Maker()
        for group, now_us in zip(groups, instants, strict=True):
            await script.write(maker.rows(group, now_us))
        await script.close()
        theirs = {name: await store.all_rows(name) for name in TABLES}
    unequal = [name for name in TABLES if ours[name] != theirs[name]]
    if unequal or len(ours["orders"]) != _VERIFIED:
        raise AssertionError(f"{kind}: executor and script differ in {', '.join(unequal)}")


def _script(kind: str, place: str) -> SqliteScript | PostgresScript:
    return SqliteScript(place) if kind == "sqlite" else PostgresScript(place)
