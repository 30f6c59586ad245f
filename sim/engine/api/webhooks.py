"""What the payment provider tells us: signed, at least once, in any order."""

from __future__ import annotations

import re

import msgspec

from sim.engine import views
from sim.engine.api.parameters import PROVIDER_PATTERN
from sim.engine.api.request import Rejected, Request
from sim.engine.api.route import OPEN, Route
from sim.engine.calls import Call, Reply
from sim.engine.paying.payments import ProviderEvent, webhook_command
from sim.engine.problems import http_problem
from sim.engine.webhooks.signatures import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, SignatureError, verify

_HEADERS = (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
#: Whoever has our secret may call themselves as they like; their events are told apart by it.
_PROVIDER = re.compile(PROVIDER_PATTERN)
_UNDERSTOOD = Reply(200, b'{"received":true,"changed":false}')


class Taken(msgspec.Struct, gc=False):
    """Understood; `changed` is false for what was known or concerns nobody here."""

    received: bool
    changed: bool


async def take_webhook(request: Request) -> Reply:
    """Take an event of the payment provider. Its signature comes first: nothing is told to who has not signed."""
    provider = request.parameters["provider"]
    if not _PROVIDER.fullmatch(provider):
        raise Rejected(http_problem("not_found", "There is no such payment provider."))
    event: ProviderEvent = request.body
    try:
        command = webhook_command(event)
    except msgspec.MsgspecError as error:
        raise Rejected(http_problem("malformed", f"In data: {error}.")) from None
    if command is None:
        return _UNDERSTOOD
    call = Call(command, views.webhook_taken, provider_event=f"{provider}:{event.id}")
    return await request.engine.writer.submit(call)


def check_signature(request: Request) -> None:
    """Raise Rejected for a message that the provider has not signed, or not lately."""
    headers = {name: request.headers.get(name.encode(), b"").decode("latin-1") for name in _HEADERS}
    engine = request.engine
    try:
        verify((engine.psp_secret,), headers, request.raw, engine.wall() // 1_000_000)
    except SignatureError as error:
        raise Rejected(http_problem(error.code)) from None


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/payment-webhooks/{provider}",
        "Take an event of the payment provider",
        take_webhook,
        OPEN,
        "payments",
        {200: Taken},
        ProviderEvent,
        ("bad_signature", "stale_timestamp", "not_found"),
        any_query=True,  # providers call the address that they were given, with what they add to it
        guard=check_signature,
        bad_body="malformed",
    ),
)
