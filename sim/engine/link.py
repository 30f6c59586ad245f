"""What the HTTP process and the store process say to each other: pickles with their length before them.

Both ends are this program, started by itself and joined by a socket that nobody else has.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from collections.abc import Callable
from typing import Any, cast

import msgspec

from sim.engine.calls import Call, Reply

_LENGTH = struct.Struct("!I")


class Ready(msgspec.Struct):
    """The store is open and filled; the first thing that the store process says, unless it is an exception."""

    place: str
    notes: tuple[str, ...] = ()


class Calls(msgspec.Struct, gc=False):
    """Numbered calls for the writer."""

    calls: list[tuple[int, Call]]


class Answers(msgspec.Struct, gc=False):
    """Answers by number, and how the writer is."""

    replies: list[tuple[int, Reply]]
    groups: list[tuple[int, float]]  # size and seconds of the groups since the last answers
    queued: int
    sweeps: int
    swept: int
    failed: str


class Goodbye(msgspec.Struct):
    """Finish what was taken in and end."""


class Link(asyncio.Protocol):
    """One end of the socket. `receive` gets each message, `lost` is called when the other end has gone."""

    def __init__(self, receive: Callable[[Any], None], lost: Callable[[], None]) -> None:
        self._receive = receive
        self._lost = lost
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def send(self, message: object) -> None:
        """Send a message; nothing happens where the other end has gone."""
        if self._transport is not None and not self._transport.is_closing():
            body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            self._transport.write(_LENGTH.pack(len(body)) + body)

    def close(self) -> None:
        """Close this end once all is sent."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one, but not by class

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            end = start + _LENGTH.size + length
            if len(buffer) < end:
                break
            message = pickle.loads(memoryview(buffer)[start + _LENGTH.size : end])
            start = end
            self._receive(message)
        del buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()
