"""Running the stand-in provider: its socket, its server, and an end that loses no answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn

from sim.engine.psp.app import Psp
from sim.engine.psp.behaviour import Behaviour
from sim.engine.psp.courier import Courier

HOST = "127.0.0.1"


class PspServer:
    """The provider on a loopback port (0: any free one). `serve` returns after `stop`."""

    def __init__(self, port: int, webhook_url: str, secret: str, behaviour: Behaviour | None = None) -> None:
        self._courier = Courier(webhook_url, secret)
        self.psp = Psp(self._courier, behaviour)
        self._socket = socket.create_server((HOST, port), backlog=1024)
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self.psp,
            log_config=None,
            log_level="critical",  # a connection that is cut on purpose is no error
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config)

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Answer requests until `stop`; `ready` is called once that has begun."""
        self._server.ready = ready
        self._courier.start()
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            await self._courier.close()
            self._socket.close()

    def stop(self) -> None:
        """End soon, with the answers in progress. May be called from a signal or another thread."""
        self._server.should_exit = True
        if self._server.loop is not None:
            self._server.loop.call_soon_threadsafe(self._server.ended.set)


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it: uvicorn's own way ends a process with the signal, not with 0."""

    ready: Callable[[], None]
    loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ended = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self.ready()

    async def main_loop(self) -> None:
        """Wait for the end, instead of looking for it ten times a second."""
        if not self.should_exit:
            await self.ended.wait()
