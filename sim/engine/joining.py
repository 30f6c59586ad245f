"""uvicorn's HTTP protocol, with the head and the body of an answer written at once.

uvicorn hands them to the connection one after the other, and each is a system call and a segment of its own; on a
loopback or a fast network those two are a third of what a small answer costs.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class JoiningTransport:
    """A transport that keeps what is written until the next write, or the end of this turn of the loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._kept = b""

    def write(self, data: bytes) -> None:
        """Write what was kept and this, or keep this."""
        kept = self._kept
        if kept:
            self._kept = b""
            self._transport.write(kept + data)
        elif data:
            self._kept = data
            self._call_soon(self._flush)

    def close(self) -> None:
        """Write what was kept, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._kept:
            kept, self._kept = self._kept, b""
            self._transport.write(kept)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class JoiningProtocol(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(JoiningTransport(transport, self.loop))  # type: ignore[arg-type]
