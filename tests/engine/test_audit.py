"""The audit finds what is wrong, names it, and finds nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterable
from typing import Any

import asyncpg

from sim.engine import views
from sim.engine.audit.queries import MEANINGS
from sim.engine.audit.run import LAG_US, MOST_FINDINGS, AuditReport, audit
from sim.engine.calls import Call
from sim.engine.stores.tables import TABLES
from sim.orders.commands import (
    AnswerReturn,
    Confirm,
    Decline,
    IssueRefund,
    PlaceOrder,
    ReceiveReturn,
    RequestCancellation,
    RequestReturn,
    StartPayment,
    Wanted,
)
from sim.orders.entities import ReturnType
from sim.orders.rules import Rules
from tests.engine.databases import Database, SqliteDatabase
from tests.engine.shop import Desk
from tests.orders.shop import DEAL, LAMP, MUG, RUG, SET, TASSE, catalogue

SWEEP_US = 1_000_000
#: For planting only: what a database would refuse by itself.
_UNIQUE = ("payments_2", "events_1")
_KEYED = ", ".join(TABLES["idempotency"].columns)
_NO_CHECKS = """
DO $$ DECLARE it record; BEGIN
  FOR it IN SELECT conrelid::regclass AS place, conname FROM pg_constraint
    WHERE contype = 'c' AND connamespace = 'public'::regnamespace
  LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', it.place, it.conname); END LOOP;
END $$
"""


class Tampered:
    """A store's audit on one connection whose changes nobody else sees and which are undone at the end."""

    def __init__(self, run: Any) -> None:
        self._run = run

    async def select_all(self, queries: Iterable[str]) -> list[list[tuple[Any, ...]]]:
        return [await self._run(query) for query in queries]


@contextlib.asynccontextmanager
async def tampered(database: Database, statements: Iterable[str]) -> AsyncIterator[Any]:
    if isinstance(database, SqliteDatabase):
        with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as file:
            file.execute("PRAGMA ignore_check_constraints = ON")

            async def run(sql: str) -> list[tuple[Any, ...]]:
                return file.execute(sql).fetchall()

            file.execute("BEGIN")
            yield await _tamper(run, statements)
            file.execute("ROLLBACK")
        return
    connection = await asyncpg.connect(database.url)  # type: ignore[attr-defined]
    try:

        async def fetch(sql: str) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.fetch(sql)]

        await fetch("BEGIN")
        await fetch(_NO_CHECKS)
        await fetch("ALTER TABLE idempotency DROP CONSTRAINT idempotency_pkey")
        yield await _tamper(fetch, statements)
        await fetch("ROLLBACK")
    finally:
        await connection.close()


async def _tamper(run: Any, statements: Iterable[str]) -> Tampered:
    for index in _UNIQUE:
        await run(f"DROP INDEX {index}")
    for statement in statements:
        await run(statement)
    return Tampered(run)


async def trade(desk: Desk) -> dict[str, int]:
    """Let some of everything happen; return the orders by what they are for."""
    orders = {"expired": await desk.place((TASSE, 1)), "swept": await desk.paid((RUG, 1))}
    await desk.do(RequestCancellation(orders["swept"], "buyer"))
    desk.now_us += Rules().pay_window_us
    await desk.sweep()
    await desk.capture(orders["expired"])
    orders["delivered"] = await desk.delivered((MUG, 2), (LAMP, 1))
    await desk.do(IssueRefund(orders["delivered"], 100, "GBP"))
    orders["paid"] = await desk.paid((SET, 1), (RUG, 1))
    orders["retried"] = await desk.place((RUG, 1))
    for _attempt in range(2):
        (started,) = await desk.do(StartPayment(orders["retried"]))
        if not _attempt:
            await desk.do(Decline(orders["retried"], started.payment.id))
    await desk.capture(orders["retried"], started.payment.id)
    await desk.do(Confirm(orders["retried"]))
    orders["releasing"] = await desk.paid((LAMP, 1))
    await desk.do(RequestCancellation(orders["releasing"], "buyer"))
    orders["replaced"] = await desk.delivered((MUG, 2))
    (requested,) = await desk.do(RequestReturn(orders["replaced"], ReturnType.REPLACEMENT, ((1, 1),)))
    await desk.do(AnswerReturn(orders["replaced"], requested.request.id, True))
    received, *_ = await desk.do(ReceiveReturn(orders["replaced"], requested.request.id))
    orders["replacement"] = received.request.replacement_id
    await desk.do(RequestCancellation(orders["replacement"], "buyer"))
    orders["unpaid"] = await desk.place((LAMP, 2), buyer="bob", deal=DEAL)
    orders["began_us"] = desk.now_us
    for name in ("keyed", "other"):
        desk.now_us += 1
        command = PlaceOrder(name, (Wanted(TASSE, 1),))
        (reply,) = await desk.executor.execute([Call(command, views.placed, name.encode(), b"same")])
        orders[name] = int(reply.location.rpartition("/")[2])
    return orders


