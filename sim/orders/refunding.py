"""Giving money back: the refund and the transfers that take it from where the capture put it."""

from __future__ import annotations

from sim.orders.entities import Case, Payment, PaymentStatus, Refund, RefundStatus
from sim.orders.events import RefundIssued
from sim.orders.money import BUYERS, PLATFORM, SUSPENSE, Transfer, commission, merchant, split
from sim.orders.world import World


def refund(world: World, case: Case, amount_minor: int, now_us: int, cause: str) -> RefundIssued:
    """`amount_minor` of a paid order to its buyer; shops and platform give what they got of it.

    Parts are differences of cumulative splits, so that partial refunds in any sizes end at exactly what was credited.
    """
    order = case.order
    record = Refund(
        world.next_id(),
        order.id,
        paid_by(case).id,
        amount_minor,
        order.currency,
        RefundStatus.PENDING,
        cause,
        now_us,
        0,
    )
    weights = credited(world, case)
    before = split(order.refunded_minor, weights)
    after = split(order.refunded_minor + amount_minor, weights)
    transfers = tuple(
        _transfer(world, record, account, after[account] - before[account], now_us)
        for account in weights
        if after[account] > before[account]
    )
    return RefundIssued(record, transfers)


def of_goods(world: World, case: Case, units: dict[int, int], now_us: int, cause: str) -> tuple[RefundIssued, ...]:
    """Refund units of an order's lines, by line number, as far as their money has not gone back yet.

    Goods that replace others were paid with the order of those, at its prices: there the money is.
    """
    payer = world.cases[case.order.replaces_id] if case.order.replaces_id else case
    prices = {line.sku_id: line.price_minor for line in payer.lines}
    value = sum(prices[line.sku_id] * units.get(line.line_no, 0) for line in case.lines)
    amount = min(value, refundable_minor(payer))
    return (refund(world, payer, amount, now_us, cause),) if amount else ()


def of_stray(world: World, payment: Payment, now_us: int, cause: str) -> tuple[Refund | None, tuple[Transfer, ...]]:
    """The refund of a capture that its order cannot take, and its transfers through the suspense account.

    Of nothing there is neither.
    """
    if not payment.amount_minor:
        return None, ()
    record = Refund(
        world.next_id(),
        payment.order_id,
        payment.id,
        payment.amount_minor,
        payment.currency,
        RefundStatus.PENDING,
        cause,
        now_us,
        0,
    )
    came = Transfer(
        world.next_id(),
        payment.order_id,
        payment.id,
        0,
        BUYERS,
        SUSPENSE,
        payment.amount_minor,
        payment.currency,
        now_us,
    )
    return record, (came, _transfer(world, record, SUSPENSE, payment.amount_minor, now_us))


def paid_by(case: Case) -> Payment:
    """The payment that paid an order; raises StopIteration when none did."""
    return next(payment for payment in case.payments if payment.status == PaymentStatus.CAPTURED)


def refundable_minor(case: Case) -> int:
    """What of the captured amount has not gone back yet."""
    return case.order.captured_minor - case.order.refunded_minor


def credited(world: World, case: Case) -> dict[str, int]:
    """What each account gets of an order: a shop its lines less the commission, the platform the commissions."""
    by_shop: dict[int, int] = {}
    for line in case.lines:
        by_shop[line.shop_id] = by_shop.get(line.shop_id, 0) + line.quantity * line.price_minor
    parts: dict[str, int] = {}
    platform = 0
    for shop_id, amount_minor in by_shop.items():
        part = commission(amount_minor, world.shops[shop_id].commission_ppm)
        parts[merchant(shop_id)] = amount_minor - part
        platform += part
    parts[PLATFORM] = platform
    return parts


def _transfer(world: World, record: Refund, account: str, amount_minor: int, now_us: int) -> Transfer:
    return Transfer(
        world.next_id(),
        record.order_id,
        record.payment_id,
        record.id,
        account,
        BUYERS,
        amount_minor,
        record.currency,
        now_us,
    )
