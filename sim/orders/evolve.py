"""`evolve(world, event)`: what an event changes. No decision is taken here; a refusal changes nothing.

Records are replaced in the world's mappings. Each event of an order raises its `seq` by one, moves it along the table
of transitions (anything else is a defect) and sets when time next acts on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from sim.errors import Defect
from sim.orders import events, stock
from sim.orders.ending import next_due_us
from sim.orders.entities import Case, DealBuyer, Line, PackageStatus, RequestStatus
from sim.orders.events import Event
from sim.orders.returning import wanted_units
from sim.orders.states import Reason, State, may_go
from sim.orders.stock import Phase
from sim.orders.world import World


def evolve(world: World, event: Event) -> None:
    """Apply one event to the world."""
    _CHANGES[type(event)](world, event)


def _refused(_world: World, _event: events.Refused) -> None:
    """Change nothing."""


def placed(world: World, event: events.OrderPlaced) -> None:
    """Apply a new order."""
    order, lines = event.order, event.lines
    stocks, parts, hold = world.stocks, world.parts, stock.hold
    for line in lines:
        quantity = line.quantity
        for part in parts[line.sku_id]:
            part_id = part.part_id
            stocks[part_id] = hold(stocks[part_id], part.units * quantity)
        if line.deal_id:
            _use_deal(world, line, order.buyer_id, quantity)
    world.cases[order.id] = Case(order, lines)


def _payment_started(world: World, event: events.PaymentStarted) -> None:
    case = world.cases[event.payment.order_id]
    payments = _with(case.payments, event.payment)
    _put(world, replace(case, payments=payments), payment_id=event.payment.id)


def _payment_captured(world: World, event: events.PaymentCaptured) -> None:
    payment = event.payment
    case = world.cases[payment.order_id]
    lines = tuple(_each_line(world, case.lines, Phase.COMMITTED, stock.commit))
    world.transfers.extend(event.transfers)
    _put(
        world,
        replace(case, lines=lines, payments=_with(case.payments, payment)),
        state=State.ON_HOLD,
        payment_id=payment.id,
        captured_minor=payment.amount_minor,
        paid_us=payment.settled_us,
    )


def _payment_declined(world: World, event: events.PaymentDeclined) -> None:
    case = world.cases[event.payment.order_id]
    _put(world, replace(case, payments=_with(case.payments, event.payment)))


def _payment_returned(world: World, event: events.PaymentReturned) -> None:
    case = world.cases[event.payment.order_id]
    world.transfers.extend(event.transfers)
    payments = _with(case.payments, event.payment)
    refunds = case.refunds if event.refund is None else (*case.refunds, event.refund)
    _put(world, replace(case, payments=payments, refunds=refunds))


def _confirmed(world: World, event: events.OrderConfirmed) -> None:
    _put(world, world.cases[event.order_id], state=State.AWAITING_SHIPMENT, confirmed_us=event.at_us)


def _package_created(world: World, event: events.PackageCreated) -> None:
    case = world.cases[event.package.order_id]
    lines = tuple(
        replace(line, package_id=event.package.id) if line.line_no in event.line_nos else line for line in case.lines
    )
    _put(world, replace(case, lines=lines, packages=(*case.packages, event.package)))


def _package_ready(world: World, event: events.PackageReady) -> None:
    case = world.cases[event.package.order_id]
    _put(world, replace(case, packages=_with(case.packages, event.package)), state=event.state)


def _package_collected(world: World, event: events.PackageCollected) -> None:
    case = world.cases[event.package.order_id]
    mine = [line for line in case.lines if line.package_id == event.package.id]
    gone = {line.line_no: line for line in _each_line(world, mine, Phase.SHIPPED, stock.ship)}
    world.moves.extend(event.moves)
    lines = tuple(gone.get(line.line_no, line) for line in case.lines)
    _put(world, replace(case, lines=lines, packages=_with(case.packages, event.package)), state=event.state)


def _package_arrived(world: World, event: events.PackageArrived) -> None:
    case = replace(
        world.cases[event.package.order_id],
        packages=_with(world.cases[event.package.order_id].packages, event.package),
    )
    at_us = event.package.closed_us
    if event.state == State.CANCELLED:
        _put(world, case, state=event.state, reason=Reason.LOST, closed_us=at_us)
    elif event.state == State.DELIVERED:
        _put(world, case, state=event.state, delivered_us=at_us)
    else:
        _put(world, case, state=event.state)


def _cancellation_requested(world: World, event: events.CancellationRequested) -> None:
    case = world.cases[event.cancellation.order_id]
    cancellations = (*case.cancellations, event.cancellation)
    _put(world, replace(case, cancellations=cancellations), cancellation_id=event.cancellation.id)


def _cancellation_answered(world: World, event: events.CancellationAnswered) -> None:
    case = world.cases[event.cancellation.order_id]
    _put(world, replace(case, cancellations=_with(case.cancellations, event.cancellation)), cancellation_id=0)


def _cancelled(world: World, event: events.OrderCancelled) -> None:
    case = world.cases[event.order_id]
    for line in case.lines:
        for part in world.parts[line.sku_id]:
            units = part.units * line.quantity
            world.stocks[part.part_id] = stock.let_go(world.stocks[part.part_id], units, line.phase)
    lines = tuple(replace(line, phase=Phase.RELEASING) for line in case.lines)
    packages = tuple(
        replace(package, status=PackageStatus.CANCELLED, closed_us=event.at_us) for package in case.packages
    )
    _put(
        world,
        replace(case, lines=lines, packages=packages),
        state=State.CANCELLED,
        reason=event.reason,
        closed_us=event.at_us,
        cancellation_id=0,
    )


def _released(world: World, event: events.UnitsReleased) -> None:
    case = world.cases[event.order_id]
    for line in case.lines:
        if line.deal_id:
            _use_deal(world, line, case.order.buyer_id, -line.quantity)
    _put(world, replace(case, lines=tuple(_each_line(world, case.lines, Phase.RELEASED, stock.release))))


def _return_requested(world: World, event: events.ReturnRequested) -> None:
    case = world.cases[event.request.order_id]
    _put(world, replace(case, returns=(*case.returns, event.request)), return_id=event.request.id)


def _return_answered(world: World, event: events.ReturnAnswered) -> None:
    case = world.cases[event.request.order_id]
    case = replace(case, returns=_with(case.returns, event.request))
    if event.request.status == RequestStatus.COMPLETED:  # money alone: no goods come back
        _put(world, case, return_id=0, reason=Reason.REFUNDED)
    else:
        _put(world, case, return_id=event.request.id if event.request.status == RequestStatus.APPROVED else 0)


def _return_shipped(world: World, event: events.ReturnShipped) -> None:
    case = world.cases[event.request.order_id]
    _put(world, replace(case, returns=_with(case.returns, event.request)))


def _return_received(world: World, event: events.ReturnReceived) -> None:
    case = world.cases[event.request.order_id]
    quantities = wanted_units(event.request)
    lines = tuple(replace(line, returned=line.returned + quantities.get(line.line_no, 0)) for line in case.lines)
    for move in event.moves:
        world.stocks[move.sku_id] = stock.add(world.stocks[move.sku_id], move.units)
    world.moves.extend(event.moves)
    _put(
        world,
        replace(case, lines=lines, returns=_with(case.returns, event.request)),
        return_id=0,
        reason=Reason.RETURNED,
    )


def _refund_issued(world: World, event: events.RefundIssued) -> None:
    case = world.cases[event.refund.order_id]
    world.transfers.extend(event.transfers)
    refunded = case.order.refunded_minor + event.refund.amount_minor
    _put(world, replace(case, refunds=(*case.refunds, event.refund)), refunded_minor=refunded)


def _refund_settled(world: World, event: events.RefundSettled) -> None:
    case = world.cases[event.refund.order_id]
    _put(world, replace(case, refunds=_with(case.refunds, event.refund)))


def _completed(world: World, event: events.OrderCompleted) -> None:
    _put(world, world.cases[event.order_id], state=State.COMPLETED, closed_us=event.at_us)


def _stock_changed(world: World, event: events.StockChanged) -> None:
    move = event.move
    world.stocks[move.sku_id] = stock.add(world.stocks[move.sku_id], move.units)
    world.moves.append(move)


def _put(world: World, case: Case, **changes: Any) -> None:
    """Store a case whose order takes `changes`, one event older, and due when time next acts on it."""
    order = case.order
    after = changes.get("state", order.state)
    if after != order.state and not may_go(order.state, after):
        raise Defect(f"order {order.id} cannot go from {order.state.name} to {after.name}")
    case = replace(case, order=replace(order, seq=order.seq + 1, **changes))
    due_us = next_due_us(case, world.rules)
    if due_us != case.order.due_us:
        case = replace(case, order=replace(case.order, due_us=due_us))
    world.cases[order.id] = case


def _each_line(
    world: World, lines: Iterable[Line], phase: Phase, step: Callable[[stock.Stock, int], stock.Stock]
) -> Iterable[Line]:
    """Take `step` with the stock of every part of the lines, and put the lines into `phase`."""
    for line in lines:
        for part in world.parts[line.sku_id]:
            world.stocks[part.part_id] = step(world.stocks[part.part_id], part.units * line.quantity)
        yield replace(line, phase=phase)


def _use_deal(world: World, line: Line, buyer_id: str, units: int) -> None:
    """Use (or give back, negative) units of a deal, in all and for the buyer."""
    deal = world.deals[line.deal_id]
    world.deals[line.deal_id] = replace(deal, used=deal.used + units)
    key = (line.deal_id, buyer_id)
    earlier = world.deal_buyers.get(key)
    world.deal_buyers[key] = DealBuyer(line.deal_id, buyer_id, (earlier.units if earlier else 0) + units)


def _with(records: tuple[Any, ...], changed: Any) -> tuple[Any, ...]:
    """The records with the one of the same id replaced, or `changed` added at the end."""
    if any(record.id == changed.id for record in records):
        return tuple(changed if record.id == changed.id else record for record in records)
    return (*records, changed)


_CHANGES: dict[type, Callable[[World, Any], None]] = {
    events.Refused: _refused,
    events.OrderPlaced: placed,
    events.PaymentStarted: _payment_started,
    events.PaymentCaptured: _payment_captured,
    events.PaymentDeclined: _payment_declined,
    events.PaymentReturned: _payment_returned,
    events.OrderConfirmed: _confirmed,
    events.PackageCreated: _package_created,
    events.PackageReady: _package_ready,
    events.PackageCollected: _package_collected,
    events.PackageArrived: _package_arrived,
    events.CancellationRequested: _cancellation_requested,
    events.CancellationAnswered: _cancellation_answered,
    events.OrderCancelled: _cancelled,
    events.UnitsReleased: _released,
    events.ReturnRequested: _return_requested,
    events.ReturnAnswered: _return_answered,
    events.ReturnShipped: _return_shipped,
    events.ReturnReceived: _return_received,
    events.RefundIssued: _refund_issued,
    events.RefundSettled: _refund_settled,
    events.OrderCompleted: _completed,
    events.StockChanged: _stock_changed,
}
