"""From records and events to answers: what the caller of a command sees of it."""

from __future__ import annotations

import functools
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from sim.engine.calls import Reply, View
from sim.engine.problems import problem, refused
from sim.engine.resources import (
    CancellationView,
    LineView,
    Money,
    OrderView,
    PackageView,
    PaymentView,
    RefundView,
    ReturnedView,
    ReturnView,
    id_or_none,
    instant,
    instant_or_none,
)
from sim.orders.entities import (
    Cancellation,
    Case,
    Line,
    Order,
    Package,
    Payment,
    PaymentStatus,
    Refund,
    Return,
)
from sim.orders.events import Refused
from sim.orders.states import Reason, State
from sim.orders.world import World

_encoder = msgspec.json.Encoder()
encode = _encoder.encode
_returned = msgspec.json.Decoder(list[tuple[int, int]]).decode


def order_view(case: Case, *, addressed: bool = True) -> OrderView:
    """An order with its lines, as the API shows it; not `addressed`: to one who may not know where to."""
    order = case.order
    currency = order.currency
    return OrderView(
        str(order.id),
        order.state.name,
        order.reason.name if order.reason != Reason.NOTHING else None,
        order.buyer_id,
        Money(str(order.total_minor), currency),
        Money(str(order.captured_minor), currency),
        Money(str(order.refunded_minor), currency),
        instant(order.placed_us),
        instant(order.pay_by_us),
        instant_or_none(order.due_us),
        instant_or_none(order.paid_us),
        instant_or_none(order.confirmed_us),
        instant_or_none(order.delivered_us),
        instant_or_none(order.closed_us),
        id_or_none(order.payment_id),
        id_or_none(order.cancellation_id),
        id_or_none(order.return_id),
        id_or_none(order.replaces_id),
        id_or_none(order.room_id),
        id_or_none(order.video_id),
        order.creator_id or None,
        msgspec.Raw(order.address.encode() if addressed else b"null"),
        [_line_view(line, currency) for line in case.lines],
        order.seq,
    )


def _line_view(line: Line, currency: str) -> LineView:
    return LineView(
        line.line_no,
        str(line.sku_id),
        str(line.shop_id),
        line.quantity,
        Money(str(line.price_minor), currency),
        line.phase.name,
        id_or_none(line.deal_id),
        id_or_none(line.package_id),
        line.returned,
    )


def payment_view(payment: Payment) -> PaymentView:
    """A payment as the API shows it."""
    return PaymentView(
        str(payment.id),
        str(payment.order_id),
        payment.status.name,
        Money(str(payment.amount_minor), payment.currency),
        payment.method,
        payment.failure or None,
        instant(payment.started_us),
        instant_or_none(payment.settled_us),
    )


def refund_view(refund: Refund) -> RefundView:
    """A refund as the API shows it."""
    return RefundView(
        str(refund.id),
        str(refund.order_id),
        str(refund.payment_id),
        refund.status.name,
        Money(str(refund.amount_minor), refund.currency),
        refund.cause,
        instant(refund.created_us),
        instant_or_none(refund.settled_us),
    )


def package_view(package: Package, line_nos: list[int]) -> PackageView:
    """A parcel with the numbers of its lines, as the API shows it."""
    return PackageView(
        str(package.id),
        str(package.order_id),
        package.status.name,
        package.carrier,
        package.tracking_number,
        line_nos,
        instant(package.created_us),
        instant_or_none(package.ready_us),
        instant_or_none(package.collected_us),
        instant_or_none(package.closed_us),
    )


def cancellation_view(request: Cancellation, state: State) -> CancellationView:
    """A cancellation of an order in a state, as the API shows it."""
    return CancellationView(
        str(request.id),
        str(request.order_id),
        state.name,
        request.status.name,
        request.initiator,
        request.cause,
        instant(request.requested_us),
        instant_or_none(request.answer_by_us),
        instant_or_none(request.decided_us),
    )


def return_view(request: Return) -> ReturnView:
    """An after-sales request as the API shows it."""
    return ReturnView(
        str(request.id),
        str(request.order_id),
        request.type.value,
        request.status.name,
        request.cause,
        [ReturnedView(line, quantity) for line, quantity in _returned(request.lines)],
        instant(request.requested_us),
        instant_or_none(request.answer_by_us),
        instant_or_none(request.ship_by_us),
        instant_or_none(request.decided_us),
        id_or_none(request.replacement_id),
        request.tracking_number,
        instant_or_none(request.shipped_us),
        instant_or_none(request.receive_by_us),
    )


@functools.lru_cache(maxsize=256)  # the orders of a group share theirs
def _times(placed_us: int, pay_by_us: int) -> str:
    return f'"created_at":"{instant(placed_us)}","pay_by":"{instant(pay_by_us)}","version":1}}'


def placed_of_merged(places: tuple[int, ...], world: Any, command: Any, happened: tuple[Any, ...]) -> Reply:
    """Answer a checkout whose equal lines were merged: line n of the command came first in place `places[n]`."""
    event = happened[0]
    if type(event) is Refused:
        sent = {f"/lines/{line}": f"/lines/{place}" for line, place in enumerate(places)}
        errors = tuple(
            error | {"pointer": sent[error["pointer"]]} if error.get("pointer") in sent else error
            for error in event.errors
        )
        return refused(replace(event, errors=errors))
    return placed(world, command, happened)


