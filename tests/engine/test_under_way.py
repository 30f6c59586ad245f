"""What may be under way at once, what is shed, and that every answer of trouble has a name by which it is found."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sim.engine.api import app
from sim.engine.auth import development_key
from sim.engine.paying import payments
from sim.engine.paying.payments import PaymentDriver
from sim.engine.paying.provider import Charge, Outcome, Status
from sim.engine.stores.sqlite import SqliteStore
from tests.engine.client import Answer, Client, serving
from tests.engine.rig import until

WATCHING = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs")


def run(path: Path, check: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        async with serving(SqliteStore(path / "engine.sqlite3")) as client:
            await check(client)

    asyncio.run(asyncio.wait_for(main(), 60))


def requests(text: bytes, route: str) -> dict[str, float]:
    """The answers to a route by status, as metrics tell them."""
    start = f'liverush_requests_total{{route="{route}",status="'
    lines = [line.removeprefix(start) for line in text.decode().splitlines() if line.startswith(start)]
    return {line[:3]: float(line.split()[-1]) for line in lines}


def test_too_much_under_way_is_shed_and_whoever_buys_or_watches_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MOST_UNDER_WAY", 3)

    async def check(client: Client) -> None:
        sku = await client.sku(await client.shop())
        store, gate, reading = client.engine.store, asyncio.Event(), 0
        select_all = store.select_all

        async def slowly(queries: Any) -> Any:
            nonlocal reading
            reading += 1
            await gate.wait()
            return await select_all(queries)

        store.select_all = slowly  # type: ignore[method-assign]
        audits = [asyncio.create_task(client.get("/v1/audit/invariants")) for _ in range(3)]
        await until(lambda: reading == 3)
        shed = [await client.get("/v1/shops"), await client.post("/v1/shops", {"name": "b", "currency": "GBP"})]
        assert {answer.code for answer in shed} == {"overloaded"}
        assert {(answer.status, answer.headers["retry-after"]) for answer in shed} == {(503, "1")}
        assert [(await client.get(path, role="")).status for path in WATCHING] == [200] * len(WATCHING)
        order = await client.order(sku)
        assert (await client.post(f"/v1/orders/{order}/payments", {})).status == 202
        assert (await client.post(f"/v1/orders/{order}:confirm")).code == "illegal_transition"
        gate.set()
        assert [(await audit).status for audit in audits] == [200] * 3
        assert (await client.get("/v1/shops")).status == 200
        told = (await client.get("/metrics", role="")).body
        assert [requests(told, f"{method} /v1/shops")["503"] for method in ("GET", "POST")] == [1, 1]

    run(tmp_path, check)


def test_requests_whose_bodies_have_not_come_keep_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MOST_UNDER_WAY", 1)

    async def check(client: Client) -> None:
        awaited = 0

        async def receive() -> Any:
            nonlocal awaited
            awaited += 1
            await asyncio.Event().wait()

        async def send(_message: Any) -> None:
            """Nothing is answered."""

        headers = [(b"authorization", f"Bearer {development_key('buyer')}".encode())]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/checkout/quotes",
            "query_string": b"",
            "headers": headers,
        }
        slow = [asyncio.create_task(client.app(dict(scope), receive, send)) for _ in range(3)]
        await until(lambda: awaited == 3)
        assert (await client.get("/v1/orders")).status == 200
        for task in slow:
            task.cancel()

    run(tmp_path, check)


class Slow:
    """A provider that takes money once the gate is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.asked = 0

    async def charge(self, _charge: Charge) -> Outcome:
        self.asked += 1
        await self.gate.wait()
        return Outcome(Status.CAPTURED)


def test_payments_that_wait_for_their_provider_keep_nobody_out_and_have_a_bound_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MOST_UNDER_WAY", 1)
    monkeypatch.setattr(payments, "MOST_RUNNING", 2)

    async def check(client: Client) -> None:
        engine, provider = client.engine, Slow()
        driver = engine.payments = PaymentDriver(engine.writer, engine.store, provider, engine.clock)  # type: ignore[arg-type]
        sku = await client.sku(await client.shop())
        orders = [await client.order(sku) for _ in range(3)]
        paying = [asyncio.create_task(client.post(f"/v1/orders/{order}/payments", {})) for order in orders[:2]]
        await until(lambda: provider.asked == 2)
        assert (await client.get("/v1/orders")).status == 200
        assert (await client.post(f"/v1/orders/{orders[2]}/payments", {})).code == "overloaded"
        assert (await client.get(f"/v1/orders/{orders[2]}/payments")).json == {"items": []}, "nothing was begun"
        provider.gate.set()
        assert [(await one).status for one in paying] == [201, 201]
        assert (await client.post(f"/v1/orders/{orders[2]}/payments", {})).status == 201
        await driver.close()

    run(tmp_path, check)


def test_no_two_requests_have_one_id_whatever_their_route(tmp_path: Path) -> None:
    async def check(client: Client) -> None:
        found: list[Answer] = []
        for _ in range(2):
            found += [await client.get(path) for path in ("/v1/orders/5", "/v1/shops/5", "/nowhere")]
            found += [await client.post("/v1/orders", {}), await client.call("DELETE", "/v1/orders")]
        ids = [answer.json["request_id"] for answer in found]
        assert len(set(ids)) == len(ids) == 10
        assert len({request_id.partition("-")[0] for request_id in ids}) == 1, "of one engine"
        text = (await client.get("/metrics", role="")).body
        assert requests(text, "none") == {"404": 2, "405": 2}

    run(tmp_path, check)


@pytest.mark.parametrize("where", ["the handler", "the writer"])
def test_the_log_has_a_mistake_of_ours_under_the_id_that_its_caller_was_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    async def broken(*_: Any) -> Any:
        raise ValueError("what the caller must not see")

    async def check(client: Client) -> None:
        if where == "the handler":
            client.engine.store.select = broken  # type: ignore[method-assign, assignment]
            answer = await client.get("/v1/orders/5")
        else:
            client.engine.writer.executor.execute = broken  # type: ignore[method-assign, assignment]
            answer = await client.post("/v1/shops", {"name": "b", "currency": "GBP"})
        assert (answer.status, answer.code) == (500, "defect")
        assert b"must not see" not in answer.body
        told.append(answer.json["request_id"])

    told: list[str] = []
    with caplog.at_level(logging.ERROR, logger="liverush.engine"):
        run(tmp_path, check)
    assert f"request {told[0]}: " in caplog.text
    assert "what the caller must not see" in caplog.text, "and the cause"
