"""Deciding how orders end: cancellations, and what time does to an order that nobody touches."""

from __future__ import annotations

from msgspec.structs import replace

from sim.orders import refunding, returning
from sim.orders.commands import AnswerCancellation, Elapse, RequestCancellation
from sim.orders.entities import Cancellation, Case, Order, RequestStatus
from sim.orders.events import (
    CancellationAnswered,
    CancellationRequested,
    Event,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    Refusal,
    Refused,
    UnitsReleased,
)
from sim.orders.fulfilling import illegal
from sim.orders.paying import NO_ORDER, limit_reached
from sim.orders.rules import Rules
from sim.orders.states import Reason, State
from sim.orders.stock import Phase
from sim.orders.world import World

_BEFORE_COLLECTION = (State.UNPAID, State.ON_HOLD, State.AWAITING_SHIPMENT, State.AWAITING_COLLECTION)


def request_cancellation(world: World, command: RequestCancellation, now_us: int) -> tuple[Event, ...]:
    """Cancel at once where that is free, else ask the merchant. The merchant's own wish needs no answer."""
    case = world.cases.get(command.order_id)
    if case is None:
        return (NO_ORDER,)
    order = case.order
    if not _can_be_cancelled(case):
        return (illegal(order, State.CANCELLED),)
    if order.cancellation_id:
        return (Refused(Refusal.REQUEST_OPEN, "A cancellation is already asked for."),)
    rules = world.rules
    free = order.state in (State.UNPAID, State.ON_HOLD) or now_us < order.confirmed_us + rules.cancel_freely_us
    request = Cancellation(
        world.next_id(),
        order.id,
        RequestStatus.PENDING,
        command.initiator,
        command.cause,
        now_us,
        now_us + rules.cancel_answer_us,
        0,
    )
    if free or command.initiator != "buyer":
        return _grant(world, case, request, now_us, _reason(order, request))
    if len(case.cancellations) >= rules.max_cancellations:
        return (limit_reached(rules.max_cancellations, "requests to cancel it"),)
    return (CancellationRequested(request),)


def answer_cancellation(world: World, command: AnswerCancellation, now_us: int) -> tuple[Event, ...]:
    """Let the merchant grant or refuse."""
    case = world.cases.get(command.order_id)
    if case is None:
        return (NO_ORDER,)
    request = next((known for known in case.cancellations if known.id == command.cancellation_id), None)
    if request is None:
        return (Refused(Refusal.NOT_FOUND, "There is no such cancellation."),)
    if request.status != RequestStatus.PENDING:
        return (Refused(Refusal.ALREADY_ANSWERED, "The cancellation is answered already."),)
    if not command.granted:
        return (CancellationAnswered(replace(request, status=RequestStatus.REJECTED, decided_us=now_us)),)
    return _grant(world, case, request, now_us, _reason(case.order, request))


def elapse(world: World, command: Elapse, now_us: int) -> tuple[Event, ...]:
    """Do what is due on an order at `now_us`; nothing where nothing is."""
    case = world.cases.get(command.order_id)
    if case is None or not case.order.due_us or case.order.due_us > now_us:
        return ()
    order = case.order
    if order.state == State.CANCELLED:
        return (UnitsReleased(order.id),)
    if order.state == State.UNPAID:
        return (OrderCancelled(order.id, Reason.EXPIRED, now_us), UnitsReleased(order.id))
    if order.state == State.DELIVERED:
        return returning.elapse(world, case, now_us) or (OrderCompleted(order.id, now_us),)
    if order.cancellation_id:
        request = next(known for known in case.cancellations if known.id == order.cancellation_id)
        # Unanswered; or the order ends anyway, and what has passed is not the buyer's time to be answered.
        reason = _reason(order, request) if request.answer_by_us <= order.due_us else Reason.AUTO_CANCELLED
        return _grant(world, case, request, now_us, reason)
    if order.state == State.ON_HOLD and world.rules.confirms_itself:
        return (OrderConfirmed(order.id, now_us),)
    reason = Reason.NOT_CONFIRMED if order.state == State.ON_HOLD else Reason.AUTO_CANCELLED
    return _cancel(world, case, reason, now_us)


def next_due_us(case: Case, rules: Rules) -> int:
    """When time will next act on an order, 0 for never.

    Once a parcel is collected no timer ends the order for what is left of it: that would end the whole.
    """
    order = case.order
    state = order.state
    if state == State.UNPAID:
        return order.pay_by_us
    if state == State.ON_HOLD:
        return order.paid_us + (rules.on_hold_us if rules.confirms_itself else rules.ready_within_us)
    if state == State.CANCELLED:
        return order.closed_us if any(line.phase == Phase.RELEASING for line in case.lines) else 0
    if state == State.DELIVERED:
        return returning.next_due_us(case, rules)
    due = 0
    if state == State.AWAITING_SHIPMENT or (state == State.PARTIALLY_SHIPPING and not _is_collected(case)):
        due = order.paid_us + rules.ready_within_us
    elif state == State.AWAITING_COLLECTION:
        due = max(package.ready_us for package in case.packages) + rules.collected_within_us
    if order.cancellation_id and due:
        request = next(known for known in case.cancellations if known.id == order.cancellation_id)
        due = min(due, request.answer_by_us)
    return due


def _can_be_cancelled(case: Case) -> bool:
    """Whether an order can still be cancelled: nothing of it has left the house."""
    state = case.order.state
    return state in _BEFORE_COLLECTION or (state == State.PARTIALLY_SHIPPING and not _is_collected(case))


def _is_collected(case: Case) -> bool:
    """Whether the carrier has any of an order's parcels."""
    return any(line.phase == Phase.SHIPPED for line in case.lines)


def _reason(order: Order, request: Cancellation) -> Reason:
    """Why an order ends that somebody wants cancelled."""
    if request.initiator == "buyer":
        return Reason.BUYER_CANCELLED
    return Reason.NOT_SUPPLIED if order.confirmed_us else Reason.NOT_CONFIRMED


def _grant(world: World, case: Case, request: Cancellation, now_us: int, reason: Reason) -> tuple[Event, ...]:
    """Grant a cancellation, if the order can still be cancelled."""
    if not _can_be_cancelled(case):
        return (illegal(case.order, State.CANCELLED),)
    answer = CancellationAnswered(replace(request, status=RequestStatus.COMPLETED, decided_us=now_us))
    return (answer, *_cancel(world, case, reason, now_us))


def _cancel(world: World, case: Case, reason: Reason, now_us: int) -> tuple[Event, ...]:
    """End an order; what was paid for it, or for the goods that it replaces, and not given back yet goes back."""
    cancelled = OrderCancelled(case.order.id, reason, now_us)
    cause = reason.name.lower()
    if case.order.replaces_id:
        units = {line.line_no: line.quantity for line in case.lines}
        return (cancelled, *refunding.of_goods(world, case, units, now_us, cause))
    left = refunding.refundable_minor(case)
    return (cancelled, refunding.refund(world, case, left, now_us, cause)) if left else (cancelled,)
