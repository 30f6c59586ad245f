"""Deciding what happens after delivery: returns, refunds without a return, and the end of the window for them."""

from __future__ import annotations

import json

from msgspec.structs import replace

from sim.orders import placing, refunding
from sim.orders.commands import AnswerReturn, IssueRefund, PlaceOrder, ReceiveReturn, RequestReturn, ShipReturn, Wanted
from sim.orders.entities import (
    Case,
    PackageStatus,
    Payment,
    PaymentStatus,
    RequestStatus,
    Return,
    ReturnType,
    StockMove,
)
from sim.orders.events import (
    Event,
    OrderPlaced,
    PaymentCaptured,
    Refusal,
    Refused,
    ReturnAnswered,
    ReturnReceived,
    ReturnRequested,
    ReturnShipped,
)
from sim.orders.fulfilling import illegal
from sim.orders.paying import NO_ORDER, limit_reached
from sim.orders.rules import Rules
from sim.orders.states import State
from sim.orders.world import World

_WAITS_FOR_GOODS = (RequestStatus.APPROVED, RequestStatus.BUYER_SHIPPED)
_NO_RETURN = Refused(Refusal.NOT_FOUND, "There is no such return.")


def request_return(world: World, command: RequestReturn, now_us: int) -> tuple[Event, ...]:
    """Ask for money or other goods, inside the window."""
    case = world.cases.get(command.order_id)
    if case is None:
        return (NO_ORDER,)
    order = case.order
    closed = order.state == State.DELIVERED and now_us >= order.delivered_us + world.rules.return_window_us
    if order.state == State.COMPLETED or closed:
        return (Refused(Refusal.WINDOW_CLOSED, "The time to ask for a return is over."),)
    if order.state != State.DELIVERED:
        return (illegal(order, State.DELIVERED),)
    if order.return_id:
        return (Refused(Refusal.REQUEST_OPEN, "A return is already asked for."),)
    if len(case.returns) >= world.rules.max_returns:
        return (limit_reached(world.rules.max_returns, "returns"),)
    wanted = command.lines or tuple(_returnable(case).items())
    if not wanted or not _can_come_back(case, wanted):
        return (Refused(Refusal.INVALID, "These lines and quantities cannot be returned."),)
    rules = world.rules
    request = Return(
        world.next_id(),
        order.id,
        command.type,
        RequestStatus.PENDING,
        command.cause,
        json.dumps(wanted),
        now_us,
        now_us + rules.return_answer_us,
        0,
        0,
        0,
    )
    return (ReturnRequested(request),)


def answer_return(world: World, command: AnswerReturn, now_us: int) -> tuple[Event, ...]:
    """Let the merchant grant or refuse; a granted REFUND needs no goods and is paid at once."""
    found = _return_of(world, command.order_id, command.return_id)
    if isinstance(found, Refused):
        return (found,)
    case, request = found
    if request.status != RequestStatus.PENDING:
        return (Refused(Refusal.ALREADY_ANSWERED, "The return is answered already."),)
    if not command.granted:
        return (ReturnAnswered(replace(request, status=RequestStatus.REJECTED, decided_us=now_us)),)
    return _grant(world, case, request, now_us)


def ship_return(world: World, command: ShipReturn, now_us: int) -> tuple[Event, ...]:
    """Note that the buyer has sent the goods; from then on the merchant has his time to take them in."""
    found = _return_of(world, command.order_id, command.return_id)
    if isinstance(found, Refused):
        return (found,)
    _case, request = found
    if request.status != RequestStatus.APPROVED:
        return (Refused(Refusal.ALREADY_ANSWERED, "The return does not wait for the buyer to send goods."),)
    return (_shipped(world, request, command.tracking_number, now_us),)


def receive_return(world: World, command: ReceiveReturn, now_us: int) -> tuple[Event, ...]:
    """Take the goods back, announced or not: restock them if they can be sold, and refund."""
    found = _return_of(world, command.order_id, command.return_id)
    if isinstance(found, Refused):
        return (found,)
    case, request = found
    if request.status not in _WAITS_FOR_GOODS:
        return (Refused(Refusal.ALREADY_ANSWERED, "The return does not wait for goods."),)
    moves = tuple(_moves_in(world, case, request, now_us)) if command.restock else ()
    if request.type != ReturnType.REPLACEMENT:
        return _received(world, case, request, moves, now_us)
    happened = _replace_goods(world, case, request, moves, now_us)
    if isinstance(happened[0], Refused) and request.status == RequestStatus.APPROVED:
        return (_shipped(world, request, "", now_us),)  # they came unannounced: from now on they wait for stock
    return happened


def issue_refund(world: World, command: IssueRefund, now_us: int) -> tuple[Event, ...]:
    """Give part of the money back, never more than was captured."""
    case = world.cases.get(command.order_id)
    if case is None:
        return (NO_ORDER,)
    if command.currency != case.order.currency:
        return (Refused(Refusal.CURRENCY_MISMATCH, f"The order is in {case.order.currency}."),)
    if command.amount_minor < 1:
        return (Refused(Refusal.INVALID, "The amount must be above 0."),)
    if len(case.refunds) >= world.rules.max_refunds:
        return (limit_reached(world.rules.max_refunds, "refunds"),)
    left = refunding.refundable_minor(case)
    if command.amount_minor > left:
        facts = {"refundable": {"amount": str(left), "currency": case.order.currency}}
        return (Refused(Refusal.REFUND_EXCEEDS_CAPTURED, "That is more than was paid and not refunded.", facts),)
    return (refunding.refund(world, case, command.amount_minor, now_us, command.cause or "goodwill"),)


