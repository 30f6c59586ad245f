"""Goods on their way back and goods sent again, over HTTP and on both kinds of database."""

from __future__ import annotations

import asyncio
from typing import Any

from sim.engine.audit.run import audit
from tests.engine.client import Client, paid, serving
from tests.engine.databases import Database
from tests.engine.test_reading import delivered


async def granted(client: Client, kind: str) -> tuple[str, str]:
    """Have an order delivered whose goods should come back; return it and the return."""
    order = await client.order(await client.sku(await client.shop()))
    await paid(client, order)
    await delivered(client, order)
    wish = str((await client.made(f"/v1/orders/{order}/returns", {"type": kind}))["id"])
    await client.made(f"/v1/returns/{wish}:approve", None)
    return order, wish


def run(database: Database, attempt: Any) -> None:
    async def main() -> None:
        async with serving(database.store()) as client:
            await attempt(client)
            report = await audit(client.engine.store, client.engine.executor.clock())
            assert report.broken() == {}

    asyncio.run(main())


def test_the_buyer_says_that_the_goods_are_on_their_way(database: Database) -> None:
    async def attempt(client: Client) -> None:
        order, wish = await granted(client, "RETURN_AND_REFUND")
        target, body = f"/v1/returns/{wish}:ship", {"tracking_number": "1Z9"}
        assert (await client.post(target, body, role="merchant")).code == "forbidden"
        assert (await client.post("/v1/returns/7:ship", body, role="buyer")).code == "not_found"
        sent = (await client.post(target, body, role="buyer")).json
        assert (sent["status"], sent["tracking_number"]) == ("BUYER_SHIPPED", "1Z9")
        assert None not in (sent["shipped_at"], sent["receive_by"])
        assert (await client.get(f"/v1/returns/{wish}")).json == sent
        assert (await client.post(target, body, role="buyer")).code == "already_answered"
        events = (await client.get(f"/v1/orders/{order}/events")).json["items"]
        assert events[-1]["data"]["event"] == "return.shipped"
        assert (await client.made(f"/v1/returns/{wish}:receive", {}))["status"] == "COMPLETED"
        assert (await client.get(f"/v1/orders/{order}")).json["refunded"]["amount"] == "1290"

    run(database, attempt)


def test_a_cancelled_replacement_refunds_the_order_that_was_paid(database: Database) -> None:
    async def attempt(client: Client) -> None:
        order, wish = await granted(client, "REPLACEMENT")
        new = (await client.made(f"/v1/returns/{wish}:receive", {}))["replacement_id"]
        seen = (await client.get(f"/v1/orders/{new}")).json
        assert (seen["replaces_id"], seen["total"]["amount"]) == (order, "0")
        await client.made(f"/v1/orders/{new}/cancellations", {})
        assert (await client.get(f"/v1/orders/{new}")).json["status"] == "CANCELLED"
        seen = (await client.get(f"/v1/orders/{order}")).json
        assert (seen["replaces_id"], seen["refunded"]["amount"]) == (None, "1290")

    run(database, attempt)
