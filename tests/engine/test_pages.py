"""How much is read for an answer: no more than it shows, and a page ends early where things are large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

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
