"""Bursts and broken connections over real HTTP, on `liverush serve`, one engine of each kind for all tests here."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from sim.engine.auth import development_key
from sim.engine.pgserver import available
from tests.engine.hard_check import expect_clean
from tests.engine.served import Served, Session, serving, session_with

UNITS, BUYERS = 30, 200

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks up processes in /proc")


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.skipif(not available(), reason="no PostgreSQL"))],
)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served"), request.param) as it:
        yield it


def play(served: Served, scene: Callable[[Session], Awaitable[None]]) -> None:
    """Play a scene against the engine, which must be in order afterwards."""

    async def main() -> None:
        async with session_with(served.url) as session:
            await scene(session)
            await expect_clean(session.get)

    asyncio.run(asyncio.wait_for(main(), 120))


async def hot(session: Session, on_hand: int) -> dict[str, Any]:
    """Put a SKU on sale and return a cart with one unit of it."""
    shop = await session.made("/v1/shops", {"name": "shop", "currency": "GBP"})
    skus = [{"seller_sku": "hot", "price": {"amount": "1290", "currency": "GBP"}, "on_hand": on_hand}]
    product = await session.made(f"/v1/shops/{shop['id']}/products", {"title": "hot", "skus": skus})
    return {"buyer_id": "ann", "lines": [{"sku_id": product["skus"][0]["id"], "quantity": 1}]}


async def held(session: Session, cart: dict[str, Any]) -> tuple[int, int]:
    stock = await session.get(f"/v1/skus/{cart['lines'][0]['sku_id']}/inventory")
    return stock["held"], stock["available"]


def bursts(repeats: int, spread_s: float) -> Callable[[Session], Awaitable[None]]:
    """Return a scene in which 200 buyers, each on a connection of its own, want 30 units."""

    async def scene(session: Session) -> None:
        chance = random.Random(repeats)
        for repeat in range(repeats):
            cart = await hot(session, UNITS)

            async def one(number: int, cart: dict[str, Any] = cart, repeat: int = repeat) -> str:
                await asyncio.sleep(chance.random() * spread_s)
                status, answer = await session.post("/v1/orders", cart, f"{spread_s} {repeats} {repeat} {number}")
                return str(status if status == 201 else answer["code"])

            found = Counter(await asyncio.gather(*(one(number) for number in range(BUYERS))))
            assert found == {"201": UNITS, "insufficient_stock": BUYERS - UNITS}
            assert await held(session, cart) == (UNITS, 0)

    return scene


@pytest.mark.parametrize("spread_s", [0.0, 0.05])
def test_over_http_exactly_30_of_200_buyers_get_one(served: Served, spread_s: float) -> None:
    play(served, bursts(2, spread_s))


@pytest.mark.soak
@pytest.mark.parametrize("spread_s", [0.0, 0.05])
def test_over_http_exactly_30_of_200_buyers_get_one_20_times(served: Served, spread_s: float) -> None:
    play(served, bursts(20, spread_s))


def test_one_key_eight_times_at_once_on_eight_connections_makes_one_order(served: Served) -> None:
    async def scene(session: Session) -> None:
        cart = await hot(session, UNITS)
        answers = await asyncio.gather(*(session.post("/v1/orders", cart, "eight") for _time in range(8)))
        assert {status for status, _order in answers} == {201}
        assert len({order["id"] for _status, order in answers}) == 1
        assert await held(session, cart) == (1, UNITS - 1)

    play(served, scene)


def request_of(served: Served, cart: dict[str, Any], key: str, length: int = 0) -> bytes:
    """Return a checkout as it goes over the wire; with a `length` that many bytes of body are promised."""
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
        (store, *_others) = served.children()
        os.kill(store, signal.SIGSTOP)
        calls = [asyncio.create_task(session.post("/v1/orders", cart, f"still {number}")) for number in range(20)]
        await asyncio.sleep(0.3)
        assert not any(call.done() for call in calls)
        os.kill(store, signal.SIGCONT)
        assert {status for status, _order in await asyncio.gather(*calls)} == {201}
        assert await held(session, cart) == (20, UNITS - 20)

    play(served, scene)
