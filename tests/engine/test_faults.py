"""The fault matrix: what may come twice, early, late, in the wrong order or never, against what may cross it.

Each scenario is a row of a table, played at the API on both stores; at the end of each the audit must be clean.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any

import pytest

from sim.engine.core import Engine
from sim.engine.handlers import HANDLERS
from sim.engine.resources import instant
from sim.engine.stores.store import OutcomeUnknown, StoreRefused
from sim.engine.stores.tables import Changes
from sim.orders.rules import HOUR_US
from tests.engine.databases import Database
from tests.engine.mall import Mall, mall
from tests.engine.samples import dump
from tests.orders.shop import START_US

Scene = Callable[[Mall], Awaitable[None]]
SCENES: dict[str, Scene] = {}


def scene(name: str) -> Callable[[Scene], Scene]:
    """Put a scenario into the table under a sentence that can be false."""

    def keep(it: Scene) -> Scene:
        SCENES[name] = it
        return it

    return keep


@scene("a webhook told five times acts once")
async def _repeated(it: Mall) -> None:
    order = await it.placed((await it.sku(1), 1))
    payment = (await it.start(order)).json["id"]
    told = [await it.captured(order, payment, event="evt-1") for _time in range(3)]
    told += [await it.captured(order, payment) for _time in range(2)]
    assert told == [True, False, False, False, False]
    assert (await it.order(order))["captured"]["amount"] == "1290"


@scene("a webhook told five times at once acts once")
async def _repeated_at_once(it: Mall) -> None:
    order = await it.placed((await it.sku(1), 1))
    payment = (await it.start(order)).json["id"]
    told = await asyncio.gather(*(it.captured(order, payment, event="evt-1") for _time in range(5)))
    assert sorted(told) == [False] * 4 + [True]


@scene("a webhook that comes before the client's own call pays the order, and the call learns so")
async def _before_the_call(it: Mall) -> None:
    order = await it.placed((await it.sku(1), 1))
    assert await it.captured(order, "charge-1")
    assert (await it.start(order)).code == "already_paid"
    assert await it.status(order) == "ON_HOLD"


@scene("a webhook after expiry is refunded, and its units are sold to another")
async def _after_expiry(it: Mall) -> None:
    sku = await it.sku(1)
    order = await it.placed((sku, 1))
    payment = (await it.start(order)).json["id"]
    await it.expire()
    await it.placed((sku, 1), buyer="bob")
    assert await it.captured(order, payment)
    shown = await it.order(order)
    assert (shown["status"], shown["captured"]["amount"]) == ("CANCELLED", "0")
    refunds = await it.store.select("SELECT order_id, amount_minor FROM refunds")
    assert refunds == [(int(order), 1290)]


@scene("a webhook between the end of the hold and the sweep wins")
async def _between(it: Mall) -> None:
    sku = await it.sku(1)
    order = await it.placed((sku, 1))
    payment = (await it.start(order)).json["id"]
    it.now_us += it.rules.pay_window_us
    assert (await it.place((sku, 1), buyer="bob")).code == "insufficient_stock"
    assert await it.captured(order, payment)
    await it.sweep()
    assert await it.status(order) == "ON_HOLD"


@scene("a refund told before its capture changes nothing, and both can be told again")
async def _reordered(it: Mall) -> None:
    order = await it.placed((await it.sku(1), 1))
    payment = (await it.start(order)).json["id"]
    assert not await it.webhook("refund.succeeded", order_id=order, refund_id="1")
    assert await it.captured(order, payment)
    assert not await it.webhook("payment.declined", order_id=order, payment_id=payment)
    await it.cancel(order)
    ((refund,),) = await it.store.select("SELECT id FROM refunds")
    assert await it.webhook("refund.succeeded", order_id=order, refund_id=str(refund))
    assert not await it.webhook("refund.succeeded", order_id=order, refund_id=str(refund))


@scene("a decline told after the capture does not undo it, and a capture after the decline counts")
async def _declined_and_captured(it: Mall) -> None:
    sku = await it.sku(2)
    first, second = await it.placed((sku, 1)), await it.placed((sku, 1))
    payments = [(await it.start(order)).json["id"] for order in (first, second)]
    await it.captured(first, payments[0])
    assert not await it.webhook("payment.declined", order_id=first, payment_id=payments[0])
    assert await it.webhook("payment.declined", order_id=second, payment_id=payments[1])
    assert await it.captured(second, payments[1])
    assert [await it.status(order) for order in (first, second)] == ["ON_HOLD", "ON_HOLD"]


@scene("a refund of money that an unpaid order could not take is settled while the order is unpaid")
async def _stray(it: Mall) -> None:
    order = await it.placed((await it.sku(1), 1))
    assert await it.captured(order, "charge-1", amount="1")
    ((refund,),) = await it.store.select("SELECT id FROM refunds")
    assert await it.webhook("refund.succeeded", order_id=order, refund_id=str(refund))
    assert await it.captured(order, "charge-2")
    assert await it.status(order) == "ON_HOLD"


@scene("a payment that is never heard of again ends with the hold")
async def _never(it: Mall) -> None:
    sku = await it.sku(1)
    order = await it.placed((sku, 1))
    await it.start(order)
    await it.expire()
    assert await it.status(order) == "CANCELLED"
    assert await it.stock(sku) == (1, 0, 0, 0, 1)


@contextlib.asynccontextmanager
async def behind_a_write(it: Mall) -> AsyncIterator[Callable[[Awaitable[Any]], Awaitable[asyncio.Future[Any]]]]:
    """Hold the writer up: what is asked within waits in the order in which it was asked, and is decided together."""
    sku, write, gate, begun = await it.sku(1), it.store.write, asyncio.Event(), asyncio.Event()

    async def wait(changes: Changes, fresh: Collection[str] = ()) -> None:
        begun.set()
        await gate.wait()
        await write(changes, fresh)

    async def ask(what: Awaitable[Any]) -> asyncio.Future[Any]:
        asked, waiting = asyncio.ensure_future(what), it.engine.writer.queued
        while it.engine.writer.queued == waiting:
            await asyncio.sleep(0)
        return asked

    it.store.write = wait  # type: ignore[method-assign]
    first = asyncio.create_task(it.place((sku, 1)))
    await begun.wait()
    yield ask
    it.store.write = write  # type: ignore[method-assign]
    gate.set()
    assert (await first).status == 201


async def _refunded(it: Mall, order: str) -> list[Any]:
    return await it.store.select("SELECT amount_minor FROM refunds WHERE order_id = ?", (int(order),))


@scene("of a cancel and a payment at once the first wins, and money never stays with a cancelled order")
async def _cancel_against_pay(it: Mall) -> None:
    sku = await it.sku(40)
    for is_paid_first in (False, True):
        order = await it.placed((sku, 1))
        payment = (await it.start(order)).json["id"]
        both = [it.cancel(order), it.captured(order, payment)]
        async with behind_a_write(it) as ask:
            asked = [await ask(one) for one in (reversed(both) if is_paid_first else both)]
        await asyncio.gather(*asked)
        shown = await it.order(order)
        amount = "1290" if is_paid_first else "0"
        assert (shown["status"], shown["captured"]["amount"], shown["refunded"]["amount"]) == (
            "CANCELLED",
            amount,
            amount,
        )
        assert await _refunded(it, order) == [(1290,)]
    await it.sweep()
    assert await it.stock(sku) == (40, 0, 0, 0, 40)


@scene("of the sweep and a payment at once the first wins: a payment that lost is given back")
async def _expiry_against_pay(it: Mall) -> None:
    sku = await it.sku(2)
    for is_paid_first in (False, True):
        order = await it.placed((sku, 1))
        payment = (await it.start(order)).json["id"]
        it.now_us += it.rules.pay_window_us
        both = [it.sweep(), it.captured(order, payment)]
        async with behind_a_write(it) as ask:
            asked = [await ask(one) for one in (reversed(both) if is_paid_first else both)]
        await asyncio.gather(*asked)
        assert await it.status(order) == ("ON_HOLD" if is_paid_first else "CANCELLED")
        assert await _refunded(it, order) == ([] if is_paid_first else [(1290,)])
    assert (await it.stock(sku))[-1] == 1


@scene("the sweep hands over an order that a payment has taken meanwhile: nothing is swept")
async def _pay_overtakes(it: Mall) -> None:
    sku = await it.sku(1)
    order = await it.placed((sku, 1))
    payment = (await it.start(order)).json["id"]
    it.now_us += it.rules.pay_window_us
    async with behind_a_write(it) as ask:
        told = [await ask(it.captured(order, payment)) for _time in range(2)]
        swept = [await ask(it.sweep()) for _time in range(2)]
    assert [await one for one in told] == [True, False]
    assert [await one for one in swept] == [0, 0], "both had found it due"
    assert await it.status(order) == "ON_HOLD"
    assert await _refunded(it, order) == []


@scene("of a return and a cancel of a delivered order only the return goes")
async def _return_against_cancel(it: Mall) -> None:
    sku = await it.sku(2)
    order = await it.delivered((sku, 2))
    returned, cancelled = await asyncio.gather(
        it.client.post(f"/v1/orders/{order}/returns", {"type": "RETURN_AND_REFUND"}), it.cancel(order)
    )
    assert (returned.status, cancelled.code) == (201, "illegal_transition")
    request = returned.json["id"]
    answers = await asyncio.gather(*(it.client.post(f"/v1/returns/{request}:approve") for _time in range(3)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409]
    answers = await asyncio.gather(*(it.client.post(f"/v1/returns/{request}:receive", {}) for _time in range(3)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409]
    assert (await it.order(order))["refunded"]["amount"] == "2580"
    assert await it.stock(sku) == (2, 0, 0, 0, 2)


@scene("a write-off and a checkout of the last unit at once: one of them is refused")
async def _restock_against_reserve(it: Mall) -> None:
    for number in range(10):
        sku = await it.sku(1)
        less = it.client.post(f"/v1/skus/{sku}/inventory-adjustments", {"delta": -1, "reason": "adjusted"})
        both = [less, it.place((sku, 1))]
        answers = await asyncio.gather(*(both if number % 2 else reversed(both)))
        assert sorted(answer.status for answer in answers) == [201, 409]


@scene("units that are restocked while buyers wait for them are sold once each")
async def _restock_in_a_burst(it: Mall) -> None:
    sku = await it.sku(0)
    calls = [it.place((sku, 1)) for _buyer in range(30)]
    more = [
        it.client.post(f"/v1/skus/{sku}/inventory-adjustments", {"delta": 1, "reason": "received"})
        for _unit in range(7)
    ]
    answers = await asyncio.gather(*more[:3], *calls[:15], *more[3:], *calls[15:])
    sold = sum(answer.status == 201 and b"pay_by" in answer.body for answer in answers)
    on_hand, held, *_others = await it.stock(sku)
    assert (on_hand, held) == (7, sold)
    assert 3 <= sold <= 7


@scene("one SKU twice in a cart is one line, of both quantities")
async def _twice_in_a_cart(it: Mall) -> None:
    sku = await it.sku(3)
    assert (await it.place((sku, 2), (sku, 2))).code == "insufficient_stock"
    order = await it.placed((sku, 1), (sku, 2))
    assert [line["quantity"] for line in (await it.order(order))["lines"]] == [3]
    assert await it.stock(sku) == (3, 3, 0, 0, 0)


@scene("the last unit is not sold to a cart that wants it twice, nor to two carts")
async def _last_unit(it: Mall) -> None:
    sku = await it.sku(1)
    assert (await it.place((sku, 1), (sku, 1))).code == "insufficient_stock"
    answers = await asyncio.gather(*(it.place((sku, 1)) for _buyer in range(2)))
    assert sorted(answer.status for answer in answers) == [201, 409]


@scene("one key with another body is refused and changes nothing")
async def _other_body(it: Mall) -> None:
    sku = await it.sku(5)
    first = await it.place((sku, 1), key="k")
    assert (await it.place((sku, 2), key="k")).code == "key_reused"
    again = await it.place((sku, 1), key="k")
    assert (again.body, again.headers["idempotent-replayed"]) == (first.body, "true")
    assert await it.stock(sku) == (5, 1, 0, 0, 4)


@scene("a refusal is kept under its key even when there are units again")
async def _kept_refusal(it: Mall) -> None:
    sku = await it.sku(0)
    assert (await it.place((sku, 1), key="k")).code == "insufficient_stock"
    await it.client.made(f"/v1/skus/{sku}/inventory-adjustments", {"delta": 1, "reason": "received"})
    assert (await it.place((sku, 1), key="k")).code == "insufficient_stock"
    assert (await it.place((sku, 1), key="new")).status == 201


@scene("an answer that was lost after the commit is found again by its key")
async def _lost_answer(it: Mall) -> None:
    sku = await it.sku(2)
    call = asyncio.create_task(it.place((sku, 1), key="k"))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    again = await it.place((sku, 1), key="k")
    assert again.status == 201
    assert (await it.stock(sku))[1] == 1


@scene("a store that ends in mid-commit answers 503, and the retry finds the order")
async def _unknown_outcome(it: Mall) -> None:
    sku = await it.sku(2)
    write = it.store.write

    async def stored_but_silent(changes: Changes, fresh: Collection[str] = ()) -> None:
        await write(changes, fresh)
        raise OutcomeUnknown("gone")

    it.store.write = stored_but_silent  # type: ignore[method-assign]
    assert (await it.place((sku, 1), key="k")).code == "store_unavailable"
    it.store.write = write  # type: ignore[method-assign]
    again = await it.place((sku, 1), key="k")
    assert (again.status, again.headers["idempotent-replayed"]) == (201, "true")
    assert (await it.stock(sku))[1] == 1


@scene("a clock that jumps ahead ends what is due and nothing else")
async def _clock_ahead(it: Mall) -> None:
    sku = await it.sku(3)
    unpaid, paid = await it.placed((sku, 1)), await it.paid((sku, 1))
    it.now_us += it.rules.pay_window_us
    await it.sweep()
    assert [await it.status(order) for order in (unpaid, paid)] == ["CANCELLED", "ON_HOLD"]


@pytest.mark.parametrize("name", SCENES)
def test_it_holds_that(database: Database, name: str) -> None:
    async def main() -> None:
        async with mall(database.store(unsafe=True)) as it:
            await SCENES[name](it)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_clock_that_was_set_back_between_two_runs_gives_no_id_and_no_instant_twice(database: Database) -> None:
    async def main() -> None:
        async with mall(database.store(unsafe=True)) as it:
            sku = await it.sku(5)
            first = await it.placed((sku, 1))
            await it.cancel(await it.paid((sku, 1)))
        async with mall(database.store(unsafe=True), now_us=START_US - 3_600_000_000) as it:
            second = await it.placed((sku, 1))
            await it.cancel(await it.paid((sku, 1)))
            assert int(second) > int(first)
            times = [at for (at,) in await it.store.select("SELECT at_us FROM events ORDER BY seq")]
            assert times == sorted(times)
            assert [await it.status(order) for order in (first, second)] == ["UNPAID", "UNPAID"]

    asyncio.run(main())


def test_after_the_clock_was_set_back_quotes_and_orders_still_agree_on_what_time_it_is(database: Database) -> None:
    async def main() -> None:
        async with mall(database.store(unsafe=True)) as it:
            sku = await it.sku(5)
            await it.placed((sku, 1))
        async with mall(database.store(unsafe=True), now_us=START_US - HOUR_US) as it:
            times = {"begin": instant(START_US), "end": instant(START_US + HOUR_US)}
            deal = {"sku_id": sku, "activity_price": {"amount": "500", "currency": "GBP"}} | times
            found = {"promotion_id": (await it.client.made("/v1/promotions", deal))["id"]}
            cart = {"lines": [{"sku_id": sku, "quantity": 1}]} | found
            quote = await it.client.made("/v1/checkout/quotes", cart)
            order = await it.order(await it.placed((sku, 1), **found))
            assert quote["total"] == order["total"] == {"amount": "500", "currency": "GBP"}

    asyncio.run(main())


def test_a_second_engine_on_a_database_is_refused_and_the_first_goes_on(database: Database) -> None:
    async def main() -> None:
        async with mall(database.store(unsafe=True)) as it:
            sku = await it.sku(2)
            other = Engine(database.store(unsafe=True), lambda: START_US, handlers=HANDLERS)
            with pytest.raises(StoreRefused, match="in use by another engine"):
                await other.open()
            await it.placed((sku, 1))

    asyncio.run(main())


def test_a_database_that_takes_no_writes_gives_503_and_a_log_line_and_no_half_effect_until_it_does(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with mall(database.store(unsafe=True)) as it:
            sku = await it.sku(1000)
            before = await dump(it.store)
            await database.stop_writes(it.store)
            fat = {"note": "x" * 1000}
            answers = await asyncio.gather(*(it.place((sku, 1), key=f"k{n}", address=fat) for n in range(200)))
            assert {answer.code for answer in answers if answer.status != 201} == {"store_unavailable"}
            refused = [n for n, answer in enumerate(answers) if answer.status == 503]
            assert refused
            if len(refused) == len(answers):
                assert await dump(it.store) == before
            assert it.engine.writer.failed is not None
            await it.sweep()
            if database.kind == "postgres":  # a file that cannot grow may still have room for a small row
                assert it.engine.writer.failed is not None, "the sweep has tried as well"
            assert (await it.client.get(f"/v1/skus/{sku}/inventory")).status == 200, "reading goes on"
            await database.allow_writes(it.store)
            await it.sweep()
            assert it.engine.writer.failed is None, "ready again, though nobody has asked for anything"
            for n in refused:
                assert (await it.place((sku, 1), key=f"k{n}", address=fat)).status == 201
            assert await it.stock(sku) == (1000, 200, 0, 0, 800)

    with caplog.at_level(logging.WARNING, logger="liverush.engine"):
        asyncio.run(main())
    lines = [record.getMessage() for record in caplog.records]
    assert any("takes no writes" in line for line in lines)
    assert "the store takes writes again" in lines


def test_while_the_database_takes_no_writes_a_sweep_is_over_at_once(database: Database) -> None:
    """A full batch would be followed by the next at once, for as long as the disk is full."""

    async def main() -> None:
        async with mall(database.store(unsafe=True)) as it:
            sku = await it.sku(3)
            await it.placed((sku, 1))
            await database.make_read_only(it.store)
            await it.place((sku, 1))
            it.now_us += it.rules.pay_window_us
            assert await it.sweep() == 0
            await database.make_writable(it.store)
            assert await it.sweep() == 1

    asyncio.run(main())


def test_a_read_only_database_gives_503_and_changes_nothing_until_it_can_be_written(database: Database) -> None:
    async def main() -> None:
        async with mall(database.store(unsafe=True)) as it:
            sku = await it.sku(3)
            order = await it.placed((sku, 1))
            before = await dump(it.store)
            await database.make_read_only(it.store)
            answers = [
                await it.place((sku, 1), key="k"),
                await it.cancel(order),
                await it.start(order),
                await it.client.post(f"/v1/skus/{sku}/inventory-adjustments", {"delta": 1}),
            ]
            assert [answer.code for answer in answers] == ["store_unavailable"] * 4
            assert {answer.headers["retry-after"] for answer in answers} == {"1"}
            await it.sweep()
            assert it.engine.writer.failed is not None
            assert await dump(it.store) == before
            await database.make_writable(it.store)
            assert (await it.place((sku, 1), key="k")).status == 201

    asyncio.run(main())


def test_a_sweep_acts_on_all_that_is_due_whatever_may_wait_and_counts_those_alone(database: Database) -> None:
    """The bound is for clients: what the engine asks of itself is how units come back to them."""

    async def main() -> None:
        async with mall(database.store(), queue_bound=2) as it:
            sku = await it.sku(5)
            for _ in range(5):
                await it.placed((sku, 1))
            it.now_us += it.rules.pay_window_us
            assert await it.sweep() == 5
            assert it.engine.writer.swept == 5
            assert await it.stock(sku) == (5, 0, 0, 0, 5)

    asyncio.run(main())
