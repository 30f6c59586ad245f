"""A client that calls the ASGI application directly, on an engine of its own; and a shop to try things on."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sim.engine import views
from sim.engine.api.app import App
from sim.engine.api.routes import ALL_ROUTES
from sim.engine.auth import development_key, keyring
from sim.engine.calls import Call
from sim.engine.clock import steady_clock
from sim.engine.core import Engine
from sim.engine.handlers import HANDLERS
from sim.engine.stores.store import Store
from sim.orders.commands import Capture
from sim.orders.rules import Rules


@dataclass
class Answer:
    """What came back; `json` is None where the body is none."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """The problem's code."""
        assert self.headers["content-type"] == "application/problem+json", (self.status, self.body)
        code: str = self.json["code"]
        return code


@dataclass
class Client:
    """Calls an application as admin, or as whoever `role` says; every POST gets a new Idempotency-Key."""

    app: App
    engine: Engine
    _keys: Any = field(default_factory=lambda: itertools.count(1))

    async def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        role: str = "admin",
        raw: bytes | None = None,
        cut: bool = False,
        **headers: str,
    ) -> Answer:
        """Send a request, or a `cut` one, whose connection ends within the body.

        Keyword arguments are headers, with `_` for `-`.
        """
        path, _, query = target.partition("?")
        sent = {"content-type": "application/json"}
        if role:
            sent["authorization"] = f"Bearer {development_key(role)}"
        if method == "POST":
            sent["idempotency-key"] = f"key-{next(self._keys)}"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        payload = raw if raw is not None else b"" if body is None else msgspec.json.encode(body)
        whole = {"type": "http.request", "body": payload, "more_body": False}
        half = {"type": "http.request", "body": payload[: len(payload) // 2], "more_body": True}
        return await self._exchange(method, path, query, sent, [half, {"type": "http.disconnect"}] if cut else [whole])

    async def _exchange(
        self, method: str, path: str, query: str, headers: dict[str, str], messages: list[dict[str, Any]]
    ) -> Answer:
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items() if value],
        }
        sent: list[Any] = []

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        start, *rest = sent
        answered = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], answered, b"".join(part["body"] for part in rest))

    async def get(self, target: str, **headers: Any) -> Answer:
        return await self.call("GET", target, **headers)

    async def post(self, target: str, body: Any = None, **headers: Any) -> Answer:
        return await self.call("POST", target, body, **headers)

    async def put(self, target: str, body: Any, **headers: Any) -> Answer:
        return await self.call("PUT", target, body, **headers)

    async def patch(self, target: str, body: Any, **headers: Any) -> Answer:
        return await self.call("PATCH", target, body, **headers)

    async def made(self, target: str, body: Any) -> Any:
        """Post what must succeed and return what came of it."""
        answer = await self.post(target, body)
        assert 200 <= answer.status < 300, (answer.status, answer.body)
        return answer.json

    async def shop(self) -> str:
        """Open a shop and return its id."""
        return str((await self.made("/v1/shops", {"name": "shop", "currency": "GBP"}))["id"])

    async def sku(self, shop_id: str, name: str = "mug", *, on_hand: int = 10, price: str = "1290") -> str:
        """Put a product with one SKU on sale and return the SKU's id."""
        skus = [{"seller_sku": name, "price": {"amount": price, "currency": "GBP"}, "on_hand": on_hand}]
        product = await self.made(f"/v1/shops/{shop_id}/products", {"title": name, "skus": skus})
        return str(product["skus"][0]["id"])

    async def order(self, sku_id: str, buyer_id: str = "buyer-1", quantity: int = 1) -> str:
        """Place an order and return its id."""
        body = {"buyer_id": buyer_id, "lines": [{"sku_id": sku_id, "quantity": quantity}]}
        return str((await self.made("/v1/orders", body))["id"])


Try = Callable[[Client], Awaitable[None]]


async def paid(client: Client, order_id: str, total_minor: int = 1290) -> None:
    """Let the provider say that an order is paid."""
    started = await client.post(f"/v1/orders/{order_id}/payments", {})
    assert started.status == 202
    capture = Capture(int(order_id), int(started.json["id"]), total_minor, "GBP")
    await client.engine.writer.submit(Call(capture, views.nothing))


@contextlib.asynccontextmanager
async def serving(store: Store, rules: Rules | None = None, **settings: Any) -> AsyncIterator[Client]:
    """Run an engine on a store that is not opened yet, and give its client."""
    keys = keyring({}, loopback=True)
    engine = Engine(store, steady_clock(), keys, rules or Rules(), HANDLERS, loopback=True, **settings)
    await engine.open()
    try:
        yield Client(App(engine, ALL_ROUTES), engine)
    finally:
        await engine.close()
