"""Sends webhooks to the one address they all go to, at least once, over a few connections that stay open.

A client library would cost more than all the rest of the provider; this one writes a request and reads a status.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

import httptools
import msgspec

from sim.engine.webhooks.signatures import sign

CONNECTIONS = 16
ANSWER_WITHIN_S = 5.0
#: Pauses between the tries of one event: short, since the engine is near; the last is repeated.
PAUSES_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
MAX_TRIES = 100


class Letter(msgspec.Struct, gc=False):
    """One event on its way; `arrived` is called once it was accepted."""

    id: str
    body: bytes
    arrived: Callable[[], None]
    tries: int = 0


class Courier:
    """Delivers letters in the order of `post`, as far as every one is accepted at its first try."""

    def __init__(self, url: str, secret: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an address for webhooks: {url}")
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        self._head = (
            f"POST {target} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
            "content-type: application/json\r\nuser-agent: liverush-psp\r\n"
        )
        self._secret = secret
        self._letters: asyncio.Queue[Letter] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._later: set[asyncio.TimerHandle] = set()

    def start(self) -> None:
        """Begin to deliver; needs a running event loop."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._carry()) for _ in range(CONNECTIONS)]

    async def close(self) -> None:
        """Stop at once; what is not delivered is lost."""
        for handle in self._later:
            handle.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def post(self, letter: Letter) -> None:
        """Take a letter in."""
        self._letters.put_nowait(letter)

    async def _carry(self) -> None:
        link: _Link | None = None
        try:
            while True:
                letter = await self._letters.get()
                try:
                    if link is None or link.closed:
                        link = await self._connect()
                    async with asyncio.timeout(ANSWER_WITHIN_S):
                        status = await link.ask(self._request(letter))
                except (OSError, TimeoutError, httptools.HttpParserError):
                    status = 0
                    if link is not None:
                        link.close()
                self._settle(letter, accepted=200 <= status < 300)
        finally:
            if link is not None:
                link.close()

    async def _connect(self) -> _Link:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWER_WITHIN_S):
            _transport, link = await loop.create_connection(
                lambda: _Link(loop), self._host, self._port, ssl=self._secure or None
            )
        return link

    def _request(self, letter: Letter) -> bytes:
        now_s = int(time.time())
        body = letter.body
        return (
            f"{self._head}webhook-id: {letter.id}\r\nwebhook-timestamp: {now_s}\r\n"
            f"webhook-signature: {sign(self._secret, letter.id, now_s, body)}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        ).encode() + body

    def _settle(self, letter: Letter, *, accepted: bool) -> None:
        if accepted:
            letter.arrived()
            return
        letter.tries += 1
        if letter.tries < MAX_TRIES:
            self.post_later(letter, PAUSES_S[min(letter.tries, len(PAUSES_S)) - 1])

    def post_later(self, letter: Letter, delay_s: float) -> None:
        """Take a letter in after a while."""

        def due() -> None:
            self._later.discard(handle)
            self._letters.put_nowait(letter)

        handle = asyncio.get_running_loop().call_later(delay_s, due)
        self._later.add(handle)


class _Link(asyncio.Protocol):
    """One connection, one request at a time. httptools calls the `on_` methods."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.closed = False
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._parser = httptools.HttpResponseParser(self)

    async def ask(self, request: bytes) -> int:
        """Send a request and return the status of its answer. Raises OSError when the connection ends first."""
        assert self._transport is not None
        self._answer = self._loop.create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """End the connection."""
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the connection was closed"))

    def on_message_complete(self) -> None:
        """Hand the status over; the next answer needs a new parser."""
        status, stays = self._parser.get_status_code(), self._parser.should_keep_alive()
        self._parser = httptools.HttpResponseParser(self)
        if not stays:
            self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)
