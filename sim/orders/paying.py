"""Deciding payments: what an attempt, a capture, a decline or a paid-out refund does to an order."""

from __future__ import annotations

from msgspec.structs import replace

from sim.orders import refunding
from sim.orders.commands import Capture, Decline, SettleRefund, StartPayment
from sim.orders.entities import Case, Payment, PaymentStatus, RefundStatus
from sim.orders.events import (
    Event,
    PaymentCaptured,
    PaymentDeclined,
    PaymentReturned,
    PaymentStarted,
    RefundSettled,
    Refusal,
    Refused,
)
from sim.orders.money import BUYERS, Transfer
from sim.orders.states import State
from sim.orders.world import World

NO_ORDER = Refused(Refusal.NOT_FOUND, "There is no such order.")
_NO_CAPTURE = Refused(Refusal.INVALID, "A capture has an amount, and a name that tells it from others.")
#: What the provider says again, or says of something it did not do here: accepted, and nothing changes.
REPEATED = Refused(Refusal.DUPLICATE, "Already known.")


def start(world: World, command: StartPayment, now_us: int) -> tuple[Event, ...]:
    """Begin an attempt to pay, one at a time an order."""
    case = world.cases.get(command.order_id)
    if case is None:
        return (NO_ORDER,)
    order = case.order
    if order.state == State.CANCELLED:
        return (Refused(Refusal.ORDER_CANCELLED, "The order is cancelled."),)
    if order.state != State.UNPAID:
        return (Refused(Refusal.ALREADY_PAID, "The order is paid."),)
    if order.pay_by_us <= now_us:
        return (Refused(Refusal.HOLD_EXPIRED, "The time to pay is over."),)
    if order.payment_id and _find(case, order.payment_id, "").status == PaymentStatus.PENDING:
        return (Refused(Refusal.PAYMENT_IN_PROGRESS, "An attempt to pay is in progress."),)
    if len(case.payments) >= world.rules.max_payments:
        return (limit_reached(world.rules.max_payments, "attempts to pay"),)
    payment_id = world.next_id()
    payment = Payment(
        payment_id,
        order.id,
        PaymentStatus.PENDING,
        order.total_minor,
        order.currency,
        command.method,
        str(payment_id),
        now_us,
        0,
        "",
    )
    return (PaymentStarted(payment),)


def capture(world: World, command: Capture, now_us: int) -> tuple[Event, ...]:
    """Take the money for an order that can have it; give it back where the order cannot."""
    case = world.cases.get(command.order_id)
    if case is None:
        return (NO_ORDER,)
    if command.amount_minor < 0 or not (command.payment_id or command.reference):
        return (_NO_CAPTURE,)
    payment = _find(case, command.payment_id, command.reference)
    if payment.status in (PaymentStatus.CAPTURED, PaymentStatus.RETURNED):
        return (REPEATED,)
    if not payment.id:
        payment = _unannounced(world, command, now_us)
    payment = replace(payment, settled_us=now_us, failure="")
    order = case.order
    right = command.amount_minor == order.total_minor and command.currency == order.currency
    if order.state != State.UNPAID or not right:
        wrong = "wrong amount" if command.currency == order.currency else "wrong currency"
        return (_give_back(world, command, payment, now_us, "late" if right else wrong),)
    payment = replace(payment, status=PaymentStatus.CAPTURED)
    return (PaymentCaptured(payment, _credit(world, case, payment, now_us)),)


def decline(world: World, command: Decline, now_us: int) -> tuple[Event, ...]:
    """Note that the provider refused; the hold stays."""
    case = world.cases.get(command.order_id)
    if case is None:
        return (NO_ORDER,)
    payment = _find(case, command.payment_id, "")
    if payment.status != PaymentStatus.PENDING:
        return (REPEATED,)
    return (
        PaymentDeclined(replace(payment, status=PaymentStatus.DECLINED, settled_us=now_us, failure=command.failure)),
    )


def settle_refund(world: World, command: SettleRefund, now_us: int) -> tuple[Event, ...]:
    """Note that the provider has paid a refund out."""
    case = world.cases.get(command.order_id)
    if case is None:
        return (NO_ORDER,)
    for refund in case.refunds:
        if refund.id == command.refund_id and refund.status == RefundStatus.PENDING:
            return (RefundSettled(replace(refund, status=RefundStatus.SUCCEEDED, settled_us=now_us)),)
    return (REPEATED,)


def limit_reached(most: int, what: str) -> Refused:
    """The refusal of one more than an order may have of something."""
    return Refused(Refusal.LIMIT_REACHED, f"An order has at most {most} {what}.")


_NO_PAYMENT = Payment(0, 0, PaymentStatus.DECLINED, 0, "", "", "", 0, 0, "")


def _find(case: Case, payment_id: int, reference: str) -> Payment:
    for payment in case.payments:
        if payment.id == payment_id or (reference and payment.reference == reference):
            return payment
    return _NO_PAYMENT


def _unannounced(world: World, command: Capture, now_us: int) -> Payment:
    """The record of an attempt that the provider tells us of first."""
    return Payment(
        world.next_id(),
        command.order_id,
        PaymentStatus.PENDING,
        command.amount_minor,
        command.currency,
        "provider",
        command.reference,
        now_us,
        0,
        "",
    )


def _give_back(world: World, command: Capture, payment: Payment, now_us: int, cause: str) -> PaymentReturned:
    payment = replace(
        payment,
        status=PaymentStatus.RETURNED,
        amount_minor=command.amount_minor,
        currency=command.currency,
        failure=cause,
    )
    refund, transfers = refunding.of_stray(world, payment, now_us, cause)
    return PaymentReturned(payment, refund, transfers)


def _credit(world: World, case: Case, payment: Payment, now_us: int) -> tuple[Transfer, ...]:
    """Credit each shop with its lines less the commission, and the platform with the commissions."""
    return tuple(
        Transfer(world.next_id(), payment.order_id, payment.id, 0, BUYERS, account, amount, payment.currency, now_us)
        for account, amount in refunding.credited(world, case).items()
        if amount
    )
