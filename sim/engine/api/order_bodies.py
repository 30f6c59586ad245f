"""What is sent about orders: carts, payments, parcels, cancellations, returns, refunds."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sim.engine.resources import Body, Id, Money, Name, Quantity, Text, Word
from sim.orders.entities import ReturnType

Lines = Annotated[list["CartLine"], Meta(min_length=1, max_length=100)]


class CartLine(Body):
    """A SKU and how many; with `unit_price` the order is refused (409) if the price is another by now."""

    sku_id: Id
    quantity: Quantity
    unit_price: Money | None = None


class Attribution(Body):
    """Where the buyer came from."""

    live_room_id: Id | None = None
    video_id: Id | None = None
    creator_id: Word | None = None


class PlaceOrderBody(Body):
    """A cart. Lines with the same SKU are one line, at one `unit_price`; `promotion_id` names a flash deal."""

    buyer_id: Word
    lines: Lines
    address: dict[str, Text] = msgspec.field(default_factory=dict)
    attribution: Attribution | None = None
    promotion_id: Id | None = None


class PayBody(Body):
    """How to pay."""

    method: Word = "card"


class PackageBody(Body):
    """Which lines go into a parcel; none named: all that are in none yet."""

    lines: list[Annotated[int, Meta(ge=1, le=100)]] = msgspec.field(default_factory=list)
    carrier: Name = ""
    tracking_number: Name = ""


class TrackingBody(Body):
    """What the carrier says."""

    status: Literal["COLLECTED", "DELIVERED", "LOST"]


class CancelBody(Body):
    """Why an order should be cancelled."""

    reason: Text = ""


class ReturnLine(Body):
    """Units of a line that come back."""

    line: Annotated[int, Meta(ge=1, le=100)]
    quantity: Quantity


class ReturnBody(Body):
    """What the buyer asks for; no lines named: all that arrived."""

    type: ReturnType = ReturnType.RETURN_AND_REFUND
    lines: list[ReturnLine] = msgspec.field(default_factory=list)
    reason: Text = ""


class ShipReturnBody(Body):
    """How the goods can be followed on their way back."""

    tracking_number: Name = ""


class ReceiveBody(Body):
    """Whether the goods can be sold again."""

    restock: bool = True


class RefundBody(Body):
    """How much goes back."""

    amount: Money
    reason: Text = ""
