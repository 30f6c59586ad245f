"""What the engine keeps: one immutable record a kind of row, replaced and never changed in place.

Ids are whole numbers that grow with time; 0 stands for "none". Instants are microseconds since 1970 (`_us`), 0 where
it has not happened. Amounts are in minor units of the record's currency.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec

from sim.orders.states import Reason, State
from sim.orders.stock import Phase


class Shop(msgspec.Struct, frozen=True, gc=False):
    """A seller; the platform takes `commission_ppm` of what its orders capture."""

    id: int
    name: str
    currency: str
    commission_ppm: int
    version: int = 1


class Product(msgspec.Struct, frozen=True, gc=False):
    """One product page; it can be bought while `active` (on the shelf)."""

    id: int
    shop_id: int
    title: str
    category: str
    active: bool
    version: int = 1


class Sku(msgspec.Struct, frozen=True, gc=False):
    """A variant that can be bought at `price_minor`."""

    id: int
    product_id: int
    shop_id: int
    seller_sku: str
    price_minor: int
    currency: str
    version: int = 1


class Part(msgspec.Struct, frozen=True, gc=False):
    """`units` of the stock of `part_id` in one unit of a SKU; a plain SKU has itself as its one part."""

    sku_id: int
    part_id: int
    units: int


class RoomStatus(IntEnum):
    """A live room's life."""

    SCHEDULED = 1
    LIVE = 2
    ENDED = 3


class Room(msgspec.Struct, frozen=True, gc=False):
    """A live room. `bag` is JSON, the product ids that may be shown; `pinned_id` the one on show."""

    id: int
    shop_id: int
    title: str
    status: RoomStatus
    bag: str = "[]"
    pinned_id: int = 0
    version: int = 1


class Video(msgspec.Struct, frozen=True, gc=False):
    """A short video that shows a product."""

    id: int
    shop_id: int
    title: str
    product_id: int
    version: int = 1


class Deal(msgspec.Struct, frozen=True, gc=False):
    """A flash sale of one SKU: at most `quantity_limit` units in all and `quantity_per_user` a buyer (0: no limit)."""

    id: int
    sku_id: int
    price_minor: int
    quantity_limit: int
    quantity_per_user: int
    begin_us: int
    end_us: int
    room_id: int  # 0: not bound to a live room
    used: int = 0
    version: int = 1


class DealBuyer(msgspec.Struct, frozen=True, gc=False):
    """Units of a deal that a buyer's live orders hold."""

    deal_id: int
    buyer_id: str
    units: int


class Order(msgspec.Struct, frozen=True, gc=False):
    """An order. `due_us` is the next instant at which the sweeper must look at it, 0 for never."""

    id: int
    buyer_id: str
    state: State
    reason: Reason
    currency: str
    total_minor: int
    captured_minor: int
    refunded_minor: int
    placed_us: int
    pay_by_us: int
    paid_us: int
    confirmed_us: int
    delivered_us: int
    closed_us: int
    due_us: int
    seq: int  # events so far
    payment_id: int  # the attempt in progress, or the one that paid
    cancellation_id: int  # the open request
    return_id: int  # the open request
    room_id: int
    video_id: int
    creator_id: str
    address: str  # JSON, as given
    replaces_id: int = 0  # the paid order whose goods this one sends again for nothing


class Line(msgspec.Struct, frozen=True, gc=False):
    """One SKU of an order. `line_no` counts from 1."""

    order_id: int
    line_no: int
    sku_id: int
    shop_id: int
    quantity: int
    price_minor: int
    deal_id: int
    phase: Phase
    package_id: int
    returned: int


class PaymentStatus(IntEnum):
    """Where one attempt to pay stands."""

    PENDING = 1
    CAPTURED = 2
    DECLINED = 3
    RETURNED = 4  # captured when the order could no longer take it, and refunded in full


class Payment(msgspec.Struct, frozen=True, gc=False):
    """One attempt to pay an order."""

    id: int
    order_id: int
    status: PaymentStatus
    amount_minor: int
    currency: str
    method: str
    reference: str  # what the provider calls it; ours is the id
    started_us: int
    settled_us: int
    failure: str


class RefundStatus(IntEnum):
    """Whether the provider has paid a refund out."""

    PENDING = 1
    SUCCEEDED = 2


class Refund(msgspec.Struct, frozen=True, gc=False):
    """Money that goes back to the buyer; it counts from the moment it is decided."""

    id: int
    order_id: int
    payment_id: int
    amount_minor: int
    currency: str
    status: RefundStatus
    cause: str
    created_us: int
    settled_us: int


class PackageStatus(IntEnum):
    """Where a parcel stands."""

    PROCESSING = 1
    READY = 2  # ready to ship: waits for the carrier
    COLLECTED = 3
    DELIVERED = 4
    LOST = 5
    CANCELLED = 6  # with its order, before the carrier had it


class Package(msgspec.Struct, frozen=True, gc=False):
    """A parcel with whole lines of one order."""

    id: int
    order_id: int
    status: PackageStatus
    carrier: str
    tracking_number: str
    created_us: int
    ready_us: int
    collected_us: int
    closed_us: int


class RequestStatus(IntEnum):
    """Where an after-sales request stands."""

    PENDING = 1
    APPROVED = 2  # a return: waits for the goods
    REJECTED = 3
    COMPLETED = 4
    BUYER_SHIPPED = 5  # a return: the goods are on their way back


class Cancellation(msgspec.Struct, frozen=True, gc=False):
    """A wish to cancel; before the merchant has accepted the order it is granted at once."""

    id: int
    order_id: int
    status: RequestStatus
    initiator: str
    cause: str
    requested_us: int
    answer_by_us: int
    decided_us: int


class ReturnType(StrEnum):
    """What the buyer asks for (TikTok Shop's own words)."""

    REFUND = "REFUND"
    RETURN_AND_REFUND = "RETURN_AND_REFUND"
    REPLACEMENT = "REPLACEMENT"


class Return(msgspec.Struct, frozen=True, gc=False):
    """An after-sales request. `lines` is JSON, `[[line_no, quantity], ...]`."""

    id: int
    order_id: int
    type: ReturnType
    status: RequestStatus
    cause: str
    lines: str
    requested_us: int
    answer_by_us: int
    ship_by_us: int
    decided_us: int
    replacement_id: int  # the order that replaces the goods
    tracking_number: str = ""  # of the goods on their way back
    shipped_us: int = 0
    receive_by_us: int = 0


class StockMove(msgspec.Struct, frozen=True, gc=False):
    """Why the units on hand changed: `initial`, `received`, `adjusted`, `shipped` or `restocked`."""

    id: int
    sku_id: int
    kind: str
    units: int
    order_id: int
    at_us: int


class Case(msgspec.Struct, frozen=True, gc=False):
    """An order with everything that hangs on it; the unit that a decision reads and an event replaces."""

    order: Order
    lines: tuple[Line, ...]
    payments: tuple[Payment, ...] = ()
    refunds: tuple[Refund, ...] = ()
    packages: tuple[Package, ...] = ()
    cancellations: tuple[Cancellation, ...] = ()
    returns: tuple[Return, ...] = ()