def elapse(world: World, case: Case, now_us: int) -> tuple[Event, ...]:
    """Do what is due on a delivered order's open return; nothing where there is none."""
    if not case.order.return_id:
        return ()
    request = _find(case, case.order.return_id)
    assert request is not None
    if request.status == RequestStatus.PENDING:
        return _grant(world, case, request, now_us)
    if request.status == RequestStatus.BUYER_SHIPPED:
        return _received_unseen(world, case, request, now_us)
    return (ReturnAnswered(replace(request, status=RequestStatus.REJECTED, decided_us=now_us)),)


def next_due_us(case: Case, rules: Rules) -> int:
    """When something must have happened to a delivered order's return, or when its window ends."""
    order = case.order
    if order.return_id:
        request = _find(case, order.return_id)
        assert request is not None
        if request.status == RequestStatus.PENDING:
            return request.answer_by_us
        return request.receive_by_us if request.status == RequestStatus.BUYER_SHIPPED else request.ship_by_us
    return order.delivered_us + rules.return_window_us


def wanted_units(request: Return) -> dict[int, int]:
    """The quantity by line number that a return is about."""
    return {int(line_no): int(quantity) for line_no, quantity in json.loads(request.lines)}


def _grant(world: World, case: Case, request: Return, now_us: int) -> tuple[Event, ...]:
    if request.type == ReturnType.REFUND:
        done = replace(request, status=RequestStatus.COMPLETED, decided_us=now_us)
        return (ReturnAnswered(done), *_refund(world, case, request, now_us))
    ship_by_us = now_us + world.rules.return_ship_us
    return (ReturnAnswered(replace(request, status=RequestStatus.APPROVED, decided_us=now_us, ship_by_us=ship_by_us)),)


def _refund(world: World, case: Case, request: Return, now_us: int) -> tuple[Event, ...]:
    return refunding.of_goods(world, case, wanted_units(request), now_us, "return")


def _shipped(world: World, request: Return, tracking_number: str, now_us: int) -> ReturnShipped:
    return ReturnShipped(
        replace(
            request,
            status=RequestStatus.BUYER_SHIPPED,
            tracking_number=tracking_number,
            shipped_us=now_us,
            receive_by_us=now_us + world.rules.return_receive_us,
        )
    )


def _received(
    world: World, case: Case, request: Return, moves: tuple[StockMove, ...], now_us: int
) -> tuple[Event, ...]:
    """Close a return whose goods are back: their money goes."""
    done = ReturnReceived(replace(request, status=RequestStatus.COMPLETED), moves)
    return (done, *_refund(world, case, request, now_us))


def _received_unseen(world: World, case: Case, request: Return, now_us: int) -> tuple[Event, ...]:
    """Take in by time what the merchant did not: nobody looked at it, so that it cannot be sold again."""
    if request.type == ReturnType.REPLACEMENT:
        happened = _replace_goods(world, case, request, (), now_us)
        if not isinstance(happened[0], Refused):
            return happened
    return _received(world, case, request, (), now_us)


def _replace_goods(
    world: World, case: Case, request: Return, moves: tuple[StockMove, ...], now_us: int
) -> tuple[Event, ...]:
    """Order the same goods again for nothing, paid at once; refused while they are not in stock.

    Goods that came back to be sold again (`moves`) are in stock: as many as are wanted.
    """
    quantities = wanted_units(request)
    wanted = tuple(Wanted(line.sku_id, quantities[line.line_no]) for line in case.lines if line.line_no in quantities)
    cart = PlaceOrder(case.order.buyer_id, wanted, address=case.order.address)
    (placed,) = placing.place(world, cart, now_us, free=True, stocked=bool(moves))
    if isinstance(placed, Refused):
        return (placed,)
    order = replace(placed.order, replaces_id=case.order.replaces_id or case.order.id)
    payment_id = world.next_id()
    payment = Payment(
        payment_id,
        order.id,
        PaymentStatus.CAPTURED,
        0,
        order.currency,
        "replacement",
        str(payment_id),
        now_us,
        now_us,
        "",
    )
    done = replace(request, status=RequestStatus.COMPLETED, replacement_id=order.id)
    return (ReturnReceived(done, moves), OrderPlaced(order, placed.lines), PaymentCaptured(payment, ()))


def _moves_in(world: World, case: Case, request: Return, now_us: int) -> list[StockMove]:
    quantities = wanted_units(request)
    return [
        StockMove(
            world.next_id(), part.part_id, "restocked", part.units * quantities[line.line_no], line.order_id, now_us
        )
        for line in case.lines
        if line.line_no in quantities
        for part in world.parts[line.sku_id]
    ]


def _can_come_back(case: Case, wanted: tuple[tuple[int, int], ...]) -> bool:
    left = _returnable(case)
    named = [line_no for line_no, _quantity in wanted]
    return len(set(named)) == len(named) and all(0 < quantity <= left.get(line_no, 0) for line_no, quantity in wanted)


def _returnable(case: Case) -> dict[int, int]:
    """The units by line number that have arrived and are neither back nor refunded as they are."""
    arrived = {package.id for package in case.packages if package.status == PackageStatus.DELIVERED}
    left = {line.line_no: line.quantity - line.returned for line in case.lines if line.package_id in arrived}
    for request in case.returns:
        if request.type == ReturnType.REFUND and request.status == RequestStatus.COMPLETED:
            for line_no, quantity in wanted_units(request).items():
                left[line_no] -= quantity
    return {line_no: quantity for line_no, quantity in left.items() if quantity}


def _return_of(world: World, order_id: int, return_id: int) -> tuple[Case, Return] | Refused:
    case = world.cases.get(order_id)
    if case is None:
        return NO_ORDER
    request = _find(case, return_id)
    return _NO_RETURN if request is None else (case, request)


def _find(case: Case, return_id: int) -> Return | None:
    return next((known for known in case.returns if known.id == return_id), None)
