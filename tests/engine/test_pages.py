"""How much is read for an answer: no more than it shows, and a page ends early where things are large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sim.engine.paging import fitting
from sim.engine.stores.store import Rows, Store
from tests.engine.client import Client, Try, paid

ADDRESS = {f"line {number}": "\u00fc" * 1000 for number in range(30)}


def reads_of(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The rows that a store gives to readers from now on."""
    seen: list[tuple[Any, ...]] = []

    def watched(name: str) -> None:
        read = getattr(store, name)

        async def watching(sql: str, parameters: Sequence[Any] = ()) -> Rows:
            rows: Rows = await read(sql, parameters)
            seen.extend(rows)
            return rows

        monkeypatch.setattr(store, name, watching)

    watched("select")
    watched("scan")
    return seen


def longest(rows: list[tuple[Any, ...]]) -> int:
    """The characters of the longest text."""
    return max(len(value) for row in rows for value in row if isinstance(value, str))


def test_what_hangs_on_an_order_is_read_without_its_lines_and_address(
    with_engine: Callable[[Try], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def attempt(client: Client) -> None:
        shop = await client.shop()
        lines = [{"sku_id": await client.sku(shop, name), "quantity": 1} for name in "abcd"]
        cart = {"buyer_id": "ada", "lines": lines, "address": ADDRESS}
        order = (await client.made("/v1/orders", cart))["id"]
        await paid(client, order, 4 * 1290)
        body = {"amount": {"amount": "1", "currency": "GBP"}}
        refunds = [await client.made(f"/v1/orders/{order}/refunds", body) for _ in range(3)]
        await client.made(f"/v1/orders/{order}:confirm", None)
        parcels = [await client.made(f"/v1/orders/{order}/packages", {"lines": these}) for these in ([2, 4], [1, 3])]
        wish = (await client.post(f"/v1/orders/{order}/cancellations", {}, role="buyer")).json
        seen = reads_of(client.engine.store, monkeypatch)
        for table, made, rows in (("refunds", refunds, 3), ("packages", parcels, 4), ("cancellations", [wish], 1)):
            seen.clear()
            assert (await client.get(f"/v1/orders/{order}/{table}")).json["items"] == made
            assert (len(seen), longest(seen) < 100) == (rows, True)
            assert (await client.get(f"/v1/{table}/{made[-1]['id']}")).json == made[-1]

    with_engine(attempt)


async def pages(client: Client, target: str) -> list[list[Any]]:
    """What is on each page of a list, as many as it has."""
    found = []
    token = "0"
    while token is not None:
        page = (await client.get(f"{target}&page_token={token}")).json
        found.append(page["items"])
        token = page["next_page_token"]
    return found


def test_a_page_of_long_orders_ends_early_and_goes_on(
    with_engine: Callable[[Try], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.engine.paging.PAGE_CHARACTERS", 70_000)

    async def attempt(client: Client) -> None:
        shop = await client.shop()
        lines = [{"sku_id": await client.sku(shop, name), "quantity": 1} for name in "abcd"]
        made = []
        for number in range(10):
            body = {"buyer_id": "ada", "lines": lines, "address": ADDRESS if number % 2 else {}}
            made.append((await client.made("/v1/orders", body))["id"])
        seen = reads_of(client.engine.store, monkeypatch)
        for query in ("", "&buyer_id=ada"):
            seen.clear()
            found = await pages(client, f"/v1/orders?limit=9{query}")
            # Three long ones are more than a page takes, with four lines each.
            assert [[order["id"] for order in page] for page in found] == [made[:6], made[6:]]
            orders = [order for page in found for order in page]
            assert {len(order["lines"]) for order in orders} == {4}
            assert [order["address"] for order in orders] == [{}, ADDRESS] * 5
            assert sum(len(value) > 1000 for row in seen for value in row if isinstance(value, str)) == 5

    with_engine(attempt)


def test_what_is_measured_ahead_of_a_page_is_little(
    with_engine: Callable[[Try], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.engine.paging.PAGE_CHARACTERS", 600)
    monkeypatch.setattr("sim.engine.paging._PORTION", 2)

    async def attempt(client: Client) -> None:
        mug = await client.sku(await client.shop())
        made = [await client.order(mug) for _ in range(9)]
        seen = reads_of(client.engine.store, monkeypatch)
        page = (await client.get("/v1/orders?limit=9")).json
        assert [order["id"] for order in page["items"]] == made[:3]
        assert len(seen) == 9 + 4 + 3  # ids; two portions of lengths; rows

    with_engine(attempt)


def test_an_order_that_goes_on_while_a_page_is_read_is_not_listed_in_the_state_that_it_had(
    with_engine: Callable[[Try], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def attempt(client: Client) -> None:
        mug = await client.sku(await client.shop())
        made = [await client.order(mug) for _ in range(4)]

        async def fitting_slowly(*arguments: Any) -> list[int]:
            await paid(client, made[2])
            return await fitting(*arguments)

        monkeypatch.setattr("sim.engine.reading.fitting", fitting_slowly)
        page = (await client.get("/v1/orders?status=UNPAID&limit=3")).json
        assert [order["id"] for order in page["items"]] == made[:2]
        assert page["next_page_token"] == made[2]

    with_engine(attempt)


def test_a_page_of_products_of_many_skus_ends_early_and_goes_on(
    with_engine: Callable[[Try], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.engine.paging.PAGE_CHARACTERS", 256 * 10)

    async def attempt(client: Client) -> None:
        shop = await client.shop()
        made: list[Any] = []
        price = {"amount": "500", "currency": "GBP"}
        for count in (4, 1, 5, 1, 12, 1, 1):
            skus: list[dict[str, Any]] = [{"seller_sku": f"{len(made)}-{n}", "price": price} for n in range(count)]
            made.append(await client.made(f"/v1/shops/{shop}/products", {"title": "x", "skus": skus}))
        parts = [{"sku_id": sku["id"], "units": 1} for sku in made[4]["skus"]]
        bundle = {"seller_sku": "set", "price": price, "parts": parts}
        made.append(await client.made(f"/v1/shops/{shop}/products", {"title": "set", "skus": [bundle]}))
        for query in ("", f"&shop_id={shop}"):
            assert await pages(client, f"/v1/products?limit=6{query}") == [made[:3], made[3:5], made[5:]]
        assert await pages(client, "/v1/products?limit=2") == [made[:2], made[2:4], [made[4]], made[5:7], made[7:]]
        skus = [sku for product in made for sku in product["skus"]]
        assert await pages(client, "/v1/skus?limit=20") == [skus[:10], skus[10:20], skus[20:]]

    with_engine(attempt)


def test_a_page_of_live_rooms_with_full_bags_ends_early_and_goes_on(
    with_engine: Callable[[Try], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.engine.paging.PAGE_CHARACTERS", 700)

    async def attempt(client: Client) -> None:
        shop, price = await client.shop(), {"amount": "500", "currency": "GBP"}
        bag = []
        for name in "abcde":
            body = {"title": name, "skus": [{"seller_sku": name, "price": price}]}
            bag.append((await client.made(f"/v1/shops/{shop}/products", body))["id"])
        made = [
            await client.made("/v1/live-rooms", {"shop_id": shop, "title": "show", "product_ids": shown})
            for shown in (bag, bag, bag, [], [])
        ]
        assert await pages(client, "/v1/live-rooms?limit=9") == [made[:2], made[2:]]

    with_engine(attempt)
