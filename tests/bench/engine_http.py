"""Placing orders over HTTP, durable before the answer, against an echo with bodies as large under the same server.

The client, the HTTP process, the store process and PostgreSQL share the machine's cores; so beside the ratio of rates
stands what each of them takes of a processor for a request. Linux only: it reads /proc and waits with epoll.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from sim.engine.stores.pgserver import PrivatePostgres
from tests.bench.engine_disk import sync_figures, syncing
from tests.bench.engine_servers import Server, echo_server, engine_server
from tests.bench.process import Bench, JobFailed
from tests.bench.rows import Target, make_row
from tests.paths import ROOT

Row = dict[str, Any]

STORES, MANY_SKUS = ("sqlite", "postgres"), 1000
#: A store's floor for its share of the echo's rate.
FLOORS = {"sqlite": 0.40, "postgres": 0.36}
AIM = 0.60
ROUNDS, PACED_ROUNDS = 5, 3
_CLIENT_LIMIT_S = 60
#: Of the process that syncs: a server's start and end and the client are within it.
_SYNCS_LIMIT_S = 2 * _CLIENT_LIMIT_S


@dataclass(frozen=True)
class Size:
    """How much is measured: rounds, seconds a cell and connections."""

    rounds: int = ROUNDS
    paced_rounds: int = PACED_ROUNDS
    warm_s: float = 0.5
    seconds: float = 2.5
    connections: int = 64
    stores: tuple[str, ...] = STORES
    skus: int = MANY_SKUS


@dataclass
class Lab:
    """Starts servers, each on a new database, and loads them."""

    folder: Path
    size: Size
    bodies: list[str] = field(default_factory=list)
    _postgres: PrivatePostgres | None = None
    _databases: int = 0

    def close(self) -> None:
        """End PostgreSQL, if it runs."""
        if self._postgres is not None:
            self._postgres.stop()

    def measure(self, store: str, skus: int = 1, rate: float = 0.0) -> Row:
        """Load an engine (or the echo) once; audit the engine afterwards."""
        load_s = self.size.warm_s + self.size.seconds
        with self._server(store, skus) as server:
            groups = 0 if store == "echo" else server.groups()
            before, begun = server.cpu_s(), _stolen_s()
            found = self._load(server, rate)
            after, stolen_s = server.cpu_s(), _stolen_s() - begun
            found["stolen_share"] = stolen_s / load_s / (os.cpu_count() or 1)
            found["cpu_us"] = {name: (after[name] - before[name]) / found["total"] * 1e6 for name in after} | {
                "client": found["cpu_us"]
            }
            if store != "echo":
                found["groups_per_s"] = (server.groups() - groups) / load_s
                server.check_invariants()
        return found

    def measure_syncing(self, rate: float, syncs_per_s: float) -> Row:
        """Load the echo once beside a process that makes so many syncs a second and does nothing else."""
        with syncing(self.folder / "log.probe", syncs_per_s, _SYNCS_LIMIT_S) as syncs:
            found = self.measure("echo", 1, rate)
        return found | syncs

    def _load(self, server: Server, rate: float) -> Row:
        load = {
            "port": server.port,
            "bodies": server.bodies,
            "prefix": os.urandom(4).hex(),
            "connections": self.size.connections,
            "warm_s": self.size.warm_s,
            "seconds": self.size.seconds,
            "rate": rate,
        }
        call = [sys.executable, "-m", "tests.bench.engine_client"]
        done = subprocess.run(
            call,
            cwd=ROOT,
            input=json.dumps(load),  # too long for an argument
            capture_output=True,
            text=True,
            timeout=_CLIENT_LIMIT_S,
            check=False,
        )
        if done.returncode:
            raise JobFailed(f"the client failed:\n{done.stderr[-2000:]}")
        found: Row = json.loads(done.stdout)
        if found["failed"]:
            raise JobFailed(f"not an order: {found['failed'][0]}")
        return found

    @contextlib.contextmanager
    def _server(self, store: str, skus: int) -> Iterator[Server]:
        if store == "echo":
            if not self.bodies:  # as large as an engine's
                with self._engine(self.size.stores[0], 1) as server:
                    self.bodies = server.bodies
            with echo_server(self.bodies) as server:
                yield server
        else:
            with self._engine(store, skus) as server:
                yield server

    @contextlib.contextmanager
    def _engine(self, store: str, skus: int) -> Iterator[Server]:
        self._databases += 1
        name = f"bench_{self._databases}"
        if store == "sqlite":
            with engine_server(store, str(self.folder / f"{name}.sqlite3"), skus) as server:
                yield server
            for path in self.folder.glob(f"{name}.*"):
                path.unlink()
            return
        postgres = self._running_postgres()
        asyncio.run(_run(postgres.url, f"CREATE DATABASE {name}", "CHECKPOINT"))
        url = postgres.url.replace("/postgres?", f"/{name}?")
        assert postgres._keeper is not None
        with engine_server(store, url, skus, postgres._keeper.pid) as server:
            yield server
        asyncio.run(_run(postgres.url, f"DROP DATABASE {name}"))

    def _running_postgres(self) -> PrivatePostgres:
        if self._postgres is None:
            self._postgres = PrivatePostgres(self.folder / "postgres")
            self._postgres.start()
        return self._postgres


async def _run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def engine_http(bench: Bench) -> list[Row]:
    """Rate with 64 connections, the 99th percentile at half of it, and 1,000 SKUs against one."""
    folder = bench.folder / "engine_http"
    folder.mkdir()
    return measured_rows(folder, bench.command, Size())


def measured_rows(folder: Path, command: str, size: Size) -> list[Row]:
    """Measure and return the rows: one a store."""
    chance = random.Random(20261120)
    with contextlib.closing(Lab(folder, size)) as lab:
        closed = _closed(lab, chance)
        paced = {store: _paced(lab, chance, store, _rate(closed[store, 1]) / 2) for store in size.stores}
    return [_row(command, size, store, closed, paced[store]) for store in size.stores]


def _closed(lab: Lab, chance: random.Random) -> dict[tuple[str, int], list[Row]]:
    """All cells in random order, round by round."""
    cells = [("echo", 1), *((store, skus) for store in lab.size.stores for skus in {1, lab.size.skus})]
    found: dict[tuple[str, int], list[Row]] = {cell: [] for cell in cells}
    for _ in range(lab.size.rounds):
        for store, skus in chance.sample(cells, len(cells)):
            found[store, skus].append(lab.measure(store, skus))
    return found


def _paced(lab: Lab, chance: random.Random, store: str, rate: float) -> dict[str, list[Row]]:
    """The engine and the echo at one rate, half of what the engine can do; the echo beside syncs; and the bare disk.

    The host of a virtual machine may stop whoever wakes up thousands of times a second beside a thousand syncs a
    second, engine or not (docs/decisions/0011). So the echo runs beside as many syncs as the engine makes groups too:
    what the engine takes longer than that is its own. How many those are is measured once beforehand.
    """
    groups_per_s = lab.measure(store, 1, rate)["groups_per_s"]
    cells: dict[str, Callable[[], Row]] = {
        store: lambda: lab.measure(store, 1, rate),
        "echo": lambda: lab.measure("echo", 1, rate),
        "syncing": lambda: lab.measure_syncing(rate, groups_per_s),
        "disk": lambda: sync_figures(lab.folder, min(1.0, lab.size.seconds)),
    }
    found: dict[str, list[Row]] = {name: [] for name in cells}
    for _ in range(lab.size.paced_rounds):
        for name in chance.sample(list(cells), len(cells)):
            found[name].append(cells[name]())
    return found


def _row(
    command: str, size: Size, store: str, closed: dict[tuple[str, int], list[Row]], paced: dict[str, list[Row]]
) -> Row:
    hot, echo, many = (closed[cell] for cell in ((store, 1), ("echo", 1), (store, size.skus)))
    rate, many_rate = _rate(hot), _rate(many)
    targets = (
        Target("echo_ratio", FLOORS[store], at_least=True),
        Target("echo_ratio", AIM, at_least=True, goal=True),
        Target("p99_ratio", 5),
        Target("p99_synced_ratio", 5),
        Target("skus_ratio", 1.5),
    )
    return make_row(
        "engine_http",
        f"{store}, {size.connections} connections, one hot SKU; audited",
        command,
        targets,
        orders=sum(round_["total"] for round_ in hot),
        seconds=size.seconds,
        orders_per_s=rate,
        engine={
            "echo_ratio": rate / _rate(echo),
            "echo_per_s": _rate(echo),
            "skus_ratio": max(rate / many_rate, many_rate / rate),
            f"per_s_{size.skus}_skus": many_rate,
            "cpu_us": _cpu_us(hot),
            "echo_cpu_us": _cpu_us(echo),
            "p50_ms": _median(hot, "p50_ms"),
            "p99_ms": _median(hot, "p99_ms"),
            "paced_per_s": rate / 2,
            **_paced_figures(paced[store], paced["echo"], paced["syncing"]),
            **{name: _median(paced["disk"], name) for name in paced["disk"][0]},
        },
        repeats={
            "per_s": [found["per_s"] for found in hot],
            "echo_per_s": [found["per_s"] for found in echo],
            "per_s_many": [found["per_s"] for found in many],
            "paced_p99_ms": [found["p99_ms"] for found in paced[store]],
            "echo_paced_p99_ms": [found["p99_ms"] for found in paced["echo"]],
            "echo_syncing_p99_ms": [found["p99_ms"] for found in paced["syncing"]],
            "groups_per_s": [found["groups_per_s"] for found in paced[store]],
            "echo_syncs_per_s": [found["syncs_per_s"] for found in paced["syncing"]],
        },
    )


def _paced_figures(engine: list[Row], echo: list[Row], syncing_echo: list[Row]) -> Row:
    p99_ms = _median(engine, "p99_ms")
    return {
        "p99_ratio": p99_ms / _median(echo, "p99_ms"),
        "p99_synced_ratio": p99_ms / _median(syncing_echo, "p99_ms"),
        "paced_p99_ms": p99_ms,
        "paced_p50_ms": _median(engine, "p50_ms"),
        "paced_cpu_us": _cpu_us(engine),
        "groups_per_s": _median(engine, "groups_per_s"),
        "echo_paced_p99_ms": _median(echo, "p99_ms"),
        "echo_syncing_p99_ms": _median(syncing_echo, "p99_ms"),
        "echo_syncs_per_s": _median(syncing_echo, "syncs_per_s"),
        "paced_stolen_share": _median(engine, "stolen_share"),
        "echo_paced_stolen_share": _median(echo, "stolen_share"),
        "echo_syncing_stolen_share": _median(syncing_echo, "stolen_share"),
    }


def _stolen_s() -> float:
    """Seconds in which this machine's processors wanted to run and the host ran something else, all added up.

    Above a hundredth of the time the p99 of what keeps processors busy is the host's: it stops the whole machine for
    5 to 10 ms at a time once its quota of a tenth of a second is used up. What is counted there is more than what
    /proc tells as used: naps of a processor shorter than some 0.2 ms, and the work that the host does for the disk.
    """
    return int(Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[8]) / os.sysconf("SC_CLK_TCK")


def _rate(rounds: list[Row]) -> float:
    return _median(rounds, "per_s")


def _median(rounds: list[Row], figure: str) -> float:
    return float(median(found[figure] for found in rounds))


def _cpu_us(rounds: list[Row]) -> dict[str, float]:
    return {part: median(found["cpu_us"][part] for found in rounds) for part in rounds[0]["cpu_us"]}
