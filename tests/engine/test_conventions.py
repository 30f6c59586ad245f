"""What holds for every operation: HEAD where GET is, and that no body and an empty one are the same."""

from __future__ import annotations

from collections.abc import Callable

from tests.engine.client import Client, Try


def test_head_is_answered_as_get_is_and_is_told_among_the_methods(with_engine: Callable[[Try], None]) -> None:
    async def check(client: Client) -> None:
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/v1/shops", 200), ("/v1/orders/5", 404)):
            assert (await client.call("HEAD", path)).status == status
        assert (await client.call("DELETE", "/v1/shops")).headers["allow"] == "GET, HEAD, POST"
        assert (await client.call("HEAD", "/v1/checkout/quotes")).code == "method_not_allowed"

    with_engine(check)


def test_no_body_and_an_empty_object_are_the_same_request(with_engine: Callable[[Try], None]) -> None:
    async def check(client: Client) -> None:
        shop = await client.shop()
        room = (await client.made("/v1/live-rooms", {"shop_id": shop, "title": "show"}))["id"]
        assert (await client.post(f"/v1/live-rooms/{room}:start", {})).status == 200
        path = f"/v1/orders/{await client.order(await client.sku(shop))}:confirm"
        for raw in (b"", b"{}", b" { } "):
            answer = await client.call("POST", path, raw=raw, idempotency_key="one")
            assert answer.code == "illegal_transition"
            assert answer.headers.get("idempotent-replayed") == ("true" if raw else None)

    with_engine(check)
