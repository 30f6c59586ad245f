"""Reading orders, what hangs on them, the feed and the engine's own state; on both kinds of database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from sim.engine import views
from sim.engine.calls import Call
from sim.engine.reading import read_cases
from sim.engine.resources import OrderView
from sim.engine.stores.store import StoreUnavailable
from sim.orders.commands import TrackPackage
from sim.orders.entities import PackageStatus
from tests.engine.client import Client, Try, paid, serving


async def delivered(client: Client, order_id: str) -> str:
    """Confirm, pack, ship and deliver a paid order; return its parcel."""
    await client.made(f"/v1/orders/{order_id}:confirm", None)
    package = str((await client.made(f"/v1/orders/{order_id}/packages", {}))["id"])
    await client.made(f"/v1/packages/{package}:ship", None)
    for status in (PackageStatus.COLLECTED, PackageStatus.DELIVERED):
        command = TrackPackage(int(order_id), int(package), status)
        await client.engine.writer.submit(Call(command, views.nothing))
    return package


def test_orders_changed_since_are_the_same_whether_little_or_much_has_changed(
    with_engine: Callable[[Try], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.engine.reading._FEW_EVENTS", 4)

    async def attempt(client: Client) -> None:
        store, shop = client.engine.store, await client.shop()
        mug = await client.sku(shop)
        orders = [await client.order(mug) for _ in range(4)]
        await paid(client, orders[1])
        await paid(client, orders[0])
        events = await store.select("SELECT at_us, order_id FROM events WHERE order_id > 0 ORDER BY seq")
        for since_us, _ in events:
            expected = sorted({order_id for at_us, order_id in events if at_us > since_us})
            cases, _ = await read_cases(store, 0, 100, since_us=since_us)
            assert [case.order.id for case in cases] == expected

    with_engine(attempt)


def test_an_order_is_read_with_all_its_lines(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        shop = await client.shop()
        lines = [{"sku_id": await client.sku(shop, name), "quantity": n} for n, name in enumerate("abc", 1)]
        body = {"buyer_id": "ada", "lines": lines, "address": {"city": "Leeds"}}
        placed = await client.post("/v1/orders", body)
        read = await client.get(placed.headers["location"])
        order = msgspec.json.decode(read.body, type=OrderView)
        assert [(line.line, line.quantity, line.phase) for line in order.lines] == [
            (1, 1, "HELD"),
            (2, 2, "HELD"),
            (3, 3, "HELD"),
        ]
        assert (read.json["address"], order.total.amount) == ({"city": "Leeds"}, str(6 * 1290))

    with_engine(attempt)


def test_orders_come_page_by_page_each_once(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        shop = await client.shop()
        skus = [await client.sku(shop, name, on_hand=100) for name in "ab"]
        made = []
        for number in range(7):
            cart = {"buyer_id": f"b{number % 2}", "lines": [{"sku_id": sku, "quantity": 1} for sku in skus]}
            made.append((await client.made("/v1/orders", cart))["id"])
        found: list[str] = []
        token = ""
        for size in (3, 3, 1):
            page = (await client.get(f"/v1/orders?limit=3{token}")).json
            assert len(page["items"]) == size
            assert all(len(order["lines"]) == 2 for order in page["items"])
            found += [order["id"] for order in page["items"]]
            token = f"&page_token={page['next_page_token']}"
        assert (found, page["next_page_token"]) == (made, None)
        own = (await client.get("/v1/orders?buyer_id=b1&limit=500")).json["items"]
        assert [order["id"] for order in own] == made[1::2]

    with_engine(attempt)


def test_orders_are_found_by_state_and_by_when_they_changed(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop())
        first, second = await client.order(sku), await client.order(sku)
        moment = (await client.get(f"/v1/orders/{second}/events")).json["items"][-1]["created_at"]
        await paid(client, first)

        async def found(query: str) -> list[str]:
            return [order["id"] for order in (await client.get(f"/v1/orders?{query}")).json["items"]]

        assert await found("status=ON_HOLD") == [first]
        assert await found("status=UNPAID") == [second]
        assert await found(f"updated_after={moment}") == [first]
        assert await found("updated_after=2020-01-01T00:00:00%2B02:00") == [first, second]
        assert await found("updated_after=2020-01-01T00:00:00+02:00") == [first, second]
        assert await found("updated_after=2999-01-01T00:00:00Z") == []

    with_engine(attempt)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/orders?status=PAID",
        "/v1/orders?updated_after=yesterday",
        "/v1/orders?limit=0",
        "/v1/orders?limit=501",
        "/v1/orders?limit=",
        "/v1/orders?limit=5&limit=6",
        "/v1/orders?page_token=abc",
        "/v1/orders?buyer_id=%00",
        "/v1/orders?order=asc",
        "/v1/orders?" + "&".join(f"a{n}=1" for n in range(50)),
        "/v1/events?after=-1",
        "/v1/products?shop_id=9999999999999999999",
        "/healthz?verbose=1",
    ],
)
def test_a_wrong_parameter_is_told(tmp_path: Any, target: str) -> None:
    from sim.engine.stores.sqlite import SqliteStore

    async def main() -> None:
        async with serving(SqliteStore(tmp_path / "engine.sqlite3")) as client:
            answer = await client.get(target)
            assert (answer.status, answer.code) == (400, "invalid_parameter")

    asyncio.run(main())


def test_all_that_hangs_on_an_order_can_be_read(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop())
        order = await client.order(sku)
        await paid(client, order)
        package = await delivered(client, order)
        wish = (await client.made(f"/v1/orders/{order}/returns", {"type": "REFUND"}))["id"]
        await client.made(f"/v1/returns/{wish}:approve", None)
        for table, what in (("payments", "CAPTURED"), ("packages", "DELIVERED"), ("returns", "COMPLETED")):
            (listed,) = (await client.get(f"/v1/orders/{order}/{table}")).json["items"]
            assert listed["status"] == what
            assert (await client.get(f"/v1/{table}/{listed['id']}")).json == listed
        (refund,) = (await client.get(f"/v1/orders/{order}/refunds")).json["items"]
        assert refund["amount"]["amount"] == "1290"
        assert (await client.get(f"/v1/packages/{package}")).json["lines"] == [1]
        other = await client.order(sku)
        cancelled = await client.made(f"/v1/orders/{other}/cancellations", {"reason": "too big"})
        assert (await client.get(f"/v1/cancellations/{cancelled['id']}")).json == cancelled

    with_engine(attempt)


def test_what_is_not_there_is_not_found(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        parts = ("payments", "refunds", "packages", "cancellations", "returns")
        targets = ["/v1/orders/7", "/v1/orders/7/events", "/v1/orders/0/events", "/v1/orders/nonsense", "/v1/skus/7"]
        targets += [f"/v1/orders/7/{part}" for part in parts] + [f"/v1/{part}/7" for part in parts]
        targets += ["/v1/webhook-endpoints/7", "/v1/orders/1234567890123456789", "/v1/skus/7/inventory"]
        for target in targets:
            answer = await client.get(target)
            assert (answer.status, answer.code) == (404, "not_found"), target
        order = await client.order(await client.sku(await client.shop()))
        for part in parts:
            assert (await client.get(f"/v1/orders/{order}/{part}")).json == {"items": []}

    with_engine(attempt)


def test_a_history_is_numbered_from_1_and_the_feed_has_all_of_it(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop())
        order = await client.order(sku)
        await client.made(f"/v1/skus/{sku}/inventory-adjustments", {"delta": 1})
        await paid(client, order)
        history = (await client.get(f"/v1/orders/{order}/events")).json["items"]
        assert [event["data"]["seq"] for event in history] == [1, 2, 3]
        first = (await client.get(f"/v1/orders/{order}/events?limit=2")).json
        second = (await client.get(f"/v1/orders/{order}/events?page_token={first['next_page_token']}&limit=2")).json
        assert (first["items"] + second["items"], second["next_page_token"]) == (history, None)
        assert history[-1]["data"] | {"from": "UNPAID", "to": "ON_HOLD"} == history[-1]["data"]
        feed: list[Any] = []
        after = 0
        while page := (await client.get(f"/v1/events?after={after}&limit=2")).json:
            if not page["items"]:
                break
            feed += page["items"]
            after = page["next_after"]
        assert [event["id"] for event in feed] == ["1", "2", "3", "4"]
        assert feed[1]["data"]["event"] == "stock.changed"
        assert [event for event in feed if event["data"].get("order_id") == order] == history

    with_engine(attempt)


def test_a_consumer_that_takes_every_event_twice_ends_where_the_orders_are(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop())
        orders = [await client.order(sku) for _ in range(3)]
        await paid(client, orders[0])
        await delivered(client, orders[0])
        await client.made(f"/v1/orders/{orders[1]}/cancellations", {})
        known: dict[str, tuple[int, str]] = {}
        feed = (await client.get("/v1/events")).json["items"]
        for event in (*feed, *feed):
            told = event["data"]
            if "order_id" in told and told["seq"] == known.get(told["order_id"], (0, ""))[0] + 1:
                known[told["order_id"]] = (told["seq"], told["to"])
        shown = [(await client.get(f"/v1/orders/{order}")).json for order in orders]
        assert known == {order["id"]: (order["version"], order["status"]) for order in shown}

    with_engine(attempt)


def test_the_merchant_sees_the_address_when_the_order_is_confirmed(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop())
        body = {"buyer_id": "ann", "lines": [{"sku_id": sku, "quantity": 1}], "address": {"city": "Leeds"}}
        order = (await client.made("/v1/orders", body))["id"]
        await paid(client, order)

        async def seen(role: str) -> list[Any]:
            one = (await client.get(f"/v1/orders/{order}", role=role)).json
            (listed,) = (await client.get("/v1/orders", role=role)).json["items"]
            return [one["address"], listed["address"]]

        assert await seen("merchant") == [None, None]
        assert await seen("buyer") == [{"city": "Leeds"}] * 2
        await client.made(f"/v1/orders/{order}:confirm", None)
        assert await seen("merchant") == [{"city": "Leeds"}] * 2

    with_engine(attempt)


def test_an_order_tells_when_time_next_acts_on_it(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        order = await client.order(await client.sku(await client.shop()))

        async def shown() -> dict[str, Any]:
            found: dict[str, Any] = (await client.get(f"/v1/orders/{order}")).json
            return found

        assert (await shown())["due_at"] == (await shown())["pay_by"]
        await paid(client, order)
        on_hold = await shown()
        hold = datetime.fromisoformat(on_hold["due_at"]) - datetime.fromisoformat(on_hold["paid_at"])
        assert hold == timedelta(hours=1)
        await client.made(f"/v1/orders/{order}:confirm", None)
        asked = (await client.post(f"/v1/orders/{order}/cancellations", {}, role="buyer")).json
        assert (await shown())["due_at"] == asked["answer_by"]
        await client.made(f"/v1/cancellations/{asked['id']}:reject", None)
        to_be_ready = await shown()
        waits = datetime.fromisoformat(to_be_ready["due_at"]) - datetime.fromisoformat(to_be_ready["paid_at"])
        assert waits == timedelta(days=3)

    with_engine(attempt)


def test_a_webhook_endpoint_shows_its_secret_once(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        body = {"url": "http://127.0.0.1:9/hook"}
        made = await client.made("/v1/webhook-endpoints", body)
        assert made["secret"].startswith("whsec_")
        (listed,) = (await client.get("/v1/webhook-endpoints")).json["items"]
        assert "secret" not in listed
        assert (await client.get(f"/v1/webhook-endpoints/{made['id']}")).json == listed
        await client.order(await client.sku(await client.shop()))
        assert (await client.post("/v1/events/1:redeliver")).json == {"event_id": "1", "endpoints": 1}
        assert (await client.post("/v1/events/99:redeliver")).code == "not_found"
        ended = await client.call("DELETE", f"/v1/webhook-endpoints/{made['id']}")
        assert (ended.status, ended.json["active"]) == (200, False)
        assert (await client.call("DELETE", f"/v1/webhook-endpoints/{made['id']}")).code == "not_found"
        for wrong in ({"url": "ftp://x"}, {"url": "http://u:p@x/"}, body | {"secret": "short"}):
            assert (await client.post("/v1/webhook-endpoints", wrong)).code == "invalid"

    with_engine(attempt)


def test_a_quote_reserves_nothing_and_tells_what_there_is(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop(), on_hand=3)
        lines = [{"sku_id": sku, "quantity": 2}, {"sku_id": sku, "quantity": 3}]
        quote = (await client.post("/v1/checkout/quotes", {"lines": lines}, role="buyer")).json
        (line,) = quote["lines"]
        assert (line["quantity"], line["available"], quote["total"]["amount"]) == (5, 3, "6450")
        assert (await client.get(f"/v1/skus/{sku}/inventory")).json["reserved"] == 0
        unknown = await client.post("/v1/checkout/quotes", {"lines": [{"sku_id": "7", "quantity": 1}]})
        assert (unknown.status, unknown.code) == (422, "unknown_sku")

    with_engine(attempt)


def test_readiness_ends_with_the_store_and_health_does_not(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        assert (await client.get("/readyz", role="")).json == {"status": "ready"}
        client.engine.writer.failed = StoreUnavailable("disk full")
        failed = await client.get("/readyz", role="")
        assert (failed.code, failed.headers["retry-after"]) == ("store_unavailable", "1")
        client.engine.writer.failed = None
        client.engine.ready = False
        assert (await client.get("/readyz", role="")).code == "not_ready"
        assert (await client.get("/healthz", role="")).status == 200

    with_engine(attempt)


def test_metrics_count_units_and_requests(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop(), on_hand=9)
        await client.order(sku, quantity=2)
        paid_order = await client.order(sku, quantity=3)
        await paid(client, paid_order, 3 * 1290)
        text = (await client.get("/metrics", role="")).body.decode()
        assert "liverush_held_units 2.0" in text
        assert "liverush_committed_units 3.0" in text
        assert 'liverush_requests_total{route="POST /v1/orders",status="201"} 2.0' in text

    with_engine(attempt)


def test_webhook_endpoints_come_in_pages_and_those_that_are_active_alone(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        path = "/v1/webhook-endpoints"
        made = [(await client.made(path, {"url": "http://127.0.0.1:9/hook"}))["id"] for _ in range(3)]
        await client.call("DELETE", f"{path}/{made[0]}")
        first = (await client.get(f"{path}?limit=2")).json
        assert [one["id"] for one in first["items"]] == made[:2]
        rest = (await client.get(f"{path}?limit=2&page_token={first['next_page_token']}")).json
        assert ([one["id"] for one in rest["items"]], rest["next_page_token"]) == (made[2:], None)
        for word, expected in (("true", made[1:]), ("false", made[:1])):
            assert [one["id"] for one in (await client.get(f"{path}?active={word}")).json["items"]] == expected

    with_engine(attempt)
