"""`liverush serve` as a process of its own: started, killed and watched; and buyers who note what it acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from sim.engine.auth import development_key
from sim.engine.signatures import secret_of, signed_headers

_START_S = 60.0
_SECRET = secret_of(b"liverush development secret 0000")


class Served:
    """One engine, HTTP process and store process (and PostgreSQL, where that is the store), in a folder of its own."""

    def __init__(self, folder: Path, store: str, **more: Any) -> None:
        self.folder = folder
        self.store = store
        self.log = folder / "log"
        self._more = more
        database = ["--database", str(self.database)] if store == "sqlite" else []
        self._command = [sys.executable, "-m", "sim.cli", "serve", "--store", store, *database, "--port", "0"]

    @property
    def database(self) -> Path:
        return self.folder / "engine.sqlite3"

    def start(self) -> None:
        """Start it and wait until it answers; an earlier one's processes may still have to end."""
        deadline = time.monotonic() + _START_S
        while not self._started():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def _started(self) -> bool:
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                **self._more,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.stdout.close()
            self._process.wait()
            return False
        self.url = line.split()[0]
        return True

    @property
    def pid(self) -> int:
        return self._process.pid

    def children(self) -> list[int]:
        """Return the store process, and whatever else the HTTP process has started."""
        return children_of(self.pid)

    def postmaster(self) -> int:
        """Return the process of a PostgreSQL that is the engine's own."""
        return int((self.folder / "results/engine/postgres/data/postmaster.pid").read_text().split()[0])

    def kill(self, whom: str) -> None:
        """Kill -9: `all` of the engine at once, its `http` or `store` process, or its `postgres`."""
        victims = {
            "all": lambda: [self.pid, *self.children()],
            "http": lambda: [self.pid],
            "store": self.children,
            "postgres": lambda: [self.postmaster()],
        }[whom]()
        for victim in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        if whom in ("all", "http"):
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()

    def stop(self) -> int:
        """Stop it in good order and return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait(_START_S)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    with contextlib.suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@contextlib.contextmanager
def serving(folder: Path, store: str, **more: Any) -> Iterator[Served]:
    """Serve; at the end it must stop in good order."""
    served = Served(folder, store, **more)
    served.start()
    try:
        yield served
    except BaseException:
        served.kill("all")
        raise
    assert served.stop() == 0


@dataclass
class Buyers:
    """They place and pay as fast as they can, and note each acknowledgement in a file before they go on."""

    notes: Path
    sku: str = ""
    tried: dict[str, str] = field(default_factory=dict)  # key -> order, "" while it is not known
    paid: set[str] = field(default_factory=set)
    enough: bool = False
    _chance: random.Random = field(default_factory=lambda: random.Random(1))

    async def open_shop(self, session: Session) -> None:
        """Put one hot SKU on sale."""
        shop = await session.made("/v1/shops", {"name": "shop", "currency": "GBP"})
        skus = [{"seller_sku": "hot", "price": {"amount": "1290", "currency": "GBP"}, "on_hand": 1_000_000}]
        product = await session.made(f"/v1/shops/{shop['id']}/products", {"title": "hot", "skus": skus})
        self.sku = product["skus"][0]["id"]

    def body(self) -> dict[str, Any]:
        return {"buyer_id": "buyer", "lines": [{"sku_id": self.sku, "quantity": 1}]}

    async def burst(self, session: Session, number: int = 24) -> None:
        """Buy until the engine fails or `enough` is set; everybody ends with their first failure."""
        self.enough = False
        await asyncio.gather(*(self._one(session) for _buyer in range(number)))

    async def _one(self, session: Session) -> None:
        while not self.enough:
            key = f"key-{len(self.tried)}"
            self.tried[key] = ""
            status, order = await session.post("/v1/orders", self.body(), key)
            if status != 201:
                assert status in (0, 503), (status, order)
                return
            self._note(key, order["id"])
            if self._chance.random() < 0.5:
                if not await session.capture(order["id"]):
                    return
                self._note("paid", order["id"])

    def _note(self, what: str, order_id: str) -> None:
        with open(self.notes, "a") as notes:
            notes.write(f"{what} {order_id}\n")
        if what == "paid":
            self.paid.add(order_id)
        else:
            self.tried[what] = order_id

    async def check(self, session: Session, keys: list[str]) -> int:
        """Try every key again; return how many were stored though nobody had been told."""
        limit = asyncio.Semaphore(32)

        async def one(key: str) -> int:
            async with limit:
                return await self._check(session, key)

        return sum(await asyncio.gather(*(one(key) for key in keys)))

    async def _check(self, session: Session, key: str) -> int:
        known = self.tried[key]
        status, order = await session.post("/v1/orders", self.body(), key)
        assert status == 201, (key, status, order)
        assert known in ("", order["id"]), f"{key} made {known}, and now {order['id']}"
        assert not known or session.replayed[key], f"{key} was acknowledged, and made anew"
        self.tried[key] = order["id"]
        shown = await session.get(f"/v1/orders/{order['id']}")
        assert (shown["status"] != "UNPAID") >= (order["id"] in self.paid), shown
        return int(not known and session.replayed[key])


class Session:
    """HTTP to one engine; a lost connection or a time-out is status 0: nobody knows what became of it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.replayed: dict[str, bool] = {}
        self._session = session
        self._count = 0

    async def post(self, path: str, body: Any, key: str) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {development_key('admin')}", "idempotency-key": key}
        try:
            async with self._session.post(self.url + path, json=body, headers=headers) as response:
                self.replayed[key] = "idempotent-replayed" in response.headers
                return response.status, await response.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return 0, repr(error)

    async def made(self, path: str, body: Any) -> Any:
        """Post what must succeed."""
        self._count += 1
        status, answer = await self.post(path, body, f"made {time.time_ns()} {self._count}")
        assert 200 <= status < 300, (status, answer)
        return answer

    async def get(self, path: str) -> Any:
        headers = {"authorization": f"Bearer {development_key('admin')}"}
        async with self._session.get(self.url + path, headers=headers) as response:
            return await response.json(content_type=None)

    async def capture(self, order_id: str) -> bool:
        """Tell as the provider that an order was paid; return whether that was acknowledged."""
        data = {"order_id": order_id, "payment_id": f"c{order_id}", "amount": "1290", "currency": "GBP"}
        body = json.dumps({"id": f"e{order_id}", "type": "payment.captured", "data": data}).encode()
        headers = signed_headers(_SECRET, "message", int(time.time()), body) | {"content-type": "application/json"}
        try:
            url = self.url + "/v1/payment-webhooks/psp"
            async with self._session.post(url, data=body, headers=headers) as response:
                await response.read()
                return response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def until_ready(self) -> None:
        """Wait until the engine takes orders again, after its store has died."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with self._session.get(self.url + "/readyz") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.02)
        raise AssertionError("the engine did not come back")

    async def broken(self) -> dict[str, Any]:
        """Return what the audit finds."""
        report = await self.get("/v1/audit/invariants")
        return {found["name"]: found["findings"][:3] for found in report["invariants"] if found["violations"]}


@contextlib.asynccontextmanager
async def session_with(url: str, timeout_s: float = 30.0) -> AsyncIterator[Session]:
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield Session(url, session)
