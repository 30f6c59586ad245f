"""What has happened. `decide` makes events, `evolve` applies them; a refusal is an event that changes nothing.

An event carries the records that it replaces or adds, so that applying it needs no decision. `TYPE` is its name in the
feed. Events about an order are numbered without gaps, one number each (`Order.seq`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, final

import msgspec

from sim.orders.entities import Cancellation, Line, Order, Package, Payment, Refund, Return, StockMove
from sim.orders.money import Transfer
from sim.orders.states import Reason, State


class Refusal(StrEnum):
    """Why a command changes nothing. The word is the stable `code` of the API's answer."""

    UNKNOWN_SKU = "unknown_sku"
    OFF_SHELF = "off_shelf"
    INSUFFICIENT_STOCK = "insufficient_stock"
    DEAL_CLOSED = "deal_closed"
    DEAL_SOLD_OUT = "deal_sold_out"
    PURCHASE_LIMIT = "purchase_limit"
    PRICE_CHANGED = "price_changed"
    CURRENCY_MISMATCH = "currency_mismatch"
    NOT_LIVE = "not_live"
    NOT_IN_BAG = "not_in_bag"
    NOT_FOUND = "not_found"
    HOLD_EXPIRED = "hold_expired"
    ORDER_CANCELLED = "order_cancelled"
    ALREADY_PAID = "already_paid"
    PAYMENT_IN_PROGRESS = "payment_in_progress"
    PAYMENT_DECLINED = "payment_declined"
    ILLEGAL_TRANSITION = "illegal_transition"
    LINES_NOT_FREE = "lines_not_free"
    REQUEST_OPEN = "request_open"
    ALREADY_ANSWERED = "already_answered"
    WINDOW_CLOSED = "window_closed"
    LIMIT_REACHED = "limit_reached"
    REFUND_EXCEEDS_CAPTURED = "refund_exceeds_captured"
    BELOW_RESERVED = "below_reserved"
    VERSION_CHANGED = "version_changed"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    INVALID = "invalid"


@final
class Refused(msgspec.Struct, frozen=True, gc=False):
    """Nothing changed. `facts` go into the answer, `errors` list each thing wrong with a JSON pointer."""

    TYPE: ClassVar[str] = "refused"
    code: Refusal
    detail: str
    facts: dict[str, Any] = {}
    errors: tuple[dict[str, Any], ...] = ()


class OrderPlaced(msgspec.Struct, frozen=True, gc=False):
    """A cart became an UNPAID order; its units are held and its deal units used."""

    TYPE: ClassVar[str] = "order.placed"
    order: Order
    lines: tuple[Line, ...]


class PaymentStarted(msgspec.Struct, frozen=True, gc=False):
    """An attempt to pay has begun."""

    TYPE: ClassVar[str] = "payment.started"
    payment: Payment


class PaymentCaptured(msgspec.Struct, frozen=True, gc=False):
    """The order is paid: UNPAID -> ON_HOLD, its units committed."""

    TYPE: ClassVar[str] = "payment.captured"
    payment: Payment
    transfers: tuple[Transfer, ...]


class PaymentDeclined(msgspec.Struct, frozen=True, gc=False):
    """The provider refused; the hold stays and the buyer may try again."""

    TYPE: ClassVar[str] = "payment.declined"
    payment: Payment


class PaymentReturned(msgspec.Struct, frozen=True, gc=False):
    """Money came for an order that can no longer take it, and goes back in full."""

    TYPE: ClassVar[str] = "payment.returned"
    payment: Payment
    refund: Refund | None  # of nothing there is none
    transfers: tuple[Transfer, ...]


class OrderConfirmed(msgspec.Struct, frozen=True, gc=False):
    """The merchant has accepted: ON_HOLD -> AWAITING_SHIPMENT."""

    TYPE: ClassVar[str] = "order.confirmed"
    order_id: int
    at_us: int


class PackageCreated(msgspec.Struct, frozen=True, gc=False):
    """Lines were put into a parcel."""

    TYPE: ClassVar[str] = "package.created"
    package: Package
    line_nos: tuple[int, ...]


