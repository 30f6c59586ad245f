"""An engine with its API on a clock that the test moves and a sweep that the test makes, and those who use it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sim.engine.api.app import App
from sim.engine.api.routes import ALL_ROUTES
from sim.engine.auth import keyring
from sim.engine.core import Engine
from sim.engine.handlers import HANDLERS
from sim.engine.stores.store import Store
from sim.engine.sweeper import Sweeper
from sim.engine.webhooks.signatures import secret_of, signed_headers
from sim.engine.writer import QUEUE_BOUND
from sim.orders.rules import DAY_US, Rules
from tests.engine.client import Answer, Client
from tests.orders.shop import START_US

SECRET = secret_of(b"only for tests: thirty-two bytes")
_NEVER_US = 3600 * 1_000_000  # of real time
#: Longer than all time that a test lets pass: no key is forgotten.
_KEEP_KEYS_US = 1000 * DAY_US


@dataclass
class Mall:
    """One engine. `now_us` is its time; calls at one instant are as concurrent as they can be."""

    store: Store
    now_us: int = START_US
    rules: Rules = field(default_factory=Rules)
    queue_bound: int = QUEUE_BOUND
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self._began_us = self.now_us

    async def open(self) -> None:
        keys = keyring({}, loopback=True)
        self.engine = Engine(
            self.store,
            self._clock,
            keys,
            self.rules,
            HANDLERS,
            psp_secret=SECRET,
            loopback=True,
            sweep_us=_NEVER_US,
            keep_keys_us=_KEEP_KEYS_US,
            queue_bound=self.queue_bound,
            wall=self._clock,
        )
        await self.engine.open()
        self.client = Client(App(self.engine, ALL_ROUTES), self.engine)

    async def close(self) -> None:
        await self.engine.close()

    def _clock(self) -> int:
        self.now_us += 1
        return self.now_us

    def new(self, what: str) -> str:
        """A word that is used for nothing else."""
        return f"{what}-{self._began_us}-{next(self._numbers)}"

    async def sku(self, on_hand: int) -> str:
        """Put a new SKU on sale in a shop of its own."""
        return await self.client.sku(await self.client.shop(), self.new("sku"), on_hand=on_hand)

    async def place(self, *lines: tuple[str, int], key: str = "", buyer: str = "ann", **more: Any) -> Answer:
        """Check out a cart."""
        body = {"buyer_id": buyer, "lines": [{"sku_id": sku, "quantity": units} for sku, units in lines]} | more
        return await self.client.post("/v1/orders", body, idempotency_key=key or self.new("place"))

    async def placed(self, *lines: tuple[str, int], **more: Any) -> str:
        """Check out a cart that must succeed; return the order's id."""
        answer = await self.place(*lines, **more)
        assert answer.status == 201, answer.body
        return str(answer.json["id"])

    async def start(self, order_id: str, key: str = "") -> Answer:
        """Begin an attempt to pay."""
        return await self.client.post(
            f"/v1/orders/{order_id}/payments", {"method": "card"}, idempotency_key=key or self.new("pay")
        )

    async def webhook(self, kind: str, *, event: str = "", **data: str) -> bool:
        """Let the provider tell something; return whether it changed anything."""
        raw, signed = self.signed({"id": event or self.new("event"), "type": kind, "data": data})
        answer = await self.client.call("POST", "/v1/payment-webhooks/psp", raw=raw, role="", cut=False, **signed)
        assert answer.status == 200, answer.body
        return bool(answer.json["changed"])

    def signed(self, event: Any) -> tuple[bytes, dict[str, str]]:
        """An event of the provider as it is sent now, and its headers."""
        raw = msgspec.json.encode(event)
        return raw, signed_headers(SECRET, "message", self.now_us // 1_000_000, raw)

    async def captured(self, order_id: str, payment_id: str, **more: str) -> bool:
        """Let the provider tell that it has taken the order's total."""
        total = (await self.order(order_id))["total"]
        facts = {"order_id": order_id, "payment_id": payment_id, **total} | more
        return await self.webhook("payment.captured", **facts)

    async def paid(self, *lines: tuple[str, int]) -> str:
        """Place and pay an order; return its id."""
        order_id = await self.placed(*lines)
        await self.captured(order_id, (await self.start(order_id)).json["id"])
        return order_id

    async def delivered(self, *lines: tuple[str, int]) -> str:
        """Bring an order to its buyer; return its id."""
        order_id = await self.paid(*lines)
        await self.client.post(f"/v1/orders/{order_id}:confirm")
        package = await self.client.made(f"/v1/orders/{order_id}/packages", {})
        await self.client.post(f"/v1/packages/{package['id']}:ship")
        for status in ("COLLECTED", "DELIVERED"):
            await self.client.made(f"/v1/packages/{package['id']}/tracking-events", {"status": status})
        return order_id

    async def cancel(self, order_id: str) -> Answer:
        return await self.client.post(f"/v1/orders/{order_id}/cancellations", {}, role="buyer")

    async def expire(self) -> None:
        """Let the time to pay of all orders end, and sweep."""
        self.now_us += self.rules.pay_window_us
        await self.sweep()

    async def sweep(self) -> int:
        """Let time act; return on how many orders it did."""
        sweeper = self.engine.companions[0]
        assert isinstance(sweeper, Sweeper)
        return await sweeper.sweep()

    async def order(self, order_id: str) -> dict[str, Any]:
        """An order as the API shows it."""
        found: dict[str, Any] = (await self.client.get(f"/v1/orders/{order_id}")).json
        return found

    async def status(self, order_id: str) -> str:
        return str((await self.order(order_id))["status"])

    async def stock(self, sku_id: str) -> tuple[int, int, int, int, int]:
        """On hand, held, committed, releasing and available units."""
        answer = (await self.client.get(f"/v1/skus/{sku_id}/inventory")).json
        return tuple(answer[name] for name in ("on_hand", "held", "committed", "releasing", "available"))

    async def audit(self) -> dict[str, Any]:
        """What breaks an invariant."""
        report = (await self.client.get("/v1/audit/invariants")).json
        return {found["name"]: found["findings"] for found in report["invariants"] if found["violations"]}


@contextlib.asynccontextmanager
async def mall(store: Store, **settings: Any) -> AsyncIterator[Mall]:
    """Open a mall on a store that is not open yet; at the end nothing may be wrong in it."""
    it = Mall(store, **settings)
    await it.open()
    try:
        yield it
        assert await it.audit() == {}
    finally:
        await it.close()
