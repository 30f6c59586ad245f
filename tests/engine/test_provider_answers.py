"""What a provider says of money, in its answer or by its webhook: taken at its word, or not understood."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from aiohttp import web

from sim.engine import views
from sim.engine.audit.run import audit
from sim.engine.calls import Call, Reply
from sim.engine.paying import payments
from sim.engine.paying.payments import PaymentDriver
from sim.engine.paying.provider import Charge, Outcome, Payback, Status
from sim.engine.paying.provider_http import Provider
from sim.errors import Defect
from sim.orders.commands import Capture, RequestCancellation, StartPayment
from sim.orders.entities import PaymentStatus, RefundStatus
from sim.orders.states import State
from tests.engine.databases import Database, SqliteDatabase
from tests.engine.rig import PRICE_MINOR, Desk, opened, run

OURS = {"status": "captured", "amount": str(PRICE_MINOR), "currency": "GBP"}


class Saying:
    """A provider whose every answer is the one that is set."""

    def __init__(self) -> None:
        self.answer: Any = OURS

    async def open(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._say)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.provider = Provider(f"http://127.0.0.1:{self._runner.addresses[0][1]}")

    async def close(self) -> None:
        await self.provider.close()
        await self._runner.cleanup()

    async def _say(self, _request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self.answer))


async def pay(desk: Desk, provider: Any, order_id: int, key: bytes = b"key") -> Reply:
    driver = PaymentDriver(desk.writer, desk.store, provider, desk.clock)
    try:
        return await payments.pay(desk.writer, driver, StartPayment(order_id), key, b"body")
    finally:
        await driver.close()


def code(reply: Reply) -> str:
    return str(msgspec.json.decode(reply.body)["code"])


_REFUNDED = "(in minor units), which is refunded"


def detail(reply: Reply) -> str:
    return str(msgspec.json.decode(reply.body)["detail"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "9" * 20},
        {"amount": "9" * 5000},
        {"amount": "10.00"},
        {"amount": "-5"},
        {"amount": ""},
        {"amount": PRICE_MINOR},
        {"currency": "U\0D"},
        {"currency": "dollars"},
        {"currency": ""},
    ],
    ids=lambda wrong: "{}={:.8}".format(*next((name, str(value)) for name, value in wrong.items())),
)
def test_an_answer_with_what_is_no_amount_or_currency_is_not_understood(wrong: dict[str, Any]) -> None:
    async def main() -> None:
        saying = Saying()
        async with opened(saying):
            saying.answer = OURS | wrong
            outcome = await saying.provider.charge(Charge(1, 2, PRICE_MINOR, "GBP", "card"))
            assert (outcome.status, outcome.failure[:12]) == (Status.UNKNOWN, "answered 200")

    run(main())


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.PENDING, Status.DECLINED])
def test_amounts_are_as_the_provider_likes_where_nothing_was_taken(status: Status) -> None:
    async def main() -> None:
        async with opened(saying):
            for said in ({"amount": "10.00", "currency": "usd"}, {"amount": 1000}, {"amount": {"value": 1}}):
                saying.answer = {"status": status} | said
                assert await saying.provider.refund(Payback(1, "2", 3, "GBP")) == Outcome(status)

    saying = Saying()
    run(main())


async def ask_again(driver: PaymentDriver) -> None:
    """Let the reconciler ask about all that is open, due or not."""
    for known in (driver.reconciler._payments, driver.reconciler._refunds):
        known._waiting = [(0, subject, pause_us) for _, subject, pause_us in known._waiting]
    await driver.reconciler.look_up_payments()
    await driver.reconciler.send_refunds()


@pytest.mark.parametrize(
    ("paid", "said"),
    [
        (False, {"status": "captured", "amount": "12.90"}),
        (False, {"status": "succeeded"}),
        (False, {"state": "captured"}),
        (True, {"status": "paid out"}),
        (True, {"status": "captured", "amount": str(PRICE_MINOR), "currency": "GBP"}),
        (True, {"status": "declined", "failure": "card_closed"}),
    ],
)
def test_the_log_tells_once_what_was_not_understood(
    sqlite_database: SqliteDatabase, caplog: pytest.LogCaptureFixture, paid: bool, said: dict[str, str]
) -> None:
    async def main() -> None:
        async with opened(desk, saying):
            driver = PaymentDriver(desk.writer, desk.store, saying.provider, desk.clock, patience_us=0)
            order_id = await desk.place()
            if paid:
                assert (await pay(desk, saying.provider, order_id)).status == 201
                await desk.ask(RequestCancellation(order_id, "buyer"))
            else:
                await desk.ask(StartPayment(order_id), views.payment_reply)
            saying.answer = said
            for _ in range(3):
                await ask_again(driver)
            (told,) = caplog.messages
            assert f"of order {order_id}" in told
            assert told.endswith(f"says: {said['failure']}") if "failure" in said else "says: " in told
            saying.answer = {"status": "succeeded"} if paid else OURS
            await ask_again(driver)
            case = await desk.case(order_id)
            assert [refund.status for refund in case.refunds] == [RefundStatus.SUCCEEDED] * paid
            assert case.order.state == (State.CANCELLED if paid else State.ON_HOLD)
            assert len(caplog.messages) == 1

    desk, saying = Desk(sqlite_database), Saying()
    run(main())


def test_a_refund_of_nothing_that_an_earlier_version_made_is_settled_without_the_provider(database: Database) -> None:
    async def main() -> None:
        desk, saying = Desk(database), Saying()
        async with opened(desk, saying):
            order_id = await desk.place()
            assert (await pay(desk, saying.provider, order_id)).status == 201
            await desk.ask(RequestCancellation(order_id, "buyer"))
        await database.run("UPDATE refunds SET amount_minor = 0 RETURNING id")
        desk = Desk(database)
        async with opened(desk):
            nobody: Any = None
            await PaymentDriver(desk.writer, desk.store, nobody, desk.clock).reconciler.send_refunds()
            assert [refund.status for refund in (await desk.case(order_id)).refunds] == [RefundStatus.SUCCEEDED]

    run(main())


def test_an_amount_that_is_not_said_is_ours_and_nothing_is_nothing(database: Database) -> None:
    async def main() -> None:
        desk, saying = Desk(database), Saying()
        async with opened(desk, saying):
            saying.answer = {"status": "captured"}
            assert (await pay(desk, saying.provider, await desk.place(), b"ours")).status == 201
            order_id = await desk.place()
            saying.answer = OURS | {"amount": "0"}
            reply = await pay(desk, saying.provider, order_id)
            assert (reply.status, code(reply)) == (402, "payment_declined")
            assert detail(reply) == f"The provider took nothing. The order costs {PRICE_MINOR} GBP."
            case = await desk.case(order_id)
            assert (case.order.state, case.refunds) == (State.UNPAID, ()), "nothing is to be given back"
            assert case.payments[0].status == PaymentStatus.RETURNED
            assert not (await audit(desk.store, desk.clock())).broken().keys() & {"M1", "M2", "M3", "M4", "O4"}
            saying.answer = OURS
            assert (await pay(desk, saying.provider, order_id, b"again")).status == 201

    run(main())


@pytest.mark.parametrize(
    ("meanwhile", "said", "expected", "told"),
    [
        ("nothing", {"currency": "USD"}, (402, "payment_declined"), f"USD {_REFUNDED}. The order costs "),
        ("paid", {}, (409, "already_paid"), f"GBP {_REFUNDED}. The order is paid."),
        ("expired", {}, (409, "order_cancelled"), f"GBP {_REFUNDED}. The order is cancelled."),
    ],
)
def test_money_that_goes_back_is_told_by_how_its_order_stands(
    database: Database, meanwhile: str, said: dict[str, str], expected: tuple[int, str], told: str
) -> None:
    order_id = 0

    class Waiting(Saying):
        async def _say(self, request: web.Request) -> web.Response:
            if meanwhile == "paid":
                await desk.ask(Capture(order_id, 0, PRICE_MINOR, "GBP", "another"))
            elif meanwhile == "expired":
                await desk.expire(order_id)
            return await super()._say(request)

    async def main() -> None:
        nonlocal order_id
        async with opened(desk, saying):
            order_id = await desk.place()
            saying.answer = OURS | said
            reply = await pay(desk, saying.provider, order_id)
            assert (reply.status, code(reply)) == expected
            assert told in detail(reply)
            assert (await desk.case(order_id)).refunds[0].amount_minor == PRICE_MINOR

    desk, saying = Desk(database), Waiting()
    run(main())


def test_an_engine_without_a_provider_answers_a_key_that_one_with_a_provider_has_left_running(
    database: Database,
) -> None:
    async def main() -> None:
        desk = Desk(database)
        async with opened(desk):
            order_id = await desk.place()
            call = Call(StartPayment(order_id), views.payment_reply, b"key", b"body", pending=True)
            assert (await desk.writer.submit(call)).status == 202
            first = await payments.pay(desk.writer, None, StartPayment(order_id), b"key", b"body")
            assert (first.status, msgspec.json.decode(first.body)["status"]) == (202, "PENDING")
            again = await payments.pay(desk.writer, None, StartPayment(order_id), b"key", b"body")
            assert (again.status, again.body, again.replayed) == (202, first.body, True)

    run(main())


def test_a_sum_that_is_beyond_sqlite_is_said_to_be_that_and_not_that_the_database_is_away(
    sqlite_database: SqliteDatabase,
) -> None:
    async def main() -> None:
        async with sqlite_database.opened() as store:
            with pytest.raises(Defect, match="beyond 64 bits"):
                await store.select_all([f"SELECT SUM(n) FROM (SELECT {2**62} AS n UNION ALL SELECT {2**62})"])

    asyncio.run(main())
