"""The reference engine with one planted fault: what the audit must find. `python -m tests.load.broken --fault NAME`.

Everything runs in this process, the stand-in provider too, so that a fault can reach into either. Each fault strikes
once and prints what it did to what, in a line `planted NAME: ids`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click
import msgspec
import uvicorn

from loadtests.targets.base import World
from loadtests.targets.reference import ReferenceEngine
from sim.engine.api.app import App
from sim.engine.api.routes import ALL_ROUTES
from sim.engine.auth import keyring
from sim.engine.clock import steady_clock
from sim.engine.core import Engine
from sim.engine.handlers import HANDLERS
from sim.engine.paying.payments import PaymentDriver
from sim.engine.paying.provider_http import Provider
from sim.engine.psp.ledger import CAPTURED, ChargeRequest, Ledger
from sim.engine.psp.serving import PspServer
from sim.engine.stores.sqlite import SqliteStore
from tests.engine.mall import SECRET

#: Which of the requests that it can befall a fault strikes.
STRIKES_AT = 2

Send = Callable[[Any], Awaitable[None]]


class BrokenEngine(ReferenceEngine):
    """The target; `--target-option fault=NAME`, none for an engine that is whole."""

    def command(self, world: World) -> list[str]:
        """See `ReferenceEngine.command`."""
        database = str(world.folder.resolve() / "engine.sqlite3")
        fault = world.options.get("fault", "none")
        arguments = ["--fault", fault, "--database", database, "--speed", repr(world.speed), "--psp"]
        return [sys.executable, "-m", "tests.load.broken", *arguments]


class Faults:
    """An ASGI application around the engine's own; each method is a fault."""

    def __init__(self, engine: Engine, ledger: Ledger, fault: str, planted: list[str]) -> None:
        self._app = App(engine, ALL_ROUTES)
        self._engine = engine
        self._ledger = ledger
        self._seen = 0
        faults: dict[str, tuple[str, Callable[..., Awaitable[tuple[int, bytes]]] | None]] = {
            "oversell": ("place", self._oversell),
            "lost_order": ("place", self._lost_order),
            "orphan": ("place", self._orphan),
            "two_orders": ("place", self._two_orders),
            "counter_drift": ("place", self._counter_drift),
            "double_capture": ("pay", self._double_capture),
            "late_payment": ("pay", self._late_payment),
            "lost_confirmation": ("confirm", self._lost_confirmation),
        }
        self._fault = fault
        self._planted = planted
        self._where, self._strike = faults.get(fault, ("", None))

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        """Answer a request, or strike."""
        if self._strike is None or scope["type"] != "http" or _kind(scope) != self._where:
            await self._app(scope, receive, send)
            return
        body = (await receive())["body"]
        status, answer = await self._strike(scope, body)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _ask(self, scope: Any, body: bytes, *, path: str = "", key: bytes = b"") -> tuple[int, bytes]:
        """Let the engine answer, perhaps to another key or at another path."""
        headers = [(name, key if key and name == b"idempotency-key" else value) for name, value in scope["headers"]]
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app({**scope, "path": path or scope["path"], "headers": headers}, receive, send)
        return sent[0]["status"], sent[1]["body"]

    def _now(self) -> bool:
        self._seen += 1
        return self._seen == STRIKES_AT

    def _done(self, *ids: str) -> None:
        self._planted += ids
        print(f"planted {self._fault}: {' '.join(ids)}", flush=True)

    def _change_stock(self, sku: str, **more: int) -> None:
        stocks = self._engine.executor.cache.stocks
        stock = stocks[int(sku)]
        stocks[int(sku)] = msgspec.structs.replace(stock, **{k: getattr(stock, k) + v for k, v in more.items()})

    async def _oversell(self, scope: Any, body: bytes) -> tuple[int, bytes]:
        """Sell units that are not there, and a deal's that it has not."""
        status, answer = await self._ask(scope, body)
        short, over = b"insufficient_stock", b"deal_sold_out"
        if status != 409 or not (short in answer or over in answer) or self._seen:
            return status, answer
        self._seen = 1
        asked = msgspec.json.decode(body)
        while status == 409:
            if over in answer:
                deals, number = self._engine.executor.cache.deals, int(asked["promotion_id"])
                deals[number] = msgspec.structs.replace(deals[number], quantity_limit=deals[number].used + 1000)
            for line in asked["lines"] if short in answer else ():
                self._change_stock(line["sku_id"], on_hand=line["quantity"])
            status, answer = await self._ask(scope, body, key=b"oversell-" + os.urandom(4).hex().encode())
        self._done(*(line["sku_id"] for line in asked["lines"]), _id(answer))
        return status, answer

    async def _lost_order(self, scope: Any, body: bytes) -> tuple[int, bytes]:
        """Acknowledge an order and forget it."""
        if not self._now():
            return await self._ask(scope, body)
        self._done("999999999999999")
        return 201, b'{"id":"999999999999999","status":"UNPAID"}'

    async def _orphan(self, scope: Any, body: bytes) -> tuple[int, bytes]:
        """Make an order that nobody asked for."""
        if self._now():
            asked = msgspec.json.decode(body)
            status, answer = await self._ask(
                scope, msgspec.json.encode({**asked, "address": {"reference": ""}}), key=b"orphan"
            )
            assert status == 201, answer
            self._done(_id(answer))
        return await self._ask(scope, body)

    async def _two_orders(self, scope: Any, body: bytes) -> tuple[int, bytes]:
        """Make two orders of one cart."""
        if self._now():
            status, answer = await self._ask(scope, body, key=b"second")
            assert status == 201, answer
            self._done(_id(answer))
        return await self._ask(scope, body)

    async def _counter_drift(self, scope: Any, body: bytes) -> tuple[int, bytes]:
        """Count a unit as sold that no order has."""
        if self._now():
            sku = msgspec.json.decode(body)["lines"][0]["sku_id"]
            self._change_stock(sku, committed=1)
            self._done(sku)
        return await self._ask(scope, body)

    async def _double_capture(self, scope: Any, body: bytes) -> tuple[int, bytes]:
        """Charge a buyer twice; the engine's books show one charge."""
        status, answer = await self._ask(scope, body)
        if status == 201 and self._now():
            payment = msgspec.json.decode(answer)
            self._charge("again", payment["order_id"], payment["amount"]["amount"])
            self._done(payment["order_id"], "again")
        return status, answer

    async def _late_payment(self, scope: Any, body: bytes) -> tuple[int, bytes]:
        """Take the money for an order that is cancelled, and keep it."""
        if self._now():
            order = scope["path"].split("/")[3]
            status, answer = await self._ask(scope, b"{}", path=f"/v1/orders/{order}/cancellations", key=b"cancel")
            assert status == 201, answer
            self._charge("late", order, "1000")
            self._done(order, "late")
        return await self._ask(scope, body)

    async def _lost_confirmation(self, scope: Any, body: bytes) -> tuple[int, bytes]:
        """Say that an order is confirmed, and leave it as it is."""
        if not self._now():
            return await self._ask(scope, body)
        self._done(scope["path"].split("/")[3].partition(":")[0])
        return 200, b"{}"

    def _charge(self, charge_id: str, order_id: str, amount: str) -> None:
        charge, _new = self._ledger.charge(ChargeRequest(charge_id, order_id, amount, "GBP"))
        charge.status = CAPTURED


