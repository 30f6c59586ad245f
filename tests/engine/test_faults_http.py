"""Bursts and broken connections over real HTTP, on `liverush serve`, one engine of each kind for all tests here."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from sim.engine.auth import development_key
from sim.engine.stores.pgserver import available
from tests.engine.hard_check import expect_clean
from tests.engine.hard_load import Request
from tests.engine.served import Served, Session, serving, session_with
from tests.engine.soak import write_result

UNITS, BUYERS = 30, 200
#: A provider that takes its time, so that others come meanwhile.
_SLOW = '{"latency_ms": 300}'

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks up processes in /proc")


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.skipif(not available(), reason="no PostgreSQL"))],
)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served"), request.param, "--psp", "--psp-behaviour", _SLOW) as it:
        yield it


def play(served: Served, scene: Callable[[Session], Awaitable[None]]) -> None:
    """Play a scene against the engine, which must be in order afterwards."""

    async def main() -> None:
        async with session_with(served.url) as session:
            await scene(session)
            await expect_clean(session.get)

    asyncio.run(asyncio.wait_for(main(), 300))


async def hot(session: Session, on_hand: int) -> dict[str, Any]:
    """Put a SKU on sale and return a cart with one unit of it."""
    shop = await session.made("/v1/shops", {"name": "shop", "currency": "GBP"})
    skus = [{"seller_sku": "hot", "price": {"amount": "1290", "currency": "GBP"}, "on_hand": on_hand}]
    product = await session.made(f"/v1/shops/{shop['id']}/products", {"title": "hot", "skus": skus})
    return {"buyer_id": "ann", "lines": [{"sku_id": product["skus"][0]["id"], "quantity": 1}]}


_keys = itertools.count()


def new_key() -> str:
    return f"key {next(_keys)}"


async def held(session: Session, cart: dict[str, Any]) -> tuple[int, int]:
    stock = await session.get(f"/v1/skus/{cart['lines'][0]['sku_id']}/inventory")
    return stock["held"], stock["available"]


Calls = Sequence[Callable[[], Awaitable[tuple[int, Any]]]]


async def crowd(calls: Calls, spread_s: float, seed: int) -> Counter[str]:
    """Let all call, each on a connection of its own, at once or at random moments; return what they heard."""
    chance = random.Random(seed)

    async def one(call: Callable[[], Awaitable[tuple[int, Any]]], after_s: float) -> str:
        await asyncio.sleep(after_s)
        status, answer = await call()
        return str(status if status < 300 else answer["code"])

    return Counter(await asyncio.gather(*(one(call, chance.random() * spread_s) for call in calls)))


async def many_buyers(session: Session, spread_s: float, repeat: int) -> None:
    cart = await hot(session, UNITS)
    calls = [partial(session.post, "/v1/orders", cart, new_key()) for _buyer in range(BUYERS)]
    assert await crowd(calls, spread_s, repeat) == {"201": UNITS, "insufficient_stock": BUYERS - UNITS}
    assert await held(session, cart) == (UNITS, 0)


async def one_key(session: Session, spread_s: float, repeat: int) -> None:
    cart, key = await hot(session, UNITS), new_key()
    assert await crowd([partial(session.post, "/v1/orders", cart, key)] * 8, spread_s, repeat) == {"201": 8}
    assert await held(session, cart) == (1, UNITS - 1)


async def opposite_carts(session: Session, spread_s: float, repeat: int) -> None:
    one, other = await hot(session, UNITS), await hot(session, UNITS)
    carts = [one | {"lines": one["lines"] + other["lines"]}, one | {"lines": other["lines"] + one["lines"]}]
    calls = [partial(session.post, "/v1/orders", cart, new_key()) for cart in carts * UNITS]
    assert await crowd(calls, spread_s, repeat) == {"201": UNITS, "insufficient_stock": UNITS}
    assert await held(session, one) == await held(session, other) == (UNITS, 0)


async def eight_payments(session: Session, spread_s: float, repeat: int) -> None:
    order = await session.made("/v1/orders", await hot(session, 1))
    pay = partial(session.post, f"/v1/orders/{order['id']}/payments", {})
    found = await crowd([partial(pay, new_key()) for _time in range(8)], spread_s, repeat)
    assert found["201"] == 1
    assert found["payment_in_progress"] + found["already_paid"] == 7
    shown = await session.get(f"/v1/orders/{order['id']}")
    assert (shown["status"], shown["captured"]) == ("ON_HOLD", shown["total"])


async def eight_payments_with_one_key(session: Session, spread_s: float, repeat: int) -> None:
    order = await session.made("/v1/orders", await hot(session, 1))
    pay = partial(session.post, f"/v1/orders/{order['id']}/payments", {}, new_key())
    found = await crowd([pay] * 8, spread_s, repeat)
    assert found["201"] >= 1
    assert found["201"] + found["key_in_use"] == 8
    shown = await session.get(f"/v1/orders/{order['id']}")
    assert (shown["status"], shown["captured"]) == ("ON_HOLD", shown["total"])


CROWDS = (many_buyers, one_key, opposite_carts, eight_payments, eight_payments_with_one_key)
SPREADS_S = (0.0, 0.05)
BURSTS = 20


@pytest.mark.parametrize("spread_s", SPREADS_S)
@pytest.mark.parametrize("scene", CROWDS)
def test_over_http_many_at_once_get_what_there_is(
    served: Served, scene: Callable[[Session, float, int], Awaitable[None]], spread_s: float
) -> None:
    play(served, lambda session: scene(session, spread_s, 0))


@pytest.mark.soak
def test_over_http_many_at_once_get_what_there_is_20_times(served: Served) -> None:
    async def all_of_them(session: Session) -> None:
        for scene in CROWDS:
            for spread_s in SPREADS_S:
                for repeat in range(BURSTS):
                    await scene(session, spread_s, repeat)

    play(served, all_of_them)
    write_result(
        f"http_bursts_{served.store}",
        {
            "command": f"python -m pytest -m soak tests/engine/test_faults_http.py -k {served.store}",
            "store": served.store,
            "crowds": [scene.__name__ for scene in CROWDS],
            "bursts_of_each_at_once": BURSTS,
            "bursts_of_each_within_50_ms": BURSTS,
            "oversold_or_doubled": 0,
        },
    )


def test_a_key_whose_payment_still_runs_is_told_so_and_when_to_ask_again(served: Served) -> None:
    async def scene(session: Session) -> None:
        order = await session.made("/v1/orders", await hot(session, 1))
        request = Request(new_key(), f"/v1/orders/{order['id']}/payments", {}, "admin")
        said = await asyncio.gather(*(session.send(request) for _time in range(8)))
        assert {one.retry_after for one in said if one.is_in_use} == {"1"}

    play(served, scene)


def request_of(served: Served, cart: dict[str, Any], key: str, length: int = 0) -> bytes:
    """A checkout as it goes over the wire; with a `length` that many bytes of body are promised."""
    body = json.dumps(cart).encode()
    head = [
        "POST /v1/orders HTTP/1.1",
        f"Host: {urlsplit(served.url).netloc}",
        f"Authorization: Bearer {development_key('admin')}",
        "Content-Type: application/json",
        f"Idempotency-Key: {key}",
        f"Content-Length: {length or len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


async def send_and_leave(served: Served, wire: bytes, after_s: float) -> None:
    """Send bytes on a new connection and reset it."""
    parts = urlsplit(served.url)
    assert parts.hostname is not None
    _reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(wire)
    await writer.drain()
    await asyncio.sleep(after_s)
    writer.transport.abort()


def test_a_connection_that_ends_within_the_body_orders_nothing(served: Served) -> None:
    async def scene(session: Session) -> None:
        cart = await hot(session, UNITS)
        for number in range(5):
            wire = request_of(served, cart, f"cut {number}", length=5000)
            await send_and_leave(served, wire, 0.02)
        assert await held(session, cart) == (0, UNITS)

    play(served, scene)


def test_an_answer_that_nobody_waits_for_is_found_again_by_its_key(served: Served) -> None:
    async def scene(session: Session) -> None:
        cart = await hot(session, UNITS)
        for number in range(10):
            await send_and_leave(served, request_of(served, cart, f"lost {number}"), number * 0.001)
            answers = [await session.post("/v1/orders", cart, f"lost {number}") for _time in range(2)]
            assert [status for status, _order in answers] == [201, 201]
            assert answers[0][1] == answers[1][1]
        assert await held(session, cart) == (10, UNITS - 10)

    play(served, scene)


def test_a_store_process_that_stands_still_for_a_moment_loses_and_doubles_nothing(served: Served) -> None:
    async def scene(session: Session) -> None:
        cart = await hot(session, UNITS)
        (store,) = served.stores()
        os.kill(store, signal.SIGSTOP)
        try:
            calls = [asyncio.create_task(session.post("/v1/orders", cart, f"still {number}")) for number in range(20)]
            await asyncio.sleep(0.3)
            assert not any(call.done() for call in calls)
        finally:
            os.kill(store, signal.SIGCONT)
        assert {status for status, _order in await asyncio.gather(*calls)} == {201}
        assert await held(session, cart) == (20, UNITS - 20)

    play(served, scene)