MUTATIONS: dict[str, tuple[list[str], dict[str, str]]] = {
    # S1 cannot be broken alone: it follows from S2 and S3, and is there for those who read only sales.
    "units that never came were sold": (
        [f"DELETE FROM stock_moves WHERE kind = 'initial' AND sku_id = {MUG}"],
        {"S1": str(MUG), "S2": str(MUG)},
    ),
    "a unit appeared": ([f"UPDATE stocks SET on_hand = on_hand + 1 WHERE sku_id = {RUG}"], {"S2": str(RUG)}),
    "units left, and no parcel has them": (
        [f"UPDATE stock_moves SET kind = 'adjusted' WHERE kind = 'shipped' AND sku_id = {MUG}"],
        {"S2": str(MUG)},
    ),
    "a hold that no order has": ([f"UPDATE stocks SET held = held + 1 WHERE sku_id = {LAMP}"], {"S3": str(LAMP)}),
    "a unit was committed twice": (
        [f"UPDATE stocks SET committed = committed + 1 WHERE sku_id = {RUG}"],
        {"S3": str(RUG)},
    ),
    "more is reserved than there is": (
        [
            f"INSERT INTO stock_moves SELECT 99, {LAMP}, 'adjusted', -6, 0, 1",
            f"UPDATE stocks SET on_hand = on_hand - 6 WHERE sku_id = {LAMP}",
        ],
        {"S3": str(LAMP)},
    ),
    "a deal lost count": ([f"UPDATE deals SET used = used + 1 WHERE id = {DEAL}"], {"S4": str(DEAL)}),
    "a deal sold beyond its limit": ([f"UPDATE deals SET quantity_limit = 1 WHERE id = {DEAL}"], {"S4": str(DEAL)}),
    "a deal lost count of a buyer": (["UPDATE deal_buyers SET units = units - 1"], {"S4": str(DEAL)}),
    "a buyer got more than the deal allows": (
        [f"UPDATE deals SET quantity_per_user = 1 WHERE id = {DEAL}"],
        {"S4": str(DEAL)},
    ),
    # Money taken a second time is in no account, so the books break with it.
    "an order was charged twice": (
        ["UPDATE payments SET status = 2 WHERE status = 3 AND order_id = {retried}"],
        {"M1": "{retried}", "M2": "{retried} GBP"},
    ),
    "an order does not know that it was paid": (
        ["UPDATE orders SET captured_minor = 0 WHERE id = {retried}"],
        {"M1": "{retried}", "M2": "{retried}"},
    ),
    "an order asks for more than its lines": (
        ["UPDATE orders SET total_minor = total_minor + 1 WHERE id = {unpaid}"],
        {"M1": "{unpaid}"},
    ),
    "a commission went missing": (
        ["DELETE FROM transfers WHERE order_id = {paid} AND credit = 'platform'"],
        {"M2": "{paid} GBP"},
    ),
    "a shop got another's money": (
        ["UPDATE transfers SET credit = 'merchant:1' WHERE order_id = {retried} AND credit = 'merchant:2'"],
        {"M2": "{retried}"},
    ),
    "a refund that the order does not count": (
        ["UPDATE orders SET refunded_minor = 0 WHERE id = {delivered}"],
        {"M3": "{delivered}"},
    ),
    # What was refunded without a transfer breaks the books as well.
    "more was refunded than paid": (
        ["UPDATE refunds SET amount_minor = 999999 WHERE order_id = {delivered}"],
        {"M3": "{delivered}", "M2": "{delivered} GBP"},
    ),
    "a payment without an order": (
        ["INSERT INTO payments SELECT 99, 999, 1, 5, 'GBP', 'card', '99', 1, 0, ''"],
        {"M4": "999"},
    ),
    # Its units were committed in the stock.
    "a paid order without its units": (
        ["UPDATE order_lines SET phase = 4 WHERE order_id = {retried}"],
        {"M4": "{retried}", "S3": str(RUG)},
    ),
    # Everything that hung on it is left over.
    "an acknowledged order is gone": (
        ["DELETE FROM orders WHERE id = {keyed}"],
        {"O1": "{keyed}", "M4": "{keyed}", "E1": "{keyed}"},
    ),
    "an answer names an order that never was": (
        ["UPDATE idempotency SET location = '/v1/orders/999' WHERE location = '/v1/orders/{keyed}'"],
        {"O1": "999", "O2": "{keyed}"},
    ),
    "an acknowledged cancellation is gone": (
        ["UPDATE idempotency SET location = '/v1/cancellations/999' WHERE location = '/v1/orders/{keyed}'"],
        {"O1": "999", "O2": "{keyed}"},
    ),
    "an acknowledged return is gone": (
        ["UPDATE idempotency SET location = '/v1/returns/999' WHERE location = '/v1/orders/{keyed}'"],
        {"O1": "999", "O2": "{keyed}"},
    ),
    # The answer to the second order took the place of the first one's.
    "a key made two orders": (["DELETE FROM idempotency WHERE location = '/v1/orders/{keyed}'"], {"O2": "{keyed}"}),
    "a key has two answers": (
        [
            f"INSERT INTO idempotency ({_KEYED}) SELECT {_KEYED} FROM idempotency "
            "WHERE location = '/v1/orders/{keyed}'"
        ],
        {"O2": "/v1/orders/{keyed} {keyed}"},
    ),
    "two keys made one order": (
        [
            "UPDATE idempotency SET location = '/v1/orders/{other}', created_us = (SELECT placed_us FROM orders "
            "WHERE id = {other}) WHERE location = '/v1/orders/{keyed}'"
        ],
        {"O2": "{keyed} {other}"},
    ),
    "history has a gap": (
        ["UPDATE events SET from_state = 3 WHERE order_id = {paid} AND type = 'payment.captured'"],
        {"O3": "{paid}"},
    ),
    "an order went a way that is not allowed": (
        [
            "UPDATE events SET to_state = 9 WHERE order_id = {paid} AND type = 'payment.started'",
            "UPDATE events SET from_state = 9 WHERE order_id = {paid} AND type = 'payment.captured'",
        ],
        {"O3": "{paid}"},
    ),
    "an order is where no event took it": (
        ["UPDATE orders SET state = 2 WHERE id = {retried}"],
        {"O3": "{retried}"},
    ),
    # The money stays in the suspense account.
    "money that came too late was kept": (
        [
            "DELETE FROM transfers WHERE order_id = {expired} AND credit = 'buyers'",
            "DELETE FROM refunds WHERE order_id = {expired}",
        ],
        {"O4": "{expired}", "M2": "{expired}"},
    ),
    "the money of a cancelled order was kept": (
        [
            "DELETE FROM transfers WHERE order_id = {swept} AND credit = 'buyers'",
            "DELETE FROM refunds WHERE order_id = {swept}",
            "UPDATE orders SET refunded_minor = 0 WHERE id = {swept}",
        ],
        {"O4": "{swept}"},
    ),
    "the money of goods that were not replaced was kept": (
        [
            "DELETE FROM transfers WHERE order_id = {replaced} AND credit = 'buyers'",
            "DELETE FROM refunds WHERE order_id = {replaced}",
            "UPDATE orders SET refunded_minor = 0 WHERE id = {replaced}",
        ],
        {"O4": "{replaced}"},
    ),
    "a replacement of an order that is not there": (
        ["UPDATE orders SET replaces_id = 999 WHERE id = {replacement}"],
        {"O4": "999"},
    ),
    "an event was lost": (
        ["DELETE FROM events WHERE order_id = {paid} AND type = 'payment.started'"],
        {"E1": "feed {paid}"},
    ),
    # The second does not start where the first ended.
    "an event came twice": (
        ["INSERT INTO events SELECT seq + 1000000, order_id, order_seq, type, at_us, from_state, to_state, data "
         "FROM events WHERE order_id = {paid} AND type = 'payment.captured'"],
        {"E1": "feed {paid}", "O3": "{paid}"},
    ),
    "an order without a history": (["DELETE FROM events WHERE order_id = {unpaid}"], {"E1": "feed {unpaid}"}),
    "an event that is no order's was lost": (
        ["UPDATE events SET seq = seq + 1 WHERE seq = (SELECT MAX(seq) FROM events)"],
        {"E1": "feed"},
    ),
    "an event of no order": (
        ["INSERT INTO events SELECT 1000000, 999, 1, 'order.placed', 1, 0, 1, '{{}}'"],
        {"E1": "999 feed"},
    ),
    "an order was never swept": (["UPDATE orders SET pay_by_us = 1 WHERE id = {unpaid}"], {"T1": "{unpaid}"}),
    "units were never given back": (["UPDATE orders SET closed_us = 1 WHERE id = {releasing}"], {"T1": "{releasing}"}),
}  # fmt: skip


