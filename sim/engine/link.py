"""What the HTTP process and the store process say to each other: messages with their length before them.

Both ends are this program, started by itself and joined by a socket that nobody else has. Checkouts and answers, of
which there are most, are packed by their types; whatever else is said is pickled.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from collections.abc import Callable
from typing import Any, cast

import msgspec

from sim.engine.calls import Call, Reply
from sim.engine.views import placed
from sim.orders.commands import PlaceOrder

#: Length and kind.
_HEAD = struct.Struct("!IB")
_PICKLED, _CALLS, _ANSWERS = range(3)


class Ready(msgspec.Struct):
    """The store is open and filled; the first thing that the store process says, unless it is an exception."""

    place: str
    notes: tuple[str, ...] = ()
    now_us: int = 0  # the engine's time


class Calls(msgspec.Struct, array_like=True, gc=False):
    """Numbered calls for the writer: checkouts, with their key and fingerprint, and others, pickled."""

    checkouts: list[tuple[int, bytes, bytes, PlaceOrder]]
    others: bytes = b""


class Answers(msgspec.Struct, array_like=True, gc=False):
    """Answers by number, and how the writer is."""

    replies: list[tuple[int, Reply]]
    groups: list[tuple[int, float]]  # size and seconds of the groups since the last answers
    sweeps: int
    swept: int
    failed: str


class Goodbye(msgspec.Struct):
    """Finish what was taken in and end."""


_pack = msgspec.msgpack.Encoder().encode
_KINDS: dict[type, int] = {Calls: _CALLS, Answers: _ANSWERS}
_UNPACK: dict[int, Callable[[Any], Any]] = {
    _PICKLED: pickle.loads,
    _CALLS: msgspec.msgpack.Decoder(Calls).decode,
    _ANSWERS: msgspec.msgpack.Decoder(Answers).decode,
}


def pack_calls(numbered: list[tuple[int, Call]]) -> Calls:
    """Calls as they are sent."""
    checkouts = [(number, call.key, call.fingerprint, call.command) for number, call in numbered if call.view is placed]
    if len(checkouts) == len(numbered):
        return Calls(checkouts)
    others = [(number, call) for number, call in numbered if call.view is not placed]
    return Calls(checkouts, pickle.dumps(others, pickle.HIGHEST_PROTOCOL))


def unpack_calls(calls: Calls) -> list[tuple[int, Call]]:
    """The calls that were sent."""
    numbered = [
        (number, Call(command, placed, key, fingerprint)) for number, key, fingerprint, command in calls.checkouts
    ]
    return numbered + pickle.loads(calls.others) if calls.others else numbered


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
            kind = _KINDS.get(type(message), _PICKLED)
            body = _pack(message) if kind else pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            self._transport.write(_HEAD.pack(len(body), kind) + body)

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
        while len(buffer) - start >= _HEAD.size:
            length, kind = _HEAD.unpack_from(buffer, start)
            end = start + _HEAD.size + length
            if len(buffer) < end:
                break
            message = _UNPACK[kind](memoryview(buffer)[start + _HEAD.size : end])
            start = end
            self._receive(message)
        del buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()
