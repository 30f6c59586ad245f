"""Many at once: exactly the units that there are, one order a key, one capture an order, no deadlock."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import pytest

from sim.engine.paying.payments import PaymentDriver
from sim.engine.paying.provider import Charge, Outcome, Payback, Status
from tests.engine.client import Answer
from tests.engine.databases import Database
from tests.engine.mall import Mall, mall

UNITS, BUYERS = 30, 200

Calls = Sequence[Callable[[], Awaitable[Answer]]]


async def barrier(calls: Calls, _repeat: int) -> list[Answer]:
    """Let all wait at a gate, and open it."""
    gate = asyncio.Event()

    async def one(call: Callable[[], Awaitable[Answer]]) -> Answer:
        await gate.wait()
        return await call()

    tasks = [asyncio.create_task(one(call)) for call in calls]
    await asyncio.sleep(0)
    gate.set()
    return list(await asyncio.gather(*tasks))


async def natural(calls: Calls, repeat: int) -> list[Answer]:
    """Let them come at random within some milliseconds."""
    moments = random.Random(repeat)

    async def one(call: Callable[[], Awaitable[Answer]], after_s: float) -> Answer:
        await asyncio.sleep(after_s)
        return await call()

    return list(await asyncio.gather(*(one(call, moments.random() * 0.03) for call in calls)))


#: How callers come, and in how many bursts one after the other.
Crowd = Callable[[Calls, int], Awaitable[list[Answer]]]
crowds = pytest.mark.parametrize("crowd", [barrier, natural])
repeated = pytest.mark.parametrize("repeats", [4, pytest.param(20, marks=pytest.mark.soak)])


def play(database: Database, scene: Callable[[Mall], Awaitable[None]]) -> None:
    """Run a scene in a mall on the database."""

    async def main() -> None:
        async with mall(database.store(unsafe=True)) as it:
            await scene(it)

    asyncio.run(asyncio.wait_for(main(), 300))


def outcomes(answers: list[Answer]) -> Counter[str]:
    return Counter(str(answer.status) if answer.status < 300 else answer.code for answer in answers)


@crowds
@repeated
def test_of_200_buyers_for_30_units_exactly_30_get_one(database: Database, crowd: Crowd, repeats: int) -> None:
    async def scene(it: Mall) -> None:
        for repeat in range(repeats):
            sku = await it.sku(UNITS)
            buyers = [partial(it.place, (sku, 1), buyer=f"b{buyer}") for buyer in range(BUYERS)]
            answers = await crowd(buyers, repeat)
            assert outcomes(answers) == {"201": UNITS, "insufficient_stock": BUYERS - UNITS}
            assert await it.stock(sku) == (UNITS, UNITS, 0, 0, 0)

    play(database, scene)


@crowds
@repeated
def test_the_last_unit_is_sold_once_however_many_want_it(database: Database, crowd: Crowd, repeats: int) -> None:
    async def scene(it: Mall) -> None:
        for repeat in range(repeats):
            sku = await it.sku(1)
            answers = await crowd([partial(it.place, (sku, 1))] * 20, repeat)
            assert outcomes(answers) == {"201": 1, "insufficient_stock": 19}

    play(database, scene)


@crowds
@repeated
def test_one_key_sent_eight_times_makes_one_order_and_seven_replays(
    database: Database, crowd: Crowd, repeats: int
) -> None:
    async def scene(it: Mall) -> None:
        sku = await it.sku(UNITS)
        for repeat in range(repeats):
            answers = await crowd([partial(it.place, (sku, 1), key=f"one-{repeat}")] * 8, repeat)
            assert {answer.status for answer in answers} == {201}
            assert len({answer.body for answer in answers}) == 1
            assert sorted("idempotent-replayed" in answer.headers for answer in answers) == [False, *[True] * 7]
        assert await it.stock(sku) == (UNITS, repeats, 0, 0, UNITS - repeats)

    play(database, scene)


@crowds
@repeated
def test_carts_in_opposite_order_neither_deadlock_nor_oversell(database: Database, crowd: Crowd, repeats: int) -> None:
    async def scene(it: Mall) -> None:
        for repeat in range(repeats):
            one, other = await it.sku(60), await it.sku(60)
            carts = [((one, 1), (other, 1)), ((other, 1), (one, 1))] * 50
            answers = await crowd([partial(it.place, *cart) for cart in carts], repeat)
            assert outcomes(answers) == {"201": 60, "insufficient_stock": 40}
            assert await it.stock(one) == await it.stock(other) == (60, 60, 0, 0, 0)

    play(database, scene)


class Bank:
    """A provider that takes its time and counts what it took."""

    def __init__(self) -> None:
        self.charged: Counter[int] = Counter()

    async def charge(self, charge: Charge) -> Outcome:
        await asyncio.sleep(0.005)
        self.charged[charge.order_id] += 1
        return Outcome(Status.CAPTURED, "", charge.amount_minor, charge.currency)

    async def refund(self, _payback: Payback) -> Outcome:
        return Outcome(Status.SUCCEEDED)

    async def look(self, _charge_id: str) -> Outcome:
        return Outcome(Status.UNKNOWN)


@pytest.mark.parametrize("keys", ["eight keys", "one key"])
@crowds
@repeated
def test_eight_payments_of_one_order_take_its_money_once(
    database: Database, crowd: Crowd, repeats: int, keys: str
) -> None:
    async def scene(it: Mall) -> None:
        engine, bank = it.engine, Bank()
        engine.payments = PaymentDriver(engine.writer, engine.store, bank, engine.clock)
        sku = await it.sku(UNITS)
        for repeat in range(repeats):
            order = await it.placed((sku, 1))
            words = [f"pay-{repeat}-{number if keys == 'eight keys' else 0}" for number in range(8)]
            answers = await crowd([partial(it.start, order, word) for word in words], repeat)
            found = outcomes(answers)
            if crowd is barrier:
                assert found == {"201": 1, "payment_in_progress" if keys == "eight keys" else "key_in_use": 7}
            elif keys == "eight keys":
                assert found["201"] == 1
                assert set(found) <= {"201", "payment_in_progress", "already_paid"}
            else:
                assert found["201"] + found["key_in_use"] == 8
            in_use = [answer for answer in answers if answer.status == 409 and answer.code == "key_in_use"]
            assert all(answer.headers["retry-after"] == "1" for answer in in_use)
            assert bank.charged[int(order)] == 1
            shown = await it.order(order)
            assert (shown["status"], shown["captured"]) == ("ON_HOLD", shown["total"])

    play(database, scene)


def test_eight_captures_of_one_order_at_once_keep_one_and_give_seven_back(database: Database) -> None:
    async def scene(it: Mall) -> None:
        order = await it.placed((await it.sku(3), 1))
        told: list[Any] = await asyncio.gather(*(it.captured(order, f"charge-{number}") for number in range(8)))
        assert told == [True] * 8
        shown = await it.order(order)
        assert (shown["status"], shown["captured"], shown["refunded"]["amount"]) == ("ON_HOLD", shown["total"], "0")
        found = await it.store.select("SELECT status, COUNT(*) FROM payments GROUP BY status ORDER BY status")
        assert found == [(2, 1), (4, 7)]

    play(database, scene)


def test_the_audit_is_clean_in_the_midst_of_a_burst(database: Database) -> None:
    async def scene(it: Mall) -> None:
        sku = await it.sku(500)

        async def buy(number: int) -> None:
            for _time in range(6):
                order = await it.placed((sku, 1), buyer=f"b{number}")
                await it.captured(order, f"charge-{order}")
                if number % 3 == 0:
                    await it.cancel(order)

        burst = asyncio.gather(*(buy(number) for number in range(40)))
        audits = 0
        while not burst.done():
            assert await it.audit() == {}
            audits += 1
        await burst
        assert audits > 1

    play(database, scene)
