"""Events as rows of the feed: which order, which step, and a little JSON for those who listen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sim.orders import events
from sim.orders.entities import Case
from sim.orders.states import State

#: The fields of `EventRow`, in their order.
Row = tuple[int, int, int, str, int, int, int, str]

_PLACED = events.OrderPlaced.TYPE


def order_of(event: Any) -> int:
    """The id of the order that an event is about, 0 for none."""
    return _ORDER_OF[type(event)](event)


def event_row(event: Any, seq: int, at_us: int, before: State, case: Case) -> Row:
    """An order's event as the feed has it, after it was applied."""
    order = case.order
    data = _DATA.get(type(event), _nothing)(event)
    return seq, order.id, order.seq, event.TYPE, at_us, int(before), int(order.state), data


def placed_row(event: events.OrderPlaced, seq: int, at_us: int) -> Row:
    """The first event of an order as the feed has it."""
    order = event.order
    data = f'{{"amount":"{order.total_minor}","currency":"{order.currency}"}}'
    return seq, order.id, 1, _PLACED, at_us, 0, 1, data


def stock_row(event: events.StockChanged, seq: int, at_us: int) -> Row:
    """A change of a SKU's stock as the feed has it; it belongs to no order."""
    move = event.move
    data = _json({"sku_id": str(move.sku_id), "units": move.units, "cause": move.kind})
    return seq, 0, seq, event.TYPE, at_us, 0, 0, data


def _json(facts: dict[str, Any]) -> str:
    return msgspec.json.encode(facts).decode()


def _nothing(_event: Any) -> str:
    return "{}"


def _payment(event: Any) -> str:
    return f'{{"payment_id":"{event.payment.id}","amount":"{event.payment.amount_minor}"}}'


def _refund(event: events.RefundIssued | events.RefundSettled) -> str:
    return _json({"refund_id": str(event.refund.id), "amount": str(event.refund.amount_minor)})


def _package(event: Any) -> str:
    return _json({"package_id": str(event.package.id), "status": event.package.status.name})


def _cancelled(event: events.OrderCancelled) -> str:
    return f'{{"reason":"{event.reason.name}"}}'


def _cancellation(event: Any) -> str:
    return _json({"cancellation_id": str(event.cancellation.id), "status": event.cancellation.status.name})


def _return(event: Any) -> str:
    return _json({"return_id": str(event.request.id), "status": event.request.status.name})


_DATA: dict[type, Callable[[Any], str]] = {
    events.PaymentStarted: _payment,
    events.PaymentCaptured: _payment,
    events.PaymentDeclined: _payment,
    events.PaymentReturned: _payment,
    events.PackageCreated: _package,
    events.PackageReady: _package,
    events.PackageCollected: _package,
    events.PackageArrived: _package,
    events.CancellationRequested: _cancellation,
    events.CancellationAnswered: _cancellation,
    events.OrderCancelled: _cancelled,
    events.ReturnRequested: _return,
    events.ReturnAnswered: _return,
    events.ReturnShipped: _return,
    events.ReturnReceived: _return,
    events.RefundIssued: _refund,
    events.RefundSettled: _refund,
}

_ORDER_OF: dict[type, Callable[[Any], int]] = {
    events.PaymentStarted: lambda event: int(event.payment.order_id),
    events.PaymentCaptured: lambda event: int(event.payment.order_id),
    events.PaymentDeclined: lambda event: int(event.payment.order_id),
    events.PaymentReturned: lambda event: int(event.payment.order_id),
    events.OrderConfirmed: lambda event: int(event.order_id),
    events.PackageCreated: lambda event: int(event.package.order_id),
    events.PackageReady: lambda event: int(event.package.order_id),
    events.PackageCollected: lambda event: int(event.package.order_id),
    events.PackageArrived: lambda event: int(event.package.order_id),
    events.CancellationRequested: lambda event: int(event.cancellation.order_id),
    events.CancellationAnswered: lambda event: int(event.cancellation.order_id),
    events.OrderCancelled: lambda event: int(event.order_id),
    events.UnitsReleased: lambda event: int(event.order_id),
    events.ReturnRequested: lambda event: int(event.request.order_id),
    events.ReturnAnswered: lambda event: int(event.request.order_id),
    events.ReturnShipped: lambda event: int(event.request.order_id),
    events.ReturnReceived: lambda event: int(event.request.order_id),
    events.RefundIssued: lambda event: int(event.refund.order_id),
    events.RefundSettled: lambda event: int(event.refund.order_id),
    events.OrderCompleted: lambda event: int(event.order_id),
}
