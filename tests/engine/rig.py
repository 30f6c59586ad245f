"""An engine without its HTTP side, a payment provider and listeners, all on real sockets of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from sim.engine import views
from sim.engine.calls import Call, Reply
from sim.engine.executor import Executor
from sim.engine.paying import payments
from sim.engine.paying.payments import PaymentDriver, ProviderEvent, webhook_command
from sim.engine.paying.provider_http import Provider
from sim.engine.psp.behaviour import Behaviour
from sim.engine.psp.serving import PspServer
from sim.engine.stores.tables import row
from sim.engine.webhooks import endpoints
from sim.engine.webhooks.signatures import verify
from sim.engine.writer import Writer
from sim.orders.commands import Elapse, PlaceOrder, StartPayment, Wanted
from sim.orders.entities import Case, Part, Product, Shop, Sku
from sim.orders.rules import Rules
from sim.orders.states import State
from sim.orders.stock import Stock
from tests.engine.databases import Database
from tests.engine.mall import SECRET

SKU_ID = 1001
PRICE_MINOR = 1290
PATIENT_S = 10.0


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run an asynchronous test."""
    asyncio.run(asyncio.wait_for(main, 30))


async def until(check: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(PATIENT_S):
        while True:
            found = check()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.005)


class Desk:
    """The engine: store, writer and clock, with one SKU on the shelf."""

    def __init__(self, database: Database, rules: Rules | None = None) -> None:
        self.store = database.store()
        self.ahead_us = 0
        handlers = {**payments.HANDLERS, **endpoints.HANDLERS}
        self.writer = Writer(Executor(self.store, self.clock, rules or Rules(), handlers))

    def clock(self) -> int:
        return time.time_ns() // 1000 + self.ahead_us

    async def open(self) -> None:
        await self.store.open()
        if not await self.store.all_rows("skus"):
            await self.store.write(
                {
                    "shops": [row(Shop(1, "Shop", "GBP", 50_000))],
                    "products": [row(Product(2, 1, "Lamp", "home", True))],
                    "skus": [row(Sku(SKU_ID, 2, 1, "lamp-1", PRICE_MINOR, "GBP"))],
                    "sku_parts": [row(Part(SKU_ID, SKU_ID, 1))],
                    "stocks": [row(Stock(SKU_ID, 1000))],
                }
            )
        await self.writer.executor.load()
        self.writer.start()

    async def close(self) -> None:
        await self.writer.close()
        await self.store.close()

    async def ask(self, command: Any, view: Any = views.nothing, **facts: Any) -> Reply:
        return await self.writer.submit(Call(command, view, **facts))

    async def happened(self, command: Any) -> tuple[Any, ...]:
        kept: list[tuple[Any, ...]] = []

        def keep(_group: Any, _command: Any, events: tuple[Any, ...]) -> Reply:
            kept.append(events)
            return Reply(204)

        await self.ask(command, keep)
        return kept[0]

    async def place(self) -> int:
        (placed,) = await self.happened(PlaceOrder("buyer", (Wanted(SKU_ID, 1),)))
        return int(placed.order.id)

    async def expire(self, order_id: int) -> None:
        self.ahead_us += 3600 * 1_000_000
        await self.ask(Elapse(order_id))

    async def case(self, order_id: int) -> Case:
        kept: list[Case] = []

        def keep(group: Any, _command: Any, _events: Any) -> Reply:
            kept.append(group.cases[order_id])
            return Reply(204)

        await self.ask(payments.AnswerPending(order_id, 0), keep)
        return kept[0]

    async def state(self, order_id: int) -> State:
        return (await self.case(order_id)).order.state


class Till:
    """A desk with its payment provider and the provider's webhooks. `gate` holds webhooks back while it is clear."""

    def __init__(self, desk: Desk, behaviour: Behaviour | None = None, *, tries: int = 2) -> None:
        self.desk = desk
        self.gate = asyncio.Event()
        self.gate.set()
        self.heard: list[tuple[str, bytes]] = []  # event ids and what was answered
        self.listener = Listener(self._hear)
        self._behaviour = behaviour
        self._tries = tries

    async def open(self) -> None:
        await self.listener.open()
        self.psp = Psp(self.listener.url, self._behaviour)
        await self.psp.open()
        self.provider = Provider(self.psp.url, timeout_s=5, tries=self._tries)
        self.driver = PaymentDriver(
            self.desk.writer,
            self.desk.store,
            self.provider,
            self.desk.clock,
            patience_us=0,
            look_every_s=0.02,
            send_every_s=0.02,
        )

    async def close(self) -> None:
        await self.driver.close()
        await self.provider.close()
        await self.psp.close()
        await self.listener.close()

    async def pay(self, order_id: int, key: bytes = b"key") -> Reply:
        """Do what the API does once it knows who asks for what."""
        return await payments.pay(self.desk.writer, self.driver, StartPayment(order_id), key, b"same body")

    async def reconcile(self) -> None:
        """Do at once what the reconciler does in a while."""
        for known in (self.driver.reconciler._payments, self.driver.reconciler._refunds):
            known._waiting = [(0, subject, pause_us) for _, subject, pause_us in known._waiting]
        await self.driver.reconciler.look_up_payments()
        await self.driver.reconciler.send_refunds()

    async def ledger(self) -> dict[str, Any]:
        return self.psp.server.psp.ledger.everything()

    async def _hear(self, request: web.Request) -> int:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        verify([SECRET], headers, body, int(time.time()))
        event = msgspec.json.decode(body, type=ProviderEvent)
        await self.gate.wait()
        command = webhook_command(event)
        assert command is not None
        reply = await self.desk.ask(command, views.webhook_taken, provider_event=f"psp:{event.id}")
        self.heard.append((event.id, reply.body))
        return reply.status


class Psp:
    """A provider in this process; `close` and `open` again are its restart, at the same address."""

    def __init__(self, webhook_url: str, behaviour: Behaviour | None = None, secret: str = SECRET) -> None:
        self._webhook_url = webhook_url
        self._secret = secret
        self._port = 0
        self.behaviour = behaviour

    async def open(self) -> None:
        self.server = PspServer(self._port, self._webhook_url, self._secret, self.behaviour)
        self.url = self.server.url
        self._port = int(self.url.rpartition(":")[2])
        ready = asyncio.Event()
        self._task = asyncio.create_task(self.server.serve(ready.set))
        await ready.wait()

    async def close(self) -> None:
        self.server.stop()
        await self._task

    def behave(self, **settings: Any) -> None:
        self.server.psp.behaviour = self.behaviour = Behaviour(**settings)


class Listener:
    """An HTTP server that answers every POST with the status that `hear` returns."""

    def __init__(self, hear: Callable[[web.Request], Awaitable[int]]) -> None:
        self._hear = hear

    async def open(self, port: int = 0) -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/hook"

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        status = await self._hear(request)
        headers = {"location": "/elsewhere"} if 300 <= status < 400 else None
        return web.json_response({}, status=status, headers=headers)


@contextlib.asynccontextmanager
async def opened(*parts: Any) -> AsyncIterator[None]:
    """Open things in turn and close them in reverse."""
    async with contextlib.AsyncExitStack() as stack:
        for part in parts:
            await part.open()
            stack.push_async_callback(part.close)
        yield


async def tell(url: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Send one request on a connection of its own and return the status and the decoded answer."""
    async with aiohttp.ClientSession() as session, session.request(method, url + path, json=body) as response:
        return response.status, await response.json()
