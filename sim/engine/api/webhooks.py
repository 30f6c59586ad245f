"""What the payment provider tells us: signed, at least once, in any order."""

from __future__ import annotations

from typing import Any

import msgspec

from sim.engine import views
from sim.engine.api.request import Rejected, Request
from sim.engine.api.route import OPEN, Route
from sim.engine.calls import Call, Reply
from sim.engine.problems import http_problem
from sim.engine.resources import Currency, Id, Instant, Minor, Word
from sim.engine.signatures import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, SignatureError, verify
from sim.orders.commands import Capture, Decline, SettleRefund

_HEADERS = (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
_UNDERSTOOD = Reply(200, b'{"received":true,"changed":false}')


class EventData(msgspec.Struct, gc=False):
    """What a provider's event is about. A `payment_id` that is not ours is taken as the provider's own reference."""

    order_id: Id
    payment_id: Word = ""
    refund_id: Id = "0"
    amount: Minor = "0"
    currency: Currency = ""
    failure: str = ""


class ProviderEvent(msgspec.Struct, gc=False):
    """An event of a payment provider; types that are not known are taken and ignored."""

    id: Word
    type: Word
    data: EventData
    created_at: Instant = ""


class Taken(msgspec.Struct, gc=False):
    """Understood; `changed` is false for what was known or concerns nobody here."""

    received: bool
    changed: bool


async def take_webhook(request: Request) -> Reply:
    """Take an event of the payment provider."""
    _check_signature(request)
    event: ProviderEvent = request.body
    command = _command(event)
    if command is None:
        return _UNDERSTOOD
    call = Call(command, views.webhook_taken, provider_event=f"{request.parameters['provider']}:{event.id}")
    return await request.engine.writer.submit(call)


def _command(event: ProviderEvent) -> Any:
    """Return what an event asks of an order, None for types that ask nothing."""
    data = event.data
    order_id = int(data.order_id)
    ours = int(data.payment_id) if data.payment_id.isascii() and data.payment_id.isdigit() else 0
    if event.type == "payment.captured":
        return Capture(order_id, ours, int(data.amount), data.currency, data.payment_id)
    if event.type == "payment.declined":
        return Decline(order_id, ours, data.failure or "declined")
    if event.type == "refund.succeeded":
        return SettleRefund(order_id, int(data.refund_id))
    return None


def _check_signature(request: Request) -> None:
    """Raise Rejected for a message that the provider has not signed, or not lately."""
    headers = {name: request.headers.get(name.encode(), b"").decode("latin-1") for name in _HEADERS}
    engine = request.engine
    try:
        verify((engine.psp_secret,), headers, request.raw, engine.clock() // 1_000_000)
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
        ("bad_signature", "stale_timestamp"),
    ),
)