def _kind(scope: Any) -> str:
    path = scope["path"]
    if scope["method"] != "POST" or not path.startswith("/v1/orders"):
        return ""
    kinds = {"payments": "pay", "orders": "place"}
    return "confirm" if path.endswith(":confirm") else kinds.get(path.rpartition("/")[2], "")


def _id(answer: bytes) -> str:
    return str(msgspec.json.decode(answer)["id"])


class BrokenServer:
    """An engine with a fault on a free port; `run` blocks until `stop`, `planted` is what the fault harmed."""

    def __init__(self, database: Path, fault: str = "none", speed: float = 1.0) -> None:
        self.url = self.psp_url = ""
        self.planted: list[str] = []
        self.ready = threading.Event()
        self._plan = (database, fault, speed)
        self._server: uvicorn.Server | None = None

    def run(self) -> None:
        """Serve."""
        asyncio.run(self._serve(*self._plan))

    def stop(self) -> None:
        """End soon."""
        if self._server is not None:
            self._server.should_exit = True

    async def _serve(self, database: Path, fault: str, speed: float) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            # Those that it accepts inherit this; asyncio sets it only on sockets made for TCP by name.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            provider_server = PspServer(0, f"{self.url}/v1/payment-webhooks/psp", SECRET)
            self.psp_url = provider_server.url
            providing = asyncio.create_task(provider_server.serve())
            keys = keyring({}, loopback=True)
            store = SqliteStore(database)
            engine = Engine(
                store, steady_clock(), keys, handlers=HANDLERS, speed=speed, psp_secret=SECRET, loopback=True
            )
            provider = Provider(provider_server.url)
            engine.payments = PaymentDriver(engine.writer, engine.store, provider, engine.clock, speed=speed)
            await engine.open()
            engine.payments.start()
            app: Any = Faults(engine, provider_server.psp.ledger, fault, self.planted)
            self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
            self.ready.set()
            await self._server.serve(sockets=[listening])
            await engine.payments.close()
            await provider.close()
            await engine.close()
            provider_server.stop()
            await providing


@click.command()
@click.option("--database", type=click.Path(path_type=Path), required=True)
@click.option("--fault", default="none")
@click.option("--speed", type=float, default=1.0)
@click.option("--psp", is_flag=True)
def main(database: Path, fault: str, speed: float, psp: bool) -> None:
    """Serve an engine with a fault until standard input ends."""
    server = BrokenServer(database, fault, speed)
    for work in (_end_with_stdin, lambda: _announce(server)):
        threading.Thread(target=work, daemon=True).start()
    server.run()


def _announce(server: BrokenServer) -> None:
    server.ready.wait()
    print(f"{server.url} answers\nPayment provider at {server.psp_url}", flush=True)


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