def broken(report: AuditReport) -> dict[str, str]:
    """What does not hold, with the ids found."""
    return {
        name: " ".join(sorted({finding.id for finding in invariant.findings}))
        for name, invariant in report.broken().items()
    }


def test_the_audit_names_each_planted_violation_with_its_ids_and_nothing_else(database: Database) -> None:
    async def check() -> None:
        async with database.opened() as store:
            desk = await Desk.open(store)
            orders = await trade(desk)
            since_us = orders.pop("began_us")
            assert broken(await audit(store, desk.now_us, SWEEP_US, keyed_since_us=since_us)) == {}
        for name, (statements, expected) in MUTATIONS.items():
            named = [statement.format(**orders) for statement in statements]
            async with tampered(database, named) as copy:
                report = await audit(copy, desk.now_us, SWEEP_US, keyed_since_us=since_us)
            found = {key: sorted(ids.split()) for key, ids in broken(report).items()}
            assert found == {key: sorted(ids.format(**orders).split()) for key, ids in expected.items()}, name
            assert not report.clean, name

    asyncio.run(check())


def test_every_invariant_has_a_planted_violation_and_a_meaning() -> None:
    planted = {name for _statements, expected in MUTATIONS.values() for name in expected}
    assert planted == set(MEANINGS)


def test_a_store_in_which_everything_has_happened_is_clean_and_everything_was_looked_at(database: Database) -> None:
    async def check() -> AuditReport:
        async with database.opened() as store:
            desk = await Desk.open(store)
            await trade(desk)
            return await audit(store, desk.now_us, SWEEP_US)

    report = asyncio.run(check())
    assert report.clean
    assert [invariant.name for invariant in report.invariants] == list(MEANINGS)
    assert all(invariant.checked for invariant in report.invariants)


