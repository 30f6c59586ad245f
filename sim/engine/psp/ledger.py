"""What the stand-in provider has taken and given back: each id once, and never more back than was taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from sim.engine.psp.behaviour import Behaviour, failure_of

Word = Annotated[str, Meta(min_length=1, max_length=128)]
#: `\Z`, as Python's `$` lets a line feed pass.
Minor = Annotated[str, Meta(pattern=r"^[0-9]{1,15}\Z")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]

PENDING, CAPTURED, DECLINED, SUCCEEDED = "pending", "captured", "declined", "succeeded"


class ChargeRequest(msgspec.Struct, frozen=True, gc=False):
    """Take `amount` (integer minor units) for an order; the caller names the charge."""

    id: Word
    order_id: Word
    amount: Minor
    currency: Currency
    method: str = "card"


class RefundRequest(msgspec.Struct, frozen=True, gc=False):
    """Give part of a charge back; the caller names the refund."""

    id: Word
    charge_id: Word
    amount: Minor
    currency: Currency


@dataclass(slots=True)
class Charge:
    """A charge as it stands."""

    request: ChargeRequest
    status: str = PENDING
    failure: str | None = None
    refunded_minor: int = 0

    def answer(self) -> dict[str, Any]:
        """What the provider tells of it."""
        asked = self.request
        return {
            "id": asked.id,
            "status": self.status,
            "failure": self.failure,
            "order_id": asked.order_id,
            "amount": asked.amount,
            "currency": asked.currency,
        }


@dataclass(slots=True)
class Refund:
    """A refund as it stands."""

    request: RefundRequest
    order_id: str
    status: str = PENDING

    def answer(self) -> dict[str, Any]:
        """What the provider tells of it."""
        asked = self.request
        return {
            "id": asked.id,
            "status": self.status,
            "charge_id": asked.charge_id,
            "order_id": self.order_id,
            "amount": asked.amount,
            "currency": asked.currency,
        }


class PspRefused(Exception):
    """A request that cannot be done: an HTTP status and a stable code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Ledger:
    """All charges and refunds of this process."""

    def __init__(self) -> None:
        self.charges: dict[str, Charge] = {}
        self.refunds: dict[str, Refund] = {}

    def charge(self, request: ChargeRequest) -> tuple[Charge, bool]:
        """The charge of this id, and whether it is new. Raises PspRefused where the id means something else."""
        known = self.charges.get(request.id)
        if known is not None:
            if known.request != request:
                raise PspRefused(409, "id_reused")
            return known, False
        if not int(request.amount):
            raise PspRefused(422, "invalid_amount")
        made = self.charges[request.id] = Charge(request)
        return made, True

    def decide(self, charge: Charge, behaviour: Behaviour) -> None:
        """Capture or decline a pending charge."""
        charge.failure = failure_of(behaviour, charge.request.id, charge.request.method) or None
        charge.status = DECLINED if charge.failure else CAPTURED

    def refund(self, request: RefundRequest) -> tuple[Refund, bool]:
        """The refund of this id, and whether it is new; new ones reserve their amount. Raises PspRefused."""
        known = self.refunds.get(request.id)
        if known is not None:
            if known.request != request:
                raise PspRefused(409, "id_reused")
            return known, False
        charge = self.charges.get(request.charge_id)
        if charge is None:
            raise PspRefused(404, "unknown_charge")
        if charge.status != CAPTURED:
            raise PspRefused(409, "not_captured")
        amount_minor = int(request.amount)
        if request.currency != charge.request.currency or not amount_minor:
            raise PspRefused(422, "invalid_amount")
        if charge.refunded_minor + amount_minor > int(charge.request.amount):
            raise PspRefused(409, "exceeds_captured")
        charge.refunded_minor += amount_minor
        made = self.refunds[request.id] = Refund(request, charge.request.order_id)
        return made, True

    def pay_out(self, refund: Refund) -> None:
        """Let a pending refund succeed."""
        refund.status = SUCCEEDED

    def everything(self) -> dict[str, Any]:
        """All charges and refunds, and their sums by currency, for an audit."""
        captured = [charge for charge in self.charges.values() if charge.status == CAPTURED]
        return {
            "charges": [
                charge.answer() | {"method": charge.request.method, "refunded": str(charge.refunded_minor)}
                for charge in self.charges.values()
            ],
            "refunds": [refund.answer() for refund in self.refunds.values()],
            "captured": _sums(charge.request for charge in captured),
            "refunded": _sums(refund.request for refund in self.refunds.values()),
        }


def _sums(requests: Iterable[ChargeRequest | RefundRequest]) -> dict[str, str]:
    sums: dict[str, int] = {}
    for request in requests:
        sums[request.currency] = sums.get(request.currency, 0) + int(request.amount)
    return {currency: str(amount) for currency, amount in sorted(sums.items())}
