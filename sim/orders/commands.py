"""What can be asked of an order or of a SKU's stock. Plain data; who may ask what is not known here."""

from __future__ import annotations

import msgspec

from sim.orders.entities import PackageStatus, ReturnType


class Wanted(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A SKU and how many of it; `price_minor` of `currency` is the unit price the buyer saw, -1 when not said."""

    sku_id: int
    quantity: int
    price_minor: int = -1
    currency: str = ""


class PlaceOrder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Check out a cart. `wanted` names each SKU once; `deal_id` 0: no deal."""

    buyer_id: str
    wanted: tuple[Wanted, ...]
    deal_id: int = 0
    room_id: int = 0
    video_id: int = 0
    creator_id: str = ""
    address: str = "{}"


class StartPayment(msgspec.Struct, frozen=True, gc=False):
    """Begin an attempt to pay; what the provider says follows as `Capture` or `Decline`."""

    order_id: int
    method: str = "card"


class Capture(msgspec.Struct, frozen=True, gc=False):
    """The provider has taken the money. `payment_id` 0: an attempt that we have not started, known as `reference`."""

    order_id: int
    payment_id: int
    amount_minor: int
    currency: str
    reference: str = ""


class Decline(msgspec.Struct, frozen=True, gc=False):
    """The provider has refused an attempt."""

    order_id: int
    payment_id: int
    failure: str = "declined"


class Confirm(msgspec.Struct, frozen=True, gc=False):
    """The merchant accepts the order."""

    order_id: int


class CreatePackage(msgspec.Struct, frozen=True, gc=False):
    """Put whole lines of an order into a parcel; no `line_nos`: all that are in none yet."""

    order_id: int
    line_nos: tuple[int, ...] = ()
    carrier: str = ""
    tracking_number: str = ""


class ShipPackage(msgspec.Struct, frozen=True, gc=False):
    """A parcel is ready to ship."""

    order_id: int
    package_id: int


class TrackPackage(msgspec.Struct, frozen=True, gc=False):
    """The carrier says that a parcel is COLLECTED, DELIVERED or LOST."""

    order_id: int
    package_id: int
    status: PackageStatus


class RequestCancellation(msgspec.Struct, frozen=True, gc=False):
    """Somebody (`buyer`, `merchant`, `platform`) wants an order cancelled."""

    order_id: int
    initiator: str
    cause: str = ""


class AnswerCancellation(msgspec.Struct, frozen=True, gc=False):
    """The merchant grants or refuses a cancellation."""

    order_id: int
    cancellation_id: int
    granted: bool


class RequestReturn(msgspec.Struct, frozen=True, gc=False):
    """After delivery: money or goods back. `lines` are (line number, quantity); empty: all."""

    order_id: int
    type: ReturnType
    lines: tuple[tuple[int, int], ...] = ()
    cause: str = ""


class AnswerReturn(msgspec.Struct, frozen=True, gc=False):
    """The merchant grants or refuses a return."""

    order_id: int
    return_id: int
    granted: bool


class ShipReturn(msgspec.Struct, frozen=True, gc=False):
    """The buyer has sent the goods back."""

    order_id: int
    return_id: int
    tracking_number: str = ""


class ReceiveReturn(msgspec.Struct, frozen=True, gc=False):
    """The goods are back; with `restock` they can be sold again."""

    order_id: int
    return_id: int
    restock: bool = True


class IssueRefund(msgspec.Struct, frozen=True, gc=False):
    """Give part of the money back without a return."""

    order_id: int
    amount_minor: int
    currency: str
    cause: str = ""


class SettleRefund(msgspec.Struct, frozen=True, gc=False):
    """The provider has paid a refund out."""

    order_id: int
    refund_id: int


class Elapse(msgspec.Struct, frozen=True, gc=False):
    """Let time act on an order: whatever is due at `now`. This is the sweep, one order at a time."""

    order_id: int


class SetInventory(msgspec.Struct, frozen=True, gc=False):
    """Set the units on hand of a SKU, if its stock still has `version` (0: whatever it is)."""

    sku_id: int
    on_hand: int
    version: int = 0


class AdjustInventory(msgspec.Struct, frozen=True, gc=False):
    """Add units on hand (or take them off), for a `cause`: received or adjusted."""

    sku_id: int
    units: int
    cause: str = "adjusted"


Command = (
    PlaceOrder
    | StartPayment
    | Capture
    | Decline
    | Confirm
    | CreatePackage
    | ShipPackage
    | TrackPackage
    | RequestCancellation
    | AnswerCancellation
    | RequestReturn
    | AnswerReturn
    | ShipReturn
    | ReceiveReturn
    | IssueRefund
    | SettleRefund
    | Elapse
    | SetInventory
    | AdjustInventory
)
