"""`liverush serve` as a process of its own: started, killed and watched; and HTTP to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp

from sim.engine.auth import development_key
from sim.engine.webhooks.signatures import secret_of, signed_headers
from tests.engine.hard_load import WEBHOOK, Request, Said

PATIENCE_S = 60.0
SECRET = secret_of(b"liverush development secret 0000")


class Served:
    """One engine, HTTP process and store process (and PostgreSQL, where that is the store), in a folder of its own."""

    def __init__(self, folder: Path, store: str, *options: str, port: int = 0, **more: Any) -> None:
        self.folder = folder
        self.store = store
        self.log = folder / "log"
        self._more = more
        database = ["--database", str(self.database)] if store == "sqlite" else []
        what = ["--store", store, *database, "--port", str(port), *options]
        self._command = [sys.executable, "-m", "sim.cli", "serve", *what]

    @property
    def database(self) -> Path:
        return self.folder / "engine.sqlite3"

    def start(self) -> None:
        """Start it and wait until it answers; an earlier one's processes may still have to end."""
        deadline = time.monotonic() + PATIENCE_S
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
        """The store process, and whatever else the HTTP process has started."""
        return children_of(self.pid)

    def stores(self) -> list[int]:
        """The store process; none while it is being started again."""
        return [child for child in self.children() if "sim.engine.storing" in command_of(child)]

    def postmaster(self) -> int:
        """The process of a PostgreSQL that is the engine's own."""
        return int((self.folder / "results/engine/postgres/data/postmaster.pid").read_text().split()[0])

    def kill(self, whom: str) -> None:
        """Kill -9: `all` of the engine at once, its `http` or `store` process, or its `postgres`."""
        found: dict[str, Callable[[], list[int]]] = {
            "all": lambda: [self.pid, *self.children()],
            "http": lambda: [self.pid],
            "store": self.stores,
            "postgres": lambda: [self.postmaster()],
        }
        for victim in found[whom]():
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
        return self._process.wait(PATIENCE_S)


def command_of(pid: int) -> str:
    """How a process was started; nothing once it has gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def children_of(pid: int) -> list[int]:
    """The processes that any thread of a process has started."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, (thread / "children").read_text().split())
    return found


@contextlib.contextmanager
def serving(folder: Path, store: str, *options: str, **more: Any) -> Iterator[Served]:
    """Serve; at the end it must stop in good order."""
    served = Served(folder, store, *options, **more)
    served.start()
    try:
        yield served
    except BaseException:
        served.kill("all")
        raise
    assert served.stop() == 0


class Session:
    """HTTP to one engine; a lost connection or a time-out is status 0: nobody knows what became of it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session
        self._count = 0

    async def send(self, request: Request) -> Said:
        """Send a request of the hard load, as the one that it comes from."""
        if request.path == WEBHOOK:
            raw = json.dumps(request.body).encode()
            signed = signed_headers(SECRET, "message", int(time.time()), raw)
            return await self._post(request.path, data=raw, headers=signed | {"content-type": "application/json"})
        headers = {"authorization": f"Bearer {development_key(request.role)}", "idempotency-key": request.key}
        return await self._post(request.path, json=request.body, headers=headers)

    async def _post(self, path: str, **what: Any) -> Said:
        try:
            async with self._session.post(self.url + path, **what) as response:
                body, headers = await response.json(content_type=None), response.headers
                return Said(response.status, body, "idempotent-replayed" in headers, headers.get("retry-after", ""))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return Said(0, repr(error))

    async def post(self, path: str, body: Any, key: str) -> tuple[int, Any]:
        said = await self.send(Request(key, path, body, "admin"))
        return said.status, said.body

    async def made(self, path: str, body: Any) -> Any:
        """Post what must succeed."""
        self._count += 1
        status, answer = await self.post(path, body, f"made {time.time_ns()} {self._count}")
        assert 200 <= status < 300, (status, answer)
        return answer

    async def get(self, path: str) -> Any:
        """Read what must be there; a database that has just died may be back later than the engine."""
        headers = {"authorization": f"Bearer {development_key('admin')}"}
        deadline = time.monotonic() + PATIENCE_S
        while True:
            async with self._session.get(self.url + path, headers=headers) as response:
                answer = await response.json(content_type=None)
            if response.status != 503 or time.monotonic() > deadline:
                assert response.status == 200, (path, response.status, answer)
                return answer
            await asyncio.sleep(0.05)

    async def until_ready(self) -> None:
        """Wait until the engine takes orders again, after its store has died."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with self._session.get(self.url + "/readyz") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.02)
        raise AssertionError("the engine did not come back")


@contextlib.asynccontextmanager
async def session_with(url: str, timeout_s: float = 30.0) -> AsyncIterator[Session]:
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield Session(url, session)
