"""After sales: cancellations, returns, refunds."""

from __future__ import annotations

from sim.engine import views
from sim.engine.api.order_bodies import CancelBody, ReceiveBody, RefundBody, ReturnBody, ShipReturnBody
from sim.engine.api.orders import order_and
from sim.engine.api.request import Rejected, Request
from sim.engine.api.route import BUYER, BUYER_OR_MERCHANT, MERCHANT, Route
from sim.engine.calls import Reply
from sim.engine.problems import http_problem
from sim.engine.resources import CancellationView, RefundView, ReturnView
from sim.orders import commands


async def cancel(request: Request) -> Reply:
    """Cancel an order at once where that is free, else ask the merchant."""
    initiator = "buyer" if request.role == "buyer" else "merchant"
    command = commands.RequestCancellation(request.id("order_id"), initiator, request.body.reason)
    return await request.submit(command, views.cancellation_reply(201))


async def approve_cancellation(request: Request) -> Reply:
    """Grant a cancellation."""
    return await _answer_cancellation(request, granted=True)


async def reject_cancellation(request: Request) -> Reply:
    """Refuse a cancellation."""
    return await _answer_cancellation(request, granted=False)


async def request_return(request: Request) -> Reply:
    """Ask for money or other goods after delivery."""
    body: ReturnBody = request.body
    lines = tuple((line.line, line.quantity) for line in body.lines)
    command = commands.RequestReturn(request.id("order_id"), body.type, lines, body.reason)
    return await request.submit(command, views.return_reply(201))


async def approve_return(request: Request) -> Reply:
    """Grant a return; a REFUND is paid at once, the others wait for the goods."""
    return await _answer_return(request, granted=True)


async def reject_return(request: Request) -> Reply:
    """Refuse a return."""
    return await _answer_return(request, granted=False)


async def ship_return(request: Request) -> Reply:
    """Say that the goods are on their way back."""
    command = commands.ShipReturn(*await _return_of(request), request.body.tracking_number)
    return await request.submit(command, views.return_reply(200))


async def receive_return(request: Request) -> Reply:
    """Take returned goods in: refund, or order the replacement."""
    command = commands.ReceiveReturn(*await _return_of(request), request.body.restock)
    return await request.submit(command, views.return_reply(200))


async def refund(request: Request) -> Reply:
    """Give part of the money back without a return."""
    body: RefundBody = request.body
    amount_minor = int(body.amount.amount)
    if not amount_minor:
        raise Rejected(http_problem("invalid", "The amount must be above 0.", errors=[{"pointer": "/amount/amount"}]))
    command = commands.IssueRefund(request.id("order_id"), amount_minor, body.amount.currency, body.reason)
    return await request.submit(command, views.refund_reply)


async def _answer_cancellation(request: Request, *, granted: bool) -> Reply:
    command = commands.AnswerCancellation(*await order_and(request, "cancellation_id", "cancellations"), granted)
    return await request.submit(command, views.cancellation_reply(200))


async def _answer_return(request: Request, *, granted: bool) -> Reply:
    command = commands.AnswerReturn(*await _return_of(request), granted)
    return await request.submit(command, views.return_reply(200))


async def _return_of(request: Request) -> tuple[int, int]:
    return await order_and(request, "return_id", "returns")


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/orders/{order_id}/cancellations",
        "Cancel an order",
        cancel,
        BUYER_OR_MERCHANT,
        "after-sales",
        {201: CancellationView},
        CancelBody,
        ("not_found", "illegal_transition", "request_open", "limit_reached"),
        idempotent=True,
    ),
    Route(
        "POST",
        "/v1/cancellations/{cancellation_id}:approve",
        "Grant a cancellation",
        approve_cancellation,
        MERCHANT,
        "after-sales",
        {200: CancellationView},
        None,
        ("not_found", "already_answered", "illegal_transition"),
        idempotent=True,
    ),
    Route(
        "POST",
        "/v1/cancellations/{cancellation_id}:reject",
        "Refuse a cancellation",
        reject_cancellation,
        MERCHANT,
        "after-sales",
        {200: CancellationView},
        None,
        ("not_found", "already_answered", "illegal_transition"),
        idempotent=True,
    ),
    Route(
        "POST",
        "/v1/orders/{order_id}/returns",
        "Ask for a return",
        request_return,
        BUYER,
        "after-sales",
        {201: ReturnView},
        ReturnBody,
        ("not_found", "illegal_transition", "request_open", "window_closed", "limit_reached", "invalid"),
        idempotent=True,
    ),
    Route(
        "POST",
        "/v1/returns/{return_id}:approve",
        "Grant a return",
        approve_return,
        MERCHANT,
        "after-sales",
        {200: ReturnView},
        None,
        ("not_found", "already_answered"),
        idempotent=True,
    ),
    Route(
        "POST",
        "/v1/returns/{return_id}:reject",
        "Refuse a return",
        reject_return,
        MERCHANT,
        "after-sales",
        {200: ReturnView},
        None,
        ("not_found", "already_answered"),
        idempotent=True,
    ),
    Route(
        "POST",
        "/v1/returns/{return_id}:ship",
        "Send the goods back",
        ship_return,
        BUYER,
        "after-sales",
        {200: ReturnView},
        ShipReturnBody,
        ("not_found", "already_answered"),
        idempotent=True,
    ),
    Route(
        "POST",
        "/v1/returns/{return_id}:receive",
        "Take returned goods in",
        receive_return,
        MERCHANT,
        "after-sales",
        {200: ReturnView},
        ReceiveBody,
        ("not_found", "already_answered", "insufficient_stock"),
        idempotent=True,
    ),
    Route(
        "POST",
        "/v1/orders/{order_id}/refunds",
        "Give money back",
        refund,
        MERCHANT,
        "after-sales",
        {201: RefundView},
        RefundBody,
        ("not_found", "refund_exceeds_captured", "currency_mismatch", "limit_reached"),
        idempotent=True,
    ),
)
