"""What HTTP hands to the writer, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sim.orders.events import Event

JSON = "application/json"
PROBLEM = "application/problem+json"


class Reply(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An answer, ready to send."""

    status: int
    body: bytes = b""
    location: str = ""
    etag: str = ""
    replayed: bool = False
    subject: int = 0  # the payment that a running request drives


#: What a command's outcome looks like to its caller: (the world after it, the command, its events) -> answer.
View = Callable[[Any, Any, tuple[Event, ...]], Reply]


class Call(msgspec.Struct, gc=False):
    """One command on its way to the writer.

    `key` (empty: none) and `fingerprint` make it idempotent. `provider_event` names a payment provider's event that
    must act only once. A call with `pending` stores its key as still running, for the payment that it starts. The
    engine's `own` calls, whose number is bounded elsewhere, are taken however many of its clients' wait: were they
    shed, a full queue would keep units from who waits for them, and orders would expire whose money was taken.
    """

    command: Any
    view: View
    key: bytes = b""
    fingerprint: bytes = b""
    provider_event: str = ""
    pending: bool = False
    settles: bytes = b""  # the key of a running request that this call's answer completes
    own: bool = False
