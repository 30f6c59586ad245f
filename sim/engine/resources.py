"""What the API's answers and bodies look like, as types: they encode, check and document at once.

Ids are strings of digits, money is `{"amount": "1999", "currency": "GBP"}` in integer minor units, instants are
RFC 3339 in UTC.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

# Patterns end with `\Z`: Python's `$` lets a line feed pass at the end. OpenAPI says `$`, where it does not.
Id = Annotated[str, Meta(pattern=r"^[0-9]{1,18}\Z", description="an opaque id", examples=["176403962512345600"])]
#: No NUL in texts: PostgreSQL cannot store it. Only documented here, as a pattern takes as long as all the rest of a
#: body: `sim.engine.api.json_texts` looks for it.
_NO_NUL = {"pattern": r"^[^\x00]*$"}
Word = Annotated[str, Meta(min_length=1, max_length=128, extra_json_schema=_NO_NUL)]
Text = Annotated[str, Meta(max_length=1024, extra_json_schema=_NO_NUL)]
#: Of a carrier, a parcel: like a text, only shorter.
Name = Annotated[str, Meta(max_length=128, extra_json_schema=_NO_NUL)]
Minor = Annotated[str, Meta(pattern=r"^[0-9]{1,18}\Z", description="integer minor units", examples=["1999"])]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z", examples=["GBP"])]
Instant = Annotated[
    str,
    Meta(
        description="RFC 3339, UTC", examples=["2026-11-20T19:00:00.000000Z"], extra_json_schema={"format": "date-time"}
    ),
]
Quantity = Annotated[int, Meta(ge=1, le=1_000_000)]


class Body(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True, gc=False):
    """Base of request bodies: a field that is not known is an error, since it is likely a misspelt one.

    A field that is left out is the same request as one that says the default.
    """


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An amount in integer minor units, written as a string."""

    amount: Minor
    currency: Currency


class LineView(msgspec.Struct, gc=False):
    """A line of an order."""

    line: int
    sku_id: Id
    shop_id: Id
    quantity: int
    unit_price: Money
    phase: str
    promotion_id: Id | None
    package_id: Id | None
    returned: int


class OrderView(msgspec.Struct, gc=False):
    """An order. `version` counts its events. `due_at` is when time next acts on it, if nobody does before.

    That is the end of the time to pay, of the hold, to get ready, to be collected, to answer or to return. The merchant
    sees the `address` once the order is confirmed.
    """

    id: Id
    status: str
    reason: str | None
    buyer_id: str
    total: Money
    captured: Money
    refunded: Money
    created_at: Instant
    pay_by: Instant
    due_at: Instant | None
    paid_at: Instant | None
    confirmed_at: Instant | None
    delivered_at: Instant | None
    closed_at: Instant | None
    payment_id: Id | None
    cancellation_id: Id | None
    return_id: Id | None
    replaces_id: Id | None
    live_room_id: Id | None
    video_id: Id | None
    creator_id: str | None
    address: msgspec.Raw
    lines: list[LineView]
    version: int


class ReceiptView(msgspec.Struct, gc=False):
    """What a checkout answers: the order is UNPAID and its units are held until `pay_by`."""

    id: Id
    status: str
    total: Money
    created_at: Instant
    pay_by: Instant
    version: int


class PaymentView(msgspec.Struct, gc=False):
    """One attempt to pay."""

    id: Id
    order_id: Id
    status: str
    amount: Money
    method: str
    failure: str | None
    created_at: Instant
    settled_at: Instant | None


class RefundView(msgspec.Struct, gc=False):
    """Money on its way back."""

    id: Id
    order_id: Id
    payment_id: Id
    status: str
    amount: Money
    cause: str
    created_at: Instant
    settled_at: Instant | None


class PackageView(msgspec.Struct, gc=False):
    """A parcel."""

    id: Id
    order_id: Id
    status: str
    carrier: str
    tracking_number: str
    lines: list[int]
    created_at: Instant
    ready_at: Instant | None
    collected_at: Instant | None
    closed_at: Instant | None


class CancellationView(msgspec.Struct, gc=False):
    """A wish to cancel an order."""

    id: Id
    order_id: Id
    order_status: str
    status: str
    initiator: str
    cause: str
    created_at: Instant
    answer_by: Instant | None
    decided_at: Instant | None


class ReturnedView(msgspec.Struct, gc=False):
    """Units of a line that come back."""

    line: int
    quantity: int


class ReturnView(msgspec.Struct, gc=False):
    """An after-sales request."""

    id: Id
    order_id: Id
    type: str
    status: str
    cause: str
    lines: list[ReturnedView]
    created_at: Instant
    answer_by: Instant | None
    ship_by: Instant | None
    decided_at: Instant | None
    replacement_id: Id | None
    tracking_number: str
    shipped_at: Instant | None
    receive_by: Instant | None


class Problem(msgspec.Struct, gc=False):
    """RFC 9457 problem details; `code` is stable."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    instance: str = ""
    request_id: str = ""
    errors: list[dict[str, Any]] = []


@functools.lru_cache(maxsize=4096)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")


def instant(at_us: int) -> str:
    """Microseconds since 1970 as RFC 3339."""
    second, micro = divmod(at_us, 1_000_000)
    return f"{_second(second)}{micro:06d}Z"


def instant_or_none(at_us: int) -> str | None:
    """An instant, None for one that has not come."""
    return instant(at_us) if at_us else None


def id_or_none(number: int) -> str | None:
    """An id, None for none."""
    return str(number) if number else None