def test_the_audit_says_what_everything_adds_up_to(database: Database) -> None:
    async def check() -> AuditReport:
        async with database.opened() as store:
            desk = await Desk.open(store)
            await desk.paid((RUG, 2))
            delivered = await desk.delivered((MUG, 2))
            await desk.do(IssueRefund(delivered, 100, "GBP"))
            await desk.place((LAMP, 1))
            return await audit(store, desk.now_us, SWEEP_US)

    found = asyncio.run(check()).sums
    units, (money,) = found.units, found.money
    assert found.orders == {"UNPAID": 1, "ON_HOLD": 1, "DELIVERED": 1}
    assert (units.shipped, units.held, units.committed, units.releasing) == (2, 1, 2, 0)
    world = catalogue()
    assert units.put_in == sum(stock.on_hand for stock in world.stocks.values())
    assert units.on_hand == units.put_in - units.shipped
    captured = 2 * world.skus[RUG].price_minor + 2 * world.skus[MUG].price_minor
    assert (money.currency, money.captured, money.refunded, money.refunds_pending) == (
        "GBP",
        str(captured),
        "100",
        "100",
    )
    assert int(money.shops) + int(money.platform) == captured - 100
    assert money.suspense == "0"


def test_an_empty_store_is_clean(database: Database) -> None:
    async def check() -> AuditReport:
        async with database.opened() as store:
            return await audit(store, 1, SWEEP_US)

    assert asyncio.run(check()).clean


def test_all_violations_are_counted_and_the_first_are_told(database: Database) -> None:
    async def check() -> AuditReport:
        async with database.opened() as store:
            desk = await Desk.open(store)
            await desk.group(*(PlaceOrder("ann", (Wanted(MUG, 1),)) for _ in range(12)))
            rows = "SELECT {} + id, 999 + id, 1, 5, 'GBP', 'card', '', 1, 0, '' FROM orders"
            many = [f"INSERT INTO payments {rows.format(number * 1000)}" for number in range(1, 10)]
        async with tampered(database, many) as copy:
            return await audit(copy, desk.now_us, SWEEP_US)

    (found,) = asyncio.run(check()).broken().values()
    assert (found.name, found.violations, len(found.findings)) == ("M4", 108, MOST_FINDINGS)


def test_an_order_is_late_only_after_two_sweeps_and_the_machine_s_lag(database: Database) -> None:
    async def check() -> list[bool]:
        async with database.opened() as store:
            desk = await Desk.open(store)
            await desk.place()
            late_us = desk.now_us + Rules().pay_window_us + 2 * SWEEP_US + LAG_US
            return [(await audit(store, late_us + more, SWEEP_US)).clean for more in (0, 1)]

    assert asyncio.run(check()) == [True, False]
