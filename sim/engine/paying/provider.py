"""What the engine asks of a payment provider, and what it may hear.

`unknown` is an honest answer: the money may have moved. Every request carries our own id and the provider does each id
once, so that asking again is always safe. `sim.engine.paying.provider_http` asks over HTTP.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from sim.orders.commands import Capture, Decline
from sim.orders.entities import Payment

#: Minor units as a provider says them, in its answers and its webhooks: up to more than an order may cost.
Amount = Annotated[str, Meta(pattern=r"^[0-9]{1,15}\Z")]


class Status(StrEnum):
    """What is known of a charge or refund."""

    PENDING = "pending"
    CAPTURED = "captured"
    DECLINED = "declined"
    SUCCEEDED = "succeeded"  # a refund was paid out
    MISSING = "missing"  # the provider has never heard of it
    UNKNOWN = "unknown"  # the provider did not answer, or nothing that can be understood


class Charge(msgspec.Struct, frozen=True, gc=False):
    """Money to take for an attempt to pay, under the attempt's id."""

    payment_id: int
    order_id: int
    amount_minor: int
    currency: str
    method: str


class Payback(msgspec.Struct, frozen=True, gc=False):
    """Money to give back of the charge that the provider knows as `charge_id`, under the refund's id."""

    refund_id: int
    charge_id: str
    amount_minor: int
    currency: str


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What the provider says; amount and currency are its own words, None where it said none.

    `failure` is why not, or what was not understood; empty where nothing was heard.
    """

    status: Status
    failure: str = ""
    amount_minor: int | None = None
    currency: str | None = None


class PaymentProvider(Protocol):
    """A payment provider, as payments and refunds need it. None of it raises for faults of the network."""

    async def charge(self, charge: Charge) -> Outcome:
        """Take money once, however often it is asked."""

    async def refund(self, payback: Payback) -> Outcome:
        """Give money back once, however often it is asked."""

    async def look(self, charge_id: str) -> Outcome:
        """Tell what has become of a charge."""


def verdict(payment: Payment, outcome: Outcome) -> Capture | Decline | None:
    """The command that an outcome of an attempt to pay amounts to, None while it is open."""
    if outcome.status == Status.CAPTURED:
        # The provider's own amount, so that a wrong one is found and given back.
        amount_minor = payment.amount_minor if outcome.amount_minor is None else outcome.amount_minor
        return Capture(
            payment.order_id, payment.id, amount_minor, outcome.currency or payment.currency, payment.reference
        )
    if outcome.status == Status.DECLINED:
        return Decline(payment.order_id, payment.id, outcome.failure or "declined")
    return None
