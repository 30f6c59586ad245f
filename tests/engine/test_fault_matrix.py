"""The fault matrix, crossed: every row of it under every crossing of the hard load, in one process and on both stores.

A fault comes at one of the first writes of a crossing that three play at once. `test_kill` does the like to processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sim.engine.core import Engine
from sim.engine.problems import KEY_REUSED
from sim.engine.stores.pgserver import PrivatePostgres
from sim.engine.stores.store import OutcomeUnknown, StoreRefused, StoreUnavailable
from sim.orders.rules import HOUR_US, SECOND_US
from tests.engine.databases import Database, PostgresDatabase, SqliteDatabase, admin
from tests.engine.hard_check import plain
from tests.engine.hard_load import CROSSINGS, WEBHOOK, HardLoad, Pay, Refused, Request, Said
from tests.engine.scene import Scene, Write
from tests.engine.soak import write_result
from tests.orders.shop import START_US

_GAMES = 20

Row = Callable[[Scene], Awaitable[None]]
ROWS: dict[str, Row] = {}
#: Those in which the database has a part: on PostgreSQL the others are for the long run.
OF_THE_STORE = ("kill -9 app", "no answer from the database", "no writes")


def row(name: str) -> Callable[[Row], Row]:
    def keep(it: Row) -> Row:
        ROWS[name] = it
        return it

    return keep


@row("kill -9 app")
async def _kill_app(scene: Scene) -> None:
    for is_stored in (False, True):  # what it was writing
        await _killed(scene, is_stored=is_stored)
        await scene.open(scene.it.now_us)


async def _killed(scene: Scene, *, is_stored: bool) -> None:
    async def die(write: Write) -> None:
        if is_stored:
            await write()
        await asyncio.Event().wait()

    scene.at_a_write(die)
    await scene.burst_until_struck()
    await scene.abandon()


@row("kill -9 database")
async def _kill_database(scene: Scene) -> None:
    await _gone(scene, StoreUnavailable("gone"), is_stored=False)


@row("no answer from the database")
async def _database_dies_in_a_commit(scene: Scene) -> None:
    for is_stored in (False, True):
        await _gone(scene, OutcomeUnknown("gone"), is_stored=is_stored)


async def _gone(scene: Scene, error: Exception, *, is_stored: bool) -> None:
    """Let the database be gone from a write on until the burst is over."""
    store = scene.it.store
    methods = ("write", "rows", "all_rows", "select", "scan", "select_all")

    async def gone(*_what: Any) -> Any:
        raise StoreUnavailable("gone")

    async def go(write: Write) -> None:
        if is_stored:
            await write()
        for method in methods:
            setattr(store, method, gone)
        raise error

    scene.at_a_write(go)
    await scene.struck_burst()
    for method in methods:
        delattr(store, method)


@row("stop 5 s")
async def _stop(scene: Scene) -> None:
    """All that is asked meanwhile waits, and the time to pay of everything ends."""

    await _time_goes(scene, 5 * SECOND_US, stands_s=0.01)


async def _time_goes(scene: Scene, by_us: int, *, stands_s: float = 0.0) -> None:
    """Let time go on at a write, which may stand still for a moment, while a sweep is under way."""

    async def late(write: Write) -> None:
        scene.it.now_us += by_us
        await asyncio.sleep(stands_s)
        await write()

    scene.at_a_write(late)
    await asyncio.gather(scene.struck_burst(), scene.it.sweep())
    scene.expect_all_answered()


@row("no writes")
async def _read_only(scene: Scene) -> None:
    """As on a full or read-only disk, from a write on until the burst is over."""

    async def refuse(write: Write) -> None:
        await scene.database.make_read_only(scene.it.store)
        await write()

    scene.at_a_write(refuse)
    await scene.struck_burst()
    assert scene.it.engine.writer.failed is not None
    await scene.database.make_writable(scene.it.store)


@row("two nodes")
async def _two_nodes(scene: Scene) -> None:
    async def meet(write: Write) -> None:
        with pytest.raises(StoreRefused, match="in use by another engine"):
            await Engine(scene.database.store(unsafe=True), lambda: START_US).open()
        await write()

    scene.at_a_write(meet)
    await scene.struck_burst()
    scene.expect_all_answered()


@row("answer dropped")
async def _answer_dropped(scene: Scene) -> None:
    """Clients go away at any moment, and ask again."""

    async def impatient(request: Request) -> Said:
        call = asyncio.create_task(scene.exchange(request))
        for _turn in range(scene.chance.randrange(8)):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        return await scene.exchange(request)

    scene.wire = impatient
    await scene.burst()


@row("reset within the body")
async def _reset(scene: Scene) -> None:
    async def cut_first(request: Request) -> Said:
        assert (await scene.exchange(request, cut=True)).body["code"] == "malformed"
        said = await scene.exchange(request)
        assert not said.replayed, "what was cut has been done"
        return said

    scene.wire = cut_first
    await scene.burst()
    scene.expect_all_answered()


@row("same key one after the other")
async def _same_key(scene: Scene) -> None:
    async def twice(request: Request) -> Said:
        said, again = await scene.exchange(request), await scene.exchange(request)
        _expect_one(request, [said, again])
        return said

    scene.wire = twice
    await scene.burst()


@row("same key at once")
async def _same_key_at_once(scene: Scene) -> None:
    async def thrice(request: Request) -> Said:
        answers = await asyncio.gather(*(scene.exchange(request) for _time in range(3)))
        _expect_one(request, answers)
        return answers[0]

    scene.wire = thrice
    await scene.burst()


def _expect_one(request: Request, answers: list[Said]) -> None:
    """Only one of the requests has been done, and all have been answered as that one."""
    if request.path == WEBHOOK:
        assert sum(said.body["changed"] for said in answers) <= 1, (request, answers)
    else:
        assert sum(not said.replayed for said in answers) == 1, (request, answers)
        assert all((said.status, plain(said.body)) == (answers[0].status, plain(answers[0].body)) for said in answers)


#: By the last word of the path, what is sent besides under the same key.
_OTHERWISE: dict[str, dict[str, Any]] = {
    "orders": {"buyer_id": "bob"},
    "payments": {"method": "another"},
    "packages": {"carrier": "another"},
    "tracking-events": {"status": "LOST"},
    "cancellations": {"reason": "another"},
    "returns": {"reason": "another"},
    "refunds": {"reason": "another"},
    "inventory-adjustments": {"delta": 9},
}


@row("same key, other body")
async def _other_body(scene: Scene) -> None:
    async def contradict(request: Request) -> Said:
        said = await scene.exchange(request)
        other = _OTHERWISE.get(request.path.rpartition("/")[2])
        if other is not None:
            refused = await scene.exchange(request, body=request.body | other)
            assert (refused.status, refused.body["code"]) == (KEY_REUSED.status, "key_reused"), (request, refused)
        return said

    scene.wire = contradict
    await scene.burst()


@row("webhook told five times")
async def _told_often(scene: Scene) -> None:
    async def pay(load: HardLoad, order: dict[str, Any]) -> None:
        payment_id = await load.start(order)
        event = f"often {order['id']}"
        told = load.captured(order, payment_id, event)
        await load.together(told, *(load.captured(order, payment_id, event) for _time in range(4)))

    await _paid(scene, pay)


@row("webhook before the client's own call")
async def _told_early(scene: Scene) -> None:
    async def pay(load: HardLoad, order: dict[str, Any]) -> None:
        await load.captured(order, f"early-{order['id']}")
        await load.together(load.start(order))

    await _paid(scene, pay)


@row("webhook after expiry")
async def _told_late(scene: Scene) -> None:
    async def pay(load: HardLoad, order: dict[str, Any]) -> None:
        payment_id = await load.start(order)
        await load.elapse()
        await load.captured(order, payment_id)

    await _paid(scene, pay)


@row("webhooks out of order")
async def _told_out_of_order(scene: Scene) -> None:
    async def pay(load: HardLoad, order: dict[str, Any]) -> None:
        payment_id = await load.start(order)
        await load.webhook("refund.succeeded", order_id=order["id"], refund_id="1")
        decline = {"order_id": order["id"], "payment_id": payment_id}
        await load.together(load.captured(order, payment_id), load.webhook("payment.declined", **decline))
        await load.captured(order, payment_id)
        for refund in (await scene.get(f"/v1/orders/{order['id']}/refunds"))["items"]:
            paid_out = {"order_id": order["id"], "refund_id": refund["id"]}
            await load.together(*(load.webhook("refund.succeeded", **paid_out) for _time in range(2)))

    await _paid(scene, pay)


@row("webhook never")
async def _never_told(scene: Scene) -> None:
    async def pay(load: HardLoad, order: dict[str, Any]) -> None:
        await load.start(order)
        await load.elapse()

    await _paid(scene, pay)


async def _paid(scene: Scene, pay: Pay) -> None:
    """Play with payments that come to an engine as `pay` has it, and with one at least."""

    async def one() -> None:
        with contextlib.suppress(Refused):
            await pay(scene.load, await scene.load.place((scene.load.sku(), 1)))

    scene.load.pay = pay
    await asyncio.gather(one(), scene.burst())
    scene.expect_all_answered()


@row("clock set ahead")
async def _clock_ahead(scene: Scene) -> None:
    await _time_goes(scene, HOUR_US)


@row("clock set back")
async def _clock_back(scene: Scene) -> None:
    """Between two runs: a running engine does not look at the clock that can be set."""
    await _killed(scene, is_stored=True)
    await scene.open(scene.it.now_us - HOUR_US)
    await scene.burst()


def cells(rows: Iterable[str]) -> list[Any]:
    return [pytest.param(row, crossing, id=f"{row} x {crossing}") for row in rows for crossing in CROSSINGS]


@contextlib.contextmanager
def fresh(server: PrivatePostgres, name: str) -> Iterator[PostgresDatabase]:
    asyncio.run(admin(server.url, [f"CREATE DATABASE {name}"]))
    yield PostgresDatabase(server.url.replace("/postgres?", f"/{name}?"))
    asyncio.run(admin(server.url, [f"DROP DATABASE {name} WITH (FORCE)"]))


@pytest.fixture(scope="module")
def one_for_all(postgres_server: PrivatePostgres) -> Iterator[PostgresDatabase]:
    """Making a database takes longer than playing a scene."""
    with fresh(postgres_server, "matrix") as database:
        yield database


def play(database: Database, folder: Path, row: str, crossing: str, seed: int) -> Scene:
    """Play one cell of the matrix."""

    async def main() -> Scene:
        scene = Scene(database, folder, crossing, seed)
        await scene.open()
        await ROWS[row](scene)
        await scene.check()
        await scene.it.close()
        return scene

    return asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize(("row", "crossing"), cells(ROWS))
def test_on_sqlite_nothing_acknowledged_is_lost_or_done_twice(
    sqlite_database: SqliteDatabase, tmp_path: Path, row: str, crossing: str
) -> None:
    play(sqlite_database, tmp_path, row, crossing, 1)


@pytest.mark.parametrize(("row", "crossing"), cells(OF_THE_STORE))
def test_on_postgres_nothing_acknowledged_is_lost_or_done_twice(
    one_for_all: PostgresDatabase, tmp_path: Path, row: str, crossing: str
) -> None:
    play(one_for_all, tmp_path, row, crossing, 1)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_in_20_games_of_each_cell_nothing_acknowledged_is_lost_or_done_twice(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    server = request.getfixturevalue("postgres_server") if kind == "postgres" else None
    scenes: list[Scene] = []
    for number, (seed, row) in enumerate(itertools.product(range(_GAMES), ROWS)):
        with contextlib.ExitStack() as stack:  # a new database each time: the audit reads all of it
            database: Database = SqliteDatabase(tmp_path / f"{number}.sqlite3")
            if server is not None:
                database = stack.enter_context(fresh(server, f"matrix_{number}"))
            scenes += [play(database, tmp_path, row, crossing, seed) for crossing in CROSSINGS]
    write_result(
        f"matrix_{kind}",
        {
            "command": f"python -m pytest -m soak tests/engine/test_fault_matrix.py -k {kind}",
            "store": kind,
            "rows": list(ROWS),
            "crossings": list(CROSSINGS),
            "games": len(scenes),
            "requests": sum(len(scene.load.requests) for scene in scenes),
            "acknowledged_before_the_end": sum(scene.acknowledged for scene in scenes),
            "acknowledged_and_missing_or_done_twice": 0,
            "done_and_not_acknowledged": sum(scene.untold for scene in scenes),
            "audits_clean": len(scenes),
        },
    )
