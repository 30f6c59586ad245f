"""Goods, shelves, prices, stock, shows and flash sales over the API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.engine.client import Client, Try, serving
from tests.engine.databases import Database

BEGIN, END = "2030-01-01T19:00:00Z", "2030-01-01T19:10:00+00:00"


def plain(name: str, price: str = "500", **more: Any) -> dict[str, Any]:
    return {"seller_sku": name, "price": {"amount": price, "currency": "GBP"}, **more}


async def room_with_product(client: Client) -> tuple[str, str]:
    """A live room (not started) and a product in its bag."""
    shop = await client.shop()
    product = await client.made(f"/v1/shops/{shop}/products", {"title": "mug", "skus": [plain("mug")]})
    body = {"shop_id": shop, "title": "show", "product_ids": [product["id"]]}
    room = await client.made("/v1/live-rooms", body)
    return str(room["id"]), str(product["id"])


def test_a_product_is_read_as_it_was_made(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        shop = await client.shop()
        body = {"title": "Mug", "category": "kitchen", "skus": [plain("mug/red", on_hand=3), plain("mug/blue", "700")]}
        made = await client.post(f"/v1/shops/{shop}/products", body)
        assert made.status == 201
        assert made.headers["etag"] == '"1"'
        read = await client.get(made.headers["location"])
        assert read.json == made.json
        assert [sku["seller_sku"] for sku in read.json["skus"]] == ["mug/red", "mug/blue"]
        units = await client.get(f"/v1/skus/{read.json['skus'][0]['id']}/inventory")
        assert units.json["available"] == 3

    with_engine(attempt)


def test_a_name_that_the_shop_has_for_another_sku_is_a_duplicate(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        shop, other = await client.shop(), await client.shop()
        await client.sku(shop, "mug")
        again = await client.post(f"/v1/shops/{shop}/products", {"title": "x", "skus": [plain("mug")]})
        assert (again.status, again.code) == (409, "duplicate")
        twice = await client.post(f"/v1/shops/{shop}/products", {"title": "x", "skus": [plain("a"), plain("a")]})
        assert twice.json["errors"][0]["pointer"] == "/skus/1/seller_sku"
        await client.sku(other, "mug")  # another shop may

    with_engine(attempt)


def test_a_bundle_is_made_of_the_stock_of_its_parts(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        shop = await client.shop()
        mug, spoon = await client.sku(shop, "mug", on_hand=10), await client.sku(shop, "spoon", on_hand=10)
        parts = [{"sku_id": mug, "units": 2}, {"sku_id": spoon}]
        product = await client.made(f"/v1/shops/{shop}/products", {"title": "set", "skus": [plain("set", parts=parts)]})
        bundle = product["skus"][0]
        assert bundle["parts"] == [{"sku_id": mug, "units": 2}, {"sku_id": spoon, "units": 1}]
        assert (await client.get(f"/v1/skus/{bundle['id']}/inventory")).status == 404
        await client.order(bundle["id"], quantity=4)
        assert (await client.get(f"/v1/skus/{mug}/inventory")).json["reserved"] == 8
        assert (await client.get(f"/v1/skus/{spoon}/inventory")).json["reserved"] == 4
        quote = await client.post("/v1/checkout/quotes", {"lines": [{"sku_id": bundle["id"], "quantity": 1}]})
        assert quote.json["lines"][0]["available"] == 1

    with_engine(attempt)


_IMPOSSIBLE_SKUS: tuple[tuple[dict[str, Any], str], ...] = (
    (plain("b", parts=[{"sku_id": "1"}]), "unknown_sku"),
    (plain("b", parts=[{"sku_id": "1"}, {"sku_id": "1"}]), "invalid"),
    (plain("b", parts=[{"sku_id": "1"}], on_hand=1), "invalid"),
    (plain("b", "0"), "invalid"),
    (plain("b", "12345678901"), "invalid"),
    (plain("nul\0"), "invalid"),
    ({"seller_sku": "b", "price": {"amount": "1", "currency": "USD"}}, "currency_mismatch"),
)


def test_a_sku_that_cannot_be_is_refused_and_nothing_made(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        shop = await client.shop()
        for sku, code in _IMPOSSIBLE_SKUS:
            answer = await client.post(f"/v1/shops/{shop}/products", {"title": "x", "skus": [sku]})
            assert (answer.status, answer.code) == (422, code), sku
        assert (await client.get("/v1/products")).json["items"] == []

    with_engine(attempt)


def test_a_bundle_is_no_part_of_a_bundle(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        shop = await client.shop()
        mug = await client.sku(shop)
        body = {"title": "two", "skus": [plain("two", parts=[{"sku_id": mug, "units": 2}])]}
        two = (await client.made(f"/v1/shops/{shop}/products", body))["skus"][0]["id"]
        nested = {"title": "four", "skus": [plain("four", parts=[{"sku_id": two, "units": 2}])]}
        assert (await client.post(f"/v1/shops/{shop}/products", nested)).code == "unknown_sku"

    with_engine(attempt)


def test_a_product_has_at_most_100_skus_and_keeps_their_order(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        shop = await client.shop()
        names = [f"v{number}" for number in range(100)]
        body: dict[str, Any] = {"title": "all", "skus": [plain(name, on_hand=1) for name in names]}
        product = await client.made(f"/v1/shops/{shop}/products", body)
        read = (await client.get(f"/v1/products/{product['id']}")).json
        assert [sku["seller_sku"] for sku in read["skus"]] == names
        body["skus"].append(plain("v100"))
        assert (await client.post(f"/v1/shops/{shop}/products", body)).code == "invalid"

    with_engine(attempt)


def test_what_is_off_the_shelf_cannot_be_bought(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop())
        product = (await client.get(f"/v1/skus/{sku}")).json["product_id"]
        path = f"/v1/products/{product}"
        assert (await client.patch(path, {"active": False})).code == "precondition_required"
        assert (await client.patch(path, {"active": False}, if_match='"7"')).code == "version_changed"
        assert (await client.patch(path, {"active": False}, if_match="nonsense")).code == "malformed"
        changed = await client.patch(path, {"active": False}, if_match='"1"')
        assert (changed.status, changed.headers["etag"], changed.json["active"]) == (200, '"2"', False)
        body = {"buyer_id": "b", "lines": [{"sku_id": sku, "quantity": 1}]}
        assert (await client.post("/v1/orders", body)).code == "off_shelf"
        assert (await client.patch(path, {"active": True, "title": "New"}, if_match="*")).json["title"] == "New"
        await client.order(sku)

    with_engine(attempt)


def test_a_new_price_meets_only_new_orders(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop(), price="1000")
        before = await client.order(sku)
        price = {"price": {"amount": "1500", "currency": "GBP"}}
        dollars = {"price": {"amount": "1500", "currency": "USD"}}
        assert (await client.patch(f"/v1/skus/{sku}", dollars, if_match="*")).code == "currency_mismatch"
        assert (await client.patch(f"/v1/skus/{sku}", price, if_match='"1"')).status == 200
        assert (await client.patch(f"/v1/skus/{sku}", price, if_match='"1"')).status == 412
        after = await client.order(sku)
        totals = [(await client.get(f"/v1/orders/{order}")).json["total"]["amount"] for order in (before, after)]
        assert totals == ["1000", "1500"]

    with_engine(attempt)


def test_inventory_is_set_only_as_it_was_read_and_never_below_what_is_reserved(
    with_engine: Callable[[Try], None],
) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop(), on_hand=5)
        path = f"/v1/skus/{sku}/inventory"
        stale = (await client.get(path)).headers["etag"]
        await client.order(sku, quantity=3)
        assert (await client.put(path, {"on_hand": 9}, if_match=stale)).code == "version_changed"
        assert (await client.put(path, {"on_hand": 9}, if_match='"0"')).code == "version_changed"
        assert (await client.put(path, {"on_hand": 2}, if_match="*")).code == "below_reserved"
        fresh = (await client.get(path)).headers["etag"]
        now = await client.put(path, {"on_hand": 9}, if_match=fresh)
        shown = {key: now.json[key] for key in ("on_hand", "reserved", "held", "available")}
        assert shown == {"on_hand": 9, "reserved": 3, "held": 3, "available": 6}

    with_engine(attempt)


def test_the_answer_to_a_retry_has_the_etag_of_the_first(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop())
        stock = f"/v1/skus/{sku}/inventory-adjustments"
        for key, path, body in (
            ("shop", "/v1/shops", {"name": "x", "currency": "GBP"}),
            ("more", stock, {"delta": 1}),
            ("less", stock, {"delta": -100}),
        ):
            first = await client.post(path, body, idempotency_key=key)
            again = await client.post(path, body, idempotency_key=key)
            assert again.headers.pop("idempotent-replayed") == "true"
            assert (again.status, again.headers.get("etag")) == (first.status, first.headers.get("etag"))
            assert ("etag" in first.headers) == (first.status == 201)

    with_engine(attempt)


def test_an_adjustment_counts_once_however_often_it_is_sent(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop(), on_hand=5)
        path = f"/v1/skus/{sku}/inventory-adjustments"
        body = {"delta": 10, "reason": "received"}
        first = await client.post(path, body, idempotency_key="delivery-7")
        again = await client.post(path, body, idempotency_key="delivery-7")
        assert (first.status, first.json["on_hand"]) == (201, 15)
        assert (again.status, again.json, again.headers["idempotent-replayed"]) == (201, first.json, "true")
        assert (await client.post(path, {"delta": -16})).code == "below_reserved"

    with_engine(attempt)


def test_only_a_live_room_pins_and_only_what_is_in_its_bag(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        room, product = await room_with_product(client)
        pin = f"/v1/live-rooms/{room}/pinned-product"
        assert (await client.put(pin, {"product_id": product}, if_match="*")).code == "not_live"
        assert (await client.post(f"/v1/live-rooms/{room}:start")).json["status"] == "LIVE"
        assert (await client.post(f"/v1/live-rooms/{room}:start")).status == 200
        assert (await client.put(pin, {"product_id": product}, if_match="*")).json["pinned_product_id"] == product
        assert (await client.put(pin, {"product_id": "77"}, if_match="*")).code == "not_in_bag"
        emptied = await client.put(f"/v1/live-rooms/{room}/shopping-bag", {"product_ids": []}, if_match="*")
        assert (emptied.json["product_ids"], emptied.json["pinned_product_id"]) == ([], None)
        assert (await client.post(f"/v1/live-rooms/{room}:end")).json["status"] == "ENDED"
        assert (await client.post(f"/v1/live-rooms/{room}:start")).code == "illegal_transition"
        assert (
            await client.put(f"/v1/live-rooms/{room}/shopping-bag", {"product_ids": []}, if_match="*")
        ).code == "not_live"

    with_engine(attempt)


def test_a_room_is_changed_only_as_it_was_read(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        room, product = await room_with_product(client)
        path = f"/v1/live-rooms/{room}"
        read = (await client.get(path)).headers["etag"]
        filled = await client.put(f"{path}/shopping-bag", {"product_ids": [product]}, if_match=read)
        assert filled.status == 200
        assert (await client.put(f"{path}/shopping-bag", {"product_ids": []}, if_match=read)).code == "version_changed"
        live = await client.post(f"{path}:start")
        pin = {"product_id": product}
        assert (await client.put(f"{path}/pinned-product", pin, if_match=filled.headers["etag"])).status == 412
        assert (await client.put(f"{path}/pinned-product", pin)).code == "precondition_required"
        assert (await client.put(f"{path}/pinned-product", pin, if_match=live.headers["etag"])).status == 200

    with_engine(attempt)


def test_a_bag_holds_known_products_once_each_and_100_at_most(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        room, product = await room_with_product(client)
        path = f"/v1/live-rooms/{room}/shopping-bag"
        assert (await client.put(path, {"product_ids": [product, product]}, if_match="*")).code == "invalid"
        unknown = await client.put(path, {"product_ids": [product, "5"]}, if_match="*")
        assert unknown.json["errors"][0]["pointer"] == "/product_ids/1"
        assert (await client.put(path, {"product_ids": ["5"] * 101}, if_match="*")).code == "invalid"

    with_engine(attempt)


def test_a_sku_has_one_flash_sale_at_a_time(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop())
        body = {"sku_id": sku, "activity_price": {"amount": "900", "currency": "GBP"}, "begin": BEGIN, "end": END}
        sale = await client.post("/v1/promotions", body)
        assert sale.status == 201
        assert (await client.get(sale.headers["location"])).json == sale.json
        assert sale.json["begin"] == "2030-01-01T19:00:00.000000Z"
        overlap = await client.post(
            "/v1/promotions", body | {"begin": "2030-01-01T19:09:59Z"} | {"end": "2031-01-01T00:00:00Z"}
        )
        assert (overlap.status, overlap.code, overlap.json["promotion_id"]) == (409, "conflict", sale.json["id"])
        later = body | {"begin": END, "end": "2030-01-01T20:30:00+01:00"}
        assert (await client.post("/v1/promotions", later)).status == 201
        assert len((await client.get(f"/v1/promotions?sku_id={sku}")).json["items"]) == 2

    with_engine(attempt)


_IMPOSSIBLE_SALES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"end": BEGIN}, "invalid"),
    ({"begin": "2030-01-01T19:00:00"}, "invalid"),
    ({"begin": "1969-01-01T19:00:00Z"}, "invalid"),
    ({"sku_id": "5"}, "unknown_sku"),
    ({"live_room_id": "5"}, "invalid"),
    ({"activity_type": "BUY_MORE_SAVE_MORE"}, "invalid"),
    ({"activity_price": {"amount": "900", "currency": "USD"}}, "currency_mismatch"),
    ({"activity_price": {"amount": "1291", "currency": "GBP"}}, "invalid"),
    ({"quantity_limit": -1}, "invalid"),
    ({"quantity_limt": 1}, "invalid"),
)


def test_a_flash_sale_that_cannot_be_is_refused(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop())
        body = {"sku_id": sku, "activity_price": {"amount": "900", "currency": "GBP"}, "begin": BEGIN, "end": END}
        for change, code in _IMPOSSIBLE_SALES:
            answer = await client.post("/v1/promotions", body | change)
            assert (answer.status, answer.code) == (422, code), change

    with_engine(attempt)


def test_a_flash_sale_of_a_live_room_holds_only_inside_it(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        room, product = await room_with_product(client)
        await client.made(f"/v1/live-rooms/{room}:start", None)
        sku = (await client.get(f"/v1/products/{product}")).json["skus"][0]["id"]
        await client.made(f"/v1/skus/{sku}/inventory-adjustments", {"delta": 5})
        sale = {
            "sku_id": sku,
            "activity_price": {"amount": "100", "currency": "GBP"},
            "begin": "2020-01-01T00:00:00Z",
            "end": "2120-01-01T00:00:00Z",
            "quantity_limit": 2,
            "quantity_per_user": 1,
            "live_room_id": room,
        }
        deal = (await client.made("/v1/promotions", sale))["id"]
        lines = [{"sku_id": sku, "quantity": 1}]
        outside = await client.post("/v1/checkout/quotes", {"lines": lines, "promotion_id": deal})
        inside = await client.post("/v1/checkout/quotes", {"lines": lines, "promotion_id": deal, "live_room_id": room})
        assert (outside.json["total"]["amount"], inside.json["total"]["amount"]) == ("500", "100")
        cart = {"buyer_id": "b", "lines": lines, "promotion_id": deal, "attribution": {"live_room_id": room}}
        assert (await client.made("/v1/orders", cart))["total"]["amount"] == "100"
        assert (await client.get(f"/v1/promotions/{deal}")).json["used"] == 1
        await client.made(f"/v1/live-rooms/{room}:end", None)
        assert (await client.post("/v1/orders", cart | {"buyer_id": "c"})).code == "not_live"

    with_engine(attempt)


def test_a_video_shows_a_known_product(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        shop = await client.shop()
        product = await client.made(f"/v1/shops/{shop}/products", {"title": "mug", "skus": [plain("mug")]})
        body = {"shop_id": shop, "product_id": product["id"], "title": "how it is made"}
        video = await client.post("/v1/videos", body)
        assert (await client.get(video.headers["location"])).json == video.json
        assert (await client.post("/v1/videos", body | {"product_id": "5"})).code == "invalid"

    with_engine(attempt)


def test_buyers_may_look_but_not_change_the_catalogue(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        body = {"name": "mine", "currency": "GBP"}
        assert (await client.post("/v1/shops", body, role="buyer")).code == "forbidden"
        assert (await client.get("/v1/shops", role="buyer")).status == 200
        assert (await client.get("/v1/shops", role="")).code == "unauthorized"

    with_engine(attempt)


def test_the_catalogue_is_the_same_after_a_restart(database: Database) -> None:
    async def main() -> None:
        async with serving(database.store()) as client:
            shop = await client.shop()
            await client.sku(shop, "mug")
            before = (await client.get("/v1/products")).json
        async with serving(database.store()) as client:
            assert (await client.get("/v1/products")).json == before
            again = await client.post(f"/v1/shops/{shop}/products", {"title": "x", "skus": [plain("mug")]})
            assert again.code == "duplicate"
            await client.order(before["items"][0]["skus"][0]["id"])

    asyncio.run(main())


async def sale_of(client: Client, sku: str, price: str = "100", **more: Any) -> Any:
    """Announce a flash sale that is open; return the answer."""
    body = {"sku_id": sku, "activity_price": {"amount": price, "currency": "GBP"}} | more
    return await client.post("/v1/promotions", {"begin": "2020-01-01T00:00:00Z", "end": "2120-01-01T00:00:00Z"} | body)


def test_a_flash_sale_is_ended_and_its_sku_may_have_another(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop())
        later = {"begin": "2119-01-01T00:00:00Z"}
        for when in ({}, later):
            deal = (await sale_of(client, sku, **when)).json
            path = f"/v1/promotions/{deal['id']}"
            assert (await client.post(f"{path}:end")).headers["etag"] == '"2"'
            ended = await client.post(f"{path}:end")
            assert (ended.status, ended.json) == (200, (await client.get(path)).json), "twice is once"
            assert deal["begin"] <= ended.json["end"] < deal["end"]
            cart = {"buyer_id": "b", "lines": [{"sku_id": sku, "quantity": 1}], "promotion_id": deal["id"]}
            assert (await client.post("/v1/orders", cart)).code == "deal_closed"
        assert (await sale_of(client, sku)).status == 201
        assert (await client.post("/v1/promotions/5:end")).code == "not_found"

    with_engine(attempt)


def test_the_flash_sale_of_a_show_that_is_over_keeps_no_other_out(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        shop = await client.shop()
        sku = await client.sku(shop)
        room = (await client.made("/v1/live-rooms", {"shop_id": shop, "title": "show"}))["id"]
        await client.made(f"/v1/live-rooms/{room}:start", None)
        assert (await sale_of(client, sku, live_room_id=room)).status == 201
        assert (await sale_of(client, sku)).code == "conflict"
        await client.made(f"/v1/live-rooms/{room}:end", None)
        assert (await sale_of(client, sku)).status == 201

    with_engine(attempt)


def test_no_price_makes_a_flash_sale_the_dearer_one(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop())
        deal = (await sale_of(client, sku, "600")).json["id"]

        async def priced(amount: str) -> Any:
            price = {"price": {"amount": amount, "currency": "GBP"}}
            return await client.patch(f"/v1/skus/{sku}", price, if_match="*")

        refused = await priced("599")
        assert (refused.code, refused.json["promotion_id"]) == ("conflict", deal)
        assert (await priced("600")).status == 200
        await client.made(f"/v1/promotions/{deal}:end", None)
        assert (await priced("599")).status == 200

    with_engine(attempt)


def test_a_quote_is_of_what_an_order_would_be(with_engine: Callable[[Try], None]) -> None:
    async def attempt(client: Client) -> None:
        sku = await client.sku(await client.shop(), price="500")
        deal = (await sale_of(client, sku, quantity_limit=2, quantity_per_user=1)).json["id"]

        async def quoted(*quantities: int, promotion: str = deal) -> Any:
            lines = [{"sku_id": sku, "quantity": quantity} for quantity in quantities]
            return await client.post("/v1/checkout/quotes", {"lines": lines, "promotion_id": promotion})

        assert (await quoted(1)).json["total"]["amount"] == "100"
        for too_many in ((2,), (1, 1), (3,)):
            (line,) = (await quoted(*too_many)).json["lines"]
            assert (line["unit_price"]["amount"], line["promotion_id"]) == ("500", None)
        assert (await quoted(1, promotion="5")).json["errors"][0]["pointer"] == "/promotion_id"
        assert (await quoted(1_000_000, 1)).json["errors"][0]["pointer"] == "/lines/0"
        dear = await client.sku(await client.shop(), price="9999999999")
        body = {"lines": [{"sku_id": dear, "quantity": 101}]}
        assert (await client.post("/v1/checkout/quotes", body)).code == "invalid"

    with_engine(attempt)