class PackageReady(msgspec.Struct, frozen=True, gc=False):
    """A parcel is ready to ship; the order goes to `state`."""

    TYPE: ClassVar[str] = "package.ready"
    package: Package
    state: State


class PackageCollected(msgspec.Struct, frozen=True, gc=False):
    """The carrier has a parcel: its units have left the stock; the order goes to `state`."""

    TYPE: ClassVar[str] = "package.collected"
    package: Package
    state: State
    moves: tuple[StockMove, ...]


class PackageArrived(msgspec.Struct, frozen=True, gc=False):
    """A parcel is delivered or lost; the order goes to `state`, CANCELLED if all of it is lost."""

    TYPE: ClassVar[str] = "package.arrived"
    package: Package
    state: State


class CancellationRequested(msgspec.Struct, frozen=True, gc=False):
    """Somebody wants the order cancelled; the merchant must answer."""

    TYPE: ClassVar[str] = "cancellation.requested"
    cancellation: Cancellation


class CancellationAnswered(msgspec.Struct, frozen=True, gc=False):
    """A request to cancel was granted or refused."""

    TYPE: ClassVar[str] = "cancellation.answered"
    cancellation: Cancellation


class OrderCancelled(msgspec.Struct, frozen=True, gc=False):
    """The order has ended; its units are releasing until the next sweep."""

    TYPE: ClassVar[str] = "order.cancelled"
    order_id: int
    reason: Reason
    at_us: int


class UnitsReleased(msgspec.Struct, frozen=True, gc=False):
    """The sweep made the units, and deal units, of an ended order available again."""

    TYPE: ClassVar[str] = "order.released"
    order_id: int


class ReturnRequested(msgspec.Struct, frozen=True, gc=False):
    """The buyer wants money or other goods."""

    TYPE: ClassVar[str] = "return.requested"
    request: Return


class ReturnAnswered(msgspec.Struct, frozen=True, gc=False):
    """A return was granted, refused or closed."""

    TYPE: ClassVar[str] = "return.answered"
    request: Return


class ReturnShipped(msgspec.Struct, frozen=True, gc=False):
    """The goods are on their way back."""

    TYPE: ClassVar[str] = "return.shipped"
    request: Return


class ReturnReceived(msgspec.Struct, frozen=True, gc=False):
    """The goods are back, or count as back."""

    TYPE: ClassVar[str] = "return.received"
    request: Return
    moves: tuple[StockMove, ...]


class RefundIssued(msgspec.Struct, frozen=True, gc=False):
    """Money goes back to the buyer."""

    TYPE: ClassVar[str] = "refund.issued"
    refund: Refund
    transfers: tuple[Transfer, ...]


class RefundSettled(msgspec.Struct, frozen=True, gc=False):
    """The provider has paid the refund out."""

    TYPE: ClassVar[str] = "refund.settled"
    refund: Refund


class OrderCompleted(msgspec.Struct, frozen=True, gc=False):
    """The return window has ended: DELIVERED -> COMPLETED."""

    TYPE: ClassVar[str] = "order.completed"
    order_id: int
    at_us: int


class StockChanged(msgspec.Struct, frozen=True, gc=False):
    """The units on hand of a SKU were set or adjusted. No order's event."""

    TYPE: ClassVar[str] = "stock.changed"
    move: StockMove


Event = (
    Refused
    | OrderPlaced
    | PaymentStarted
    | PaymentCaptured
    | PaymentDeclined
    | PaymentReturned
    | OrderConfirmed
    | PackageCreated
    | PackageReady
    | PackageCollected
    | PackageArrived
    | CancellationRequested
    | CancellationAnswered
    | OrderCancelled
    | UnitsReleased
    | ReturnRequested
    | ReturnAnswered
    | ReturnShipped
    | ReturnReceived
    | RefundIssued
    | RefundSettled
    | OrderCompleted
    | StockChanged
)
