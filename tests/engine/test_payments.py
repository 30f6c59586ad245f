"""Payments with everything that may go wrong between the engine and its provider: in the end each is taken once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from sim.engine import views
from sim.engine.calls import Call
from sim.engine.paying.payments import AnswerPending, ProviderEvent, webhook_command
from sim.engine.paying.provider import Charge, Outcome, Payback, Status
from sim.engine.paying.provider_http import Provider
from sim.engine.problems import KEY_IN_USE
from sim.engine.psp.behaviour import Behaviour
from sim.orders.commands import Capture, Decline, Elapse, RequestCancellation, SettleRefund, StartPayment
from sim.orders.entities import PaymentStatus, RefundStatus
from sim.orders.states import State
from tests.engine.databases import Database
from tests.engine.rig import PRICE_MINOR, Desk, Listener, Till, opened, run, until

ONE = {"GBP": str(PRICE_MINOR)}


@asynccontextmanager
async def shop(database: Database, *, tries: int = 2, **settings: Any) -> AsyncIterator[tuple[Desk, Till]]:
    desk = Desk(database)
    till = Till(desk, Behaviour(**settings), tries=tries)
    async with opened(desk, till):
        yield desk, till


async def expect_paid_once(desk: Desk, till: Till, order_id: int) -> None:
    """The order is paid, and the provider, the payments and the double entry say that it was once."""
    case = await desk.case(order_id)
    assert case.order.state == State.ON_HOLD
    assert case.order.captured_minor == PRICE_MINOR
    assert [one.status for one in case.payments].count(PaymentStatus.CAPTURED) == 1
    assert (await till.ledger())["captured"] == ONE
    assert (await till.ledger())["refunded"] == {}
    rows = await desk.store.select("SELECT SUM(amount_minor) FROM transfers WHERE order_id = ?", (order_id,))
    assert rows == [(PRICE_MINOR,)]


async def expect_given_back(desk: Desk, till: Till, order_id: int) -> None:
    """The order is cancelled, and what was taken for it goes back, at the provider too, which may tell it later."""
    case = await desk.case(order_id)
    while any(refund.status == RefundStatus.PENDING for refund in case.refunds):
        await asyncio.sleep(0.005)
        case = await desk.case(order_id)
    assert case.order.state == State.CANCELLED
    assert [refund.status for refund in case.refunds] == [RefundStatus.SUCCEEDED]
    assert (await till.ledger())["refunded"] == ONE == (await till.ledger())["captured"]
    rows = await desk.store.select(
        "SELECT SUM(CASE debit WHEN 'buyers' THEN amount_minor ELSE 0 END), "
        "SUM(CASE credit WHEN 'buyers' THEN amount_minor ELSE 0 END) FROM transfers WHERE order_id = ?",
        (order_id,),
    )
    assert rows == [(PRICE_MINOR, PRICE_MINOR)]


def test_a_payment_is_captured_and_its_key_repeats_the_answer(database: Database) -> None:
    async def main() -> None:
        async with shop(database) as (desk, till):
            order_id = await desk.place()
            reply = await till.pay(order_id)
            assert reply.status == 201
            again = await till.pay(order_id)
            assert (again.status, again.body, again.replayed) == (201, reply.body, True)
            await until(lambda: len(till.heard) == 1)
            await expect_paid_once(desk, till, order_id)

    run(main())


def test_a_declined_payment_keeps_the_hold_and_another_attempt_is_captured(database: Database) -> None:
    async def main() -> None:
        async with shop(database, decline_share=1) as (desk, till):
            order_id = await desk.place()
            assert (await till.pay(order_id, b"first")).status == 402
            assert await desk.state(order_id) == State.UNPAID
            till.psp.behave()
            assert (await till.pay(order_id, b"second")).status == 201
            assert (await till.pay(order_id, b"first")).status == 402
            await expect_paid_once(desk, till, order_id)

    run(main())


def test_a_payment_that_is_pending_is_captured_by_the_webhook(database: Database) -> None:
    async def main() -> None:
        async with shop(database, answers="async") as (desk, till):
            till.gate.clear()
            order_id = await desk.place()
            reply = await till.pay(order_id)
            assert reply.status == 202
            assert msgspec.json.decode(reply.body)["status"] == "PENDING"
            assert await desk.state(order_id) == State.UNPAID
            till.gate.set()
            await until(lambda: len(till.heard) == 1)
            await expect_paid_once(desk, till, order_id)
            assert (await till.pay(order_id)).body == reply.body  # a key keeps its answer

    run(main())


def test_a_webhook_that_overtakes_the_answer_captures_once(database: Database) -> None:
    async def main() -> None:
        async with shop(database) as (desk, till):
            order_id = await desk.place()
            real = till.provider.charge

            async def slowly(charge: Charge) -> Any:
                outcome = await real(charge)
                await until(lambda: bool(till.heard))
                return outcome

            till.provider.charge = slowly  # type: ignore[method-assign]
            assert (await till.pay(order_id)).status == 201
            assert b'"changed":true' in till.heard[0][1]
            await expect_paid_once(desk, till, order_id)

    run(main())


def test_webhooks_sent_several_times_act_once(database: Database) -> None:
    async def main() -> None:
        async with shop(database, answers="async", duplicate_share=1, duplicates=5) as (desk, till):
            order_id = await desk.place()
            await till.pay(order_id)
            await until(lambda: len(till.heard) == 6)
            assert Counter(b'"changed":true' in body for _, body in till.heard) == {True: 1, False: 5}
            await expect_paid_once(desk, till, order_id)

    run(main())


def test_webhooks_in_any_order_bring_every_order_to_its_end(database: Database) -> None:
    async def main() -> None:
        settings: dict[str, Any] = {
            "reorder_share": 0.5,
            "duplicate_share": 0.5,
            "reorder_ms": 50,
            "late_share": 0.3,
            "late_ms": 40,
        }
        async with shop(database, answers="async", **settings) as (desk, till):
            order_ids = [await desk.place() for _ in range(12)]
            for number, order_id in enumerate(order_ids):
                await till.pay(order_id, b"%d" % number)

            async def all_paid() -> bool:
                return all([await desk.state(order_id) == State.ON_HOLD for order_id in order_ids])

            await until(all_paid)
            assert (await till.ledger())["captured"] == {"GBP": str(12 * PRICE_MINOR)}

    run(main())


def test_a_payment_that_comes_after_the_order_has_expired_is_refunded(database: Database) -> None:
    async def main() -> None:
        async with shop(database, answers="async") as (desk, till):
            till.gate.clear()
            order_id = await desk.place()
            assert (await till.pay(order_id)).status == 202
            await desk.expire(order_id)
            assert await desk.state(order_id) == State.CANCELLED
            till.gate.set()
            await until(lambda: bool(till.heard))
            await till.reconcile()
            await expect_given_back(desk, till, order_id)

    run(main())


def test_a_refund_webhook_that_overtakes_the_capture_does_no_harm(database: Database) -> None:
    async def main() -> None:
        async with shop(database, answers="async", reorder_share=1, reorder_ms=60_000) as (desk, till):
            order_id = await desk.place()
            assert (await till.pay(order_id)).status == 202
            await till.reconcile()  # finds the capture, whose webhook is held back
            await desk.ask(RequestCancellation(order_id, "buyer"))
            till.psp.behave(answers="async")
            await till.reconcile()
            await until(lambda: len(till.heard) == 2)
            assert [event_id.rpartition("-")[2] for event_id, _ in till.heard] == [
                "refund.succeeded",
                "payment.captured",
            ]
            await expect_given_back(desk, till, order_id)

    run(main())


def test_a_lost_webhook_is_found_by_the_reconciler(database: Database) -> None:
    async def main() -> None:
        async with shop(database, answers="async", lost_share=1) as (desk, till):
            order_id = await desk.place()
            await till.pay(order_id)
            assert await desk.state(order_id) == State.UNPAID
            await till.reconcile()
            await expect_paid_once(desk, till, order_id)
            assert not till.heard

    run(main())


def test_a_declined_payment_whose_webhook_is_lost_is_found_too(database: Database) -> None:
    async def main() -> None:
        async with shop(database, answers="async", lost_share=1, decline_share=1) as (desk, till):
            order_id = await desk.place()
            await till.pay(order_id)
            await till.reconcile()
            (payment,) = (await desk.case(order_id)).payments
            assert payment.status == PaymentStatus.DECLINED

    run(main())


def test_the_reconciler_works_by_itself(database: Database) -> None:
    async def main() -> None:
        async with shop(database, answers="async", lost_share=1) as (desk, till):
            order_id = await desk.place()
            await till.pay(order_id)
            till.driver.start()
            await until(lambda: desk_state_is(desk, order_id, State.ON_HOLD))
            await desk.ask(RequestCancellation(order_id, "buyer"))
            await until(lambda: refunds_are_settled(desk, order_id))
            await expect_given_back(desk, till, order_id)

    run(main())


async def desk_state_is(desk: Desk, order_id: int, state: State) -> bool:
    return await desk.state(order_id) == state


async def refunds_are_settled(desk: Desk, order_id: int) -> bool:
    return all(refund.status == RefundStatus.SUCCEEDED for refund in (await desk.case(order_id)).refunds)


@pytest.mark.parametrize(("answers", "status"), [("sync", 201), ("async", 202)])
def test_what_the_provider_has_answered_is_taken_however_many_calls_wait(
    database: Database, answers: str, status: int
) -> None:
    async def main() -> None:
        async with shop(database, answers=answers, lost_share=1) as (desk, till):
            order_id = await desk.place()
            real = till.provider.charge

            async def charge(charge: Charge) -> Any:
                outcome = await real(charge)
                desk.writer._bound = 0
                return outcome

            till.provider.charge = charge  # type: ignore[method-assign]
            assert (await till.pay(order_id)).status == status
            assert (await desk.ask(Elapse(order_id))).status == 503
            await till.reconcile()
            desk.writer._bound = 1
            await expect_paid_once(desk, till, order_id)

    run(main())


def test_a_dropped_answer_is_asked_for_again_and_charged_once(database: Database) -> None:
    async def main() -> None:
        async with shop(database, drop_answer_share=1, lost_share=1) as (desk, till):
            order_id = await desk.place()
            assert (await till.pay(order_id)).status == 201
            await expect_paid_once(desk, till, order_id)

    run(main())


def test_a_dropped_answer_that_stays_unknown_is_pending_until_it_is_looked_up(database: Database) -> None:
    async def main() -> None:
        async with shop(database, tries=1, drop_answer_share=1, lost_share=1) as (desk, till):
            order_id = await desk.place()
            assert (await till.pay(order_id)).status == 202
            assert (await till.ledger())["captured"] == ONE
            await till.reconcile()
            await expect_paid_once(desk, till, order_id)

    run(main())


def test_while_the_provider_is_down_a_payment_stays_pending_and_is_declined_when_it_is_back(database: Database) -> None:
    async def main() -> None:
        async with shop(database) as (desk, till):
            order_id = await desk.place()
            await till.psp.close()
            assert (await till.pay(order_id, b"first")).status == 202
            await till.reconcile()
            assert (await desk.case(order_id)).payments[0].status == PaymentStatus.PENDING
            await till.psp.open()
            await till.reconcile()
            (payment,) = (await desk.case(order_id)).payments
            assert (payment.status, payment.failure) == (PaymentStatus.DECLINED, "not_attempted")
            assert (await till.pay(order_id, b"second")).status == 201
            await expect_paid_once(desk, till, order_id)

    run(main())


def test_after_the_engine_died_before_the_charge_a_retry_of_the_key_charges_once(database: Database) -> None:
    async def main() -> None:
        desk = Desk(database)
        async with opened(desk):
            order_id = await desk.place()
            call = Call(StartPayment(order_id), views.payment_reply, b"key", b"same body", pending=True)
            assert (await desk.writer.submit(call)).status == 202
        async with shop(database) as (desk, till):
            assert (await till.pay(order_id)).status == 201
            assert (await till.pay(order_id)).replayed
            await expect_paid_once(desk, till, order_id)

    run(main())


def test_after_the_engine_died_behind_the_charge_a_retry_of_the_key_finds_it(database: Database) -> None:
    async def main() -> None:
        async with shop(database, lost_share=1) as (desk, till):
            order_id = await desk.place()
            call = Call(StartPayment(order_id), views.payment_reply, b"key", b"same body", pending=True)
            payment_id = (await desk.writer.submit(call)).subject
            await till.provider.charge(Charge(payment_id, order_id, PRICE_MINOR, "GBP", "card"))
            assert (await till.pay(order_id)).status == 201
            await expect_paid_once(desk, till, order_id)

    run(main())


def test_a_retry_after_the_reconciler_has_decided_is_told_so_without_a_new_charge(database: Database) -> None:
    async def main() -> None:
        async with shop(database) as (desk, till):
            order_id = await desk.place()
            call = Call(StartPayment(order_id), views.payment_reply, b"key", b"same body", pending=True)
            await desk.writer.submit(call)
            await till.reconcile()
            assert (await till.pay(order_id)).status == 402
            assert (await till.ledger())["charges"] == []

    run(main())


def test_a_key_is_in_use_while_its_payment_is_driven(database: Database) -> None:
    async def main() -> None:
        async with shop(database, latency_ms=200) as (desk, till):
            order_id = await desk.place()
            replies = await asyncio.gather(*(till.pay(order_id) for _ in range(8)))
            assert Counter(reply.status for reply in replies) == {201: 1, 409: 7}
            assert (await till.pay(order_id)).status == 201
            await expect_paid_once(desk, till, order_id)

    run(main())


def test_of_eight_payments_of_one_order_at_once_one_is_captured(database: Database) -> None:
    async def main() -> None:
        async with shop(database, latency_ms=20) as (desk, till):
            order_id = await desk.place()
            replies = await asyncio.gather(*(till.pay(order_id, b"%d" % number) for number in range(8)))
            assert Counter(reply.status for reply in replies) == {201: 1, 409: 7}
            await expect_paid_once(desk, till, order_id)

    run(main())


def test_a_caller_that_goes_away_does_not_end_the_payment(database: Database) -> None:
    async def main() -> None:
        async with shop(database, latency_ms=50, lost_share=1) as (desk, till):
            order_id = await desk.place()
            paying = asyncio.create_task(till.pay(order_id))
            await until(lambda: bool(till.driver._running))
            paying.cancel()
            await until(lambda: desk_state_is(desk, order_id, State.ON_HOLD))
            await expect_paid_once(desk, till, order_id)

    run(main())


def test_a_payment_that_is_driven_is_left_alone_by_others(database: Database) -> None:
    async def main() -> None:
        async with shop(database) as (desk, till):
            order_id = await desk.place()
            may_ask = asyncio.Event()
            real = till.provider.charge

            async def held_up(charge: Charge) -> Any:
                await may_ask.wait()
                return await real(charge)

            till.provider.charge = held_up  # type: ignore[method-assign]
            paying = asyncio.create_task(till.pay(order_id))
            await until(lambda: bool(till.driver._running))
            await till.reconcile()  # the provider has not heard of it yet
            (payment,) = (await desk.case(order_id)).payments
            assert payment.status == PaymentStatus.PENDING
            assert await till.driver.drive(payment.id) == KEY_IN_USE
            may_ask.set()
            assert (await paying).status == 201

    run(main())


def test_refunds_wait_for_a_provider_that_is_down_and_are_paid_out_once(database: Database) -> None:
    async def main() -> None:
        async with shop(database, answers="async", lost_share=1) as (desk, till):
            order_id = await desk.place()
            await till.pay(order_id)
            await till.reconcile()
            await desk.ask(RequestCancellation(order_id, "buyer"))
            provider = till.provider
            till.driver.reconciler._provider = nobody = Provider("http://127.0.0.1:9")
            await till.reconcile()
            assert [refund.status for refund in (await desk.case(order_id)).refunds] == [RefundStatus.PENDING]
            await nobody.close()
            till.driver.reconciler._provider = provider
            for _ in range(3):  # the first is answered with pending, and no webhook comes
                await till.reconcile()
            await expect_given_back(desk, till, order_id)
            assert len((await till.ledger())["refunds"]) == 1

    run(main())


def test_many_open_payments_are_looked_up_in_pages(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr("sim.engine.paying.reconciler.PAGE", 3)
        async with shop(database, answers="async", lost_share=1) as (desk, till):
            order_ids = [await desk.place() for _ in range(10)]
            for number, order_id in enumerate(order_ids):
                await till.pay(order_id, b"%d" % number)
            await till.reconcile()
            assert [await desk.state(order_id) for order_id in order_ids] == [State.ON_HOLD] * 10
            for order_id in order_ids:
                await desk.ask(RequestCancellation(order_id, "buyer"))
            await till.reconcile()
            await till.reconcile()
            assert len((await till.ledger())["refunds"]) == 10

    run(main())


def test_what_stays_open_is_asked_about_less_and_less_often(database: Database) -> None:
    async def main() -> None:
        async with shop(database) as (desk, till):
            order_id = await desk.place()
            await desk.ask(StartPayment(order_id), views.payment_reply)
            asked: list[int] = []

            async def unsure(_charge_id: str) -> Any:
                asked.append(round(desk.ahead_us / 1e6))
                return Outcome(Status.UNKNOWN)

            till.provider.look = unsure  # type: ignore[method-assign, assignment]
            for _ in range(40):
                await till.driver.reconciler.look_up_payments()
                desk.ahead_us += 1_000_000
            assert asked == [0, 1, 3, 7, 15, 31]

    run(main())


def test_a_provider_that_is_away_is_asked_about_one_thing_at_a_time_and_then_about_all(database: Database) -> None:
    async def main() -> None:
        async with shop(database, answers="async", lost_share=1) as (desk, till):
            order_ids = [await desk.place() for _ in range(10)]
            for number, order_id in enumerate(order_ids):
                await till.pay(order_id, b"%d" % number)
            look, asked = till.provider.look, 0

            async def away(_charge_id: str) -> Any:
                nonlocal asked
                asked += 1
                return Outcome(Status.UNKNOWN)

            till.provider.look = away  # type: ignore[method-assign, assignment]
            await till.driver.reconciler.look_up_payments()
            desk.ahead_us += 1_000_000
            asked = 0
            for _ in range(3):
                await till.driver.reconciler.look_up_payments()
            assert asked == 3
            till.provider.look = look  # type: ignore[method-assign]
            await till.reconcile()
            assert [await desk.state(order_id) for order_id in order_ids] == [State.ON_HOLD] * 10

    run(main())


def test_what_is_open_is_not_read_again_while_it_is_not_due(database: Database) -> None:
    async def main() -> None:
        async with shop(database) as (desk, till):
            await desk.ask(StartPayment(await desk.place()), views.payment_reply)

            async def unsure(_charge_id: str) -> Any:
                return Outcome(Status.UNKNOWN)

            till.provider.look = unsure  # type: ignore[method-assign, assignment]
            await till.driver.reconciler.look_up_payments()
            read: list[int] = []
            select = desk.store.select

            async def counted(sql: str, parameters: Any = ()) -> Any:
                rows = await select(sql, parameters)
                read.append(len(rows))
                return rows

            desk.store.select = counted  # type: ignore[method-assign]
            for _ in range(5):
                await till.driver.reconciler.look_up_payments()
            assert read == [0] * 5

    run(main())


def test_an_answer_that_makes_no_sense_is_unknown_and_never_a_decline() -> None:
    async def main() -> None:
        answers = iter([500, 503, 404, 200, 409, 302])
        calls: list[int] = []

        async def hear(_request: Any) -> int:
            calls.append(next(answers))
            return calls[-1]

        listener = Listener(hear)
        async with opened(listener):
            provider = Provider(listener.url)
            for _ in range(6):
                assert (await provider.charge(Charge(1, 2, 3, "GBP", "card"))).status == Status.UNKNOWN
            assert calls == [500, 503, 404, 200, 409, 302]
            await provider.close()

    run(main())


def test_a_provider_that_hangs_is_unknown() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def hear(_request: Any) -> int:
            await gate.wait()
            return 200

        listener = Listener(hear)
        async with opened(listener):
            provider = Provider(listener.url, timeout_s=0.05)
            assert (await provider.refund(Payback(1, "2", 3, "GBP"))).status == Status.UNKNOWN
            assert (await provider.look("1")).status == Status.UNKNOWN
            gate.set()
            await provider.close()

    run(main())


def test_an_open_payment_can_be_told_without_changing_it(database: Database) -> None:
    async def main() -> None:
        desk = Desk(database)
        async with opened(desk):
            order_id = await desk.place()
            payment_id = (await desk.ask(StartPayment(order_id), views.payment_reply)).subject
            before = await desk.case(order_id)
            reply = await desk.ask(AnswerPending(order_id, payment_id), views.payment_reply)
            assert (reply.status, reply.subject) == (202, payment_id)
            await desk.ask(Elapse(order_id))
            assert await desk.case(order_id) == before

    run(main())


@pytest.mark.parametrize(
    ("kind", "data", "command"),
    [
        (
            "payment.captured",
            {"order_id": "1", "payment_id": "2", "amount": "3", "currency": "GBP"},
            Capture(1, 2, 3, "GBP", "2"),
        ),
        (
            "payment.captured",
            {"order_id": "1", "payment_id": "ch_x", "amount": "3", "currency": "GBP"},
            Capture(1, 0, 3, "GBP", "ch_x"),
        ),
        ("payment.declined", {"order_id": "1", "payment_id": "2", "failure": "poor"}, Decline(1, 2, "poor")),
        ("payment.declined", {"order_id": "1", "payment_id": "2", "failure": None}, Decline(1, 2, "declined")),
        ("refund.succeeded", {"order_id": "1", "refund_id": "5", "payment_id": "2"}, SettleRefund(1, 5)),
        ("dispute.opened", {"whatever": []}, None),
    ],
)
def test_an_event_of_the_provider_asks_for_one_command_or_none(kind: str, data: Any, command: Any) -> None:
    told = msgspec.json.encode({"id": "e", "type": kind, "data": data, "created_at": "now"})
    event = msgspec.json.decode(told, type=ProviderEvent)
    assert webhook_command(event) == command


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"id":"","type":"payment.captured"}',
        b'{"id":"e","type":"payment.captured"}',
        b'{"id":"e","type":"payment.captured","data":{"order_id":"-1","payment_id":"2","amount":"3","currency":"GBP"}}',
        b'{"id":"e","type":"payment.captured","data":{"order_id":"1","payment_id":"2","amount":3,"currency":"GBP"}}',
        b'{"id":"e","type":"refund.succeeded","data":{"order_id":"1","refund_id":"99999999999999999999"}}',
    ],
)
def test_a_malformed_event_raises_what_the_api_turns_into_400(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        webhook_command(msgspec.json.decode(body, type=ProviderEvent))