def placed(_world: World, _command: Any, happened: tuple[Any, ...]) -> Reply:
    """Answer a checkout."""
    event = happened[0]
    if type(event) is Refused:
        return refused(event)
    order = event.order  # the hot path: `ReceiptView` written by hand, at a fifth of the time
    order_id = str(order.id)
    body = (
        f'{{"id":"{order_id}","status":"UNPAID",'
        f'"total":{{"amount":"{order.total_minor}","currency":"{order.currency}"}},'
        f"{_times(order.placed_us, order.pay_by_us)}"
    )
    return Reply(201, body.encode(), "/v1/orders/" + order_id)


def order_changed(world: World, command: Any, happened: tuple[Any, ...]) -> Reply:
    """Answer with the order as it is now."""
    if happened and isinstance(happened[0], Refused):
        return refused(happened[0])
    return Reply(200, encode(order_view(world.cases[command.order_id])))


def payment_reply(world: World, command: Any, happened: tuple[Any, ...]) -> Reply:
    """Answer with where an attempt to pay stands: 201 captured, 202 pending, 402 declined."""
    if happened and isinstance(happened[0], Refused) and not getattr(command, "payment_id", 0):
        return refused(happened[0])
    payment = _payment_of(world, command, happened)
    location = f"/v1/orders/{payment.order_id}"
    if payment.status == PaymentStatus.CAPTURED:
        return Reply(201, encode(payment_view(payment)), location, subject=payment.id)
    if payment.status == PaymentStatus.PENDING:
        return Reply(202, encode(payment_view(payment)), location, subject=payment.id)
    if payment.status == PaymentStatus.DECLINED:
        return problem(402, "payment_declined", payment.failure, payment_id=str(payment.id))
    return _given_back(world.cases[payment.order_id].order, payment)


def _given_back(order: Order, payment: Payment) -> Reply:
    """Answer with why an attempt was in vain: that depends on what has become of the order."""
    took = f"{payment.amount_minor} {payment.currency} (in minor units), which is refunded"
    taken = f"The provider took {took if payment.amount_minor else 'nothing'}."
    payment_id = str(payment.id)
    if order.state == State.CANCELLED:
        return problem(409, "order_cancelled", f"{taken} The order is cancelled.", payment_id=payment_id)
    if order.state == State.UNPAID:
        detail = f"{taken} The order costs {order.total_minor} {order.currency}."
        return problem(402, "payment_declined", detail, payment_id=payment_id)
    return problem(409, "already_paid", f"{taken} The order is paid.", payment_id=payment_id)


def _payment_of(world: World, command: Any, happened: tuple[Any, ...]) -> Payment:
    for event in happened:
        found = getattr(event, "payment", None)
        if isinstance(found, Payment):
            return found
    case = world.cases[command.order_id]
    return next(payment for payment in case.payments if payment.id == command.payment_id)


def webhook_taken(_world: World, _command: Any, happened: tuple[Any, ...]) -> Reply:
    """Answer a provider's webhook: 200 for whatever is understood, new or known."""
    changed = bool(happened) and not isinstance(happened[0], Refused)
    return Reply(200, b'{"received":true,"changed":true}' if changed else b'{"received":true,"changed":false}')


def package_reply(status: int) -> View:
    """The view that answers with a command's parcel."""
    return partial(_package_reply, status)


def _package_reply(status: int, world: World, command: Any, happened: tuple[Any, ...]) -> Reply:
    event = happened[0]
    if isinstance(event, Refused):
        return refused(event)
    package_id, lines = event.package.id, world.cases[command.order_id].lines
    line_nos = [line.line_no for line in lines if line.package_id == package_id]
    return _made(status, "packages", package_view(event.package, line_nos))


def cancellation_reply(status: int) -> View:
    """The view that answers with a command's cancellation."""
    return partial(_cancellation_reply, status)


def _cancellation_reply(status: int, world: World, command: Any, happened: tuple[Any, ...]) -> Reply:
    event = happened[0]
    if isinstance(event, Refused):
        return refused(event)
    state = world.cases[command.order_id].order.state
    return _made(status, "cancellations", cancellation_view(event.cancellation, state))


def return_reply(status: int) -> View:
    """The view that answers with a command's return."""
    return partial(_return_reply, status)


def _return_reply(status: int, _world: World, _command: Any, happened: tuple[Any, ...]) -> Reply:
    event = happened[0]
    return refused(event) if isinstance(event, Refused) else _made(status, "returns", return_view(event.request))


def refund_reply(_world: World, _command: Any, happened: tuple[Any, ...]) -> Reply:
    """Answer with a refund that was decided."""
    event = happened[0]
    return refused(event) if isinstance(event, Refused) else _made(201, "refunds", refund_view(event.refund))


def _made(status: int, place: str, view: PackageView | CancellationView | ReturnView | RefundView) -> Reply:
    """Answer with something as it is now; with where to read it if the request has made it."""
    return Reply(status, encode(view), f"/v1/{place}/{view.id}" if status == 201 else "")


def nothing(_world: World, _command: Any, _happened: tuple[Any, ...]) -> Reply:
    """Answer nobody: a call of the engine itself."""
    return Reply(204)
