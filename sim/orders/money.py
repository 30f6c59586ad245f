"""Money as double entry: every movement is one transfer from an account to another, in integer minor units.

A transfer is written once and never changed, so a balance is a sum over transfers and money cannot appear or vanish.
"""

from __future__ import annotations

import msgspec

PPM = 1_000_000
#: Accounts besides the `merchant:<shop id>` ones.
BUYERS = "buyers"
PLATFORM = "platform"
SUSPENSE = "suspense"  # captured for an order that could no longer take it, until it is refunded


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """`amount_minor` > 0 of `currency` from account `debit` to account `credit`."""

    id: int
    order_id: int
    payment_id: int
    refund_id: int
    debit: str
    credit: str
    amount_minor: int
    currency: str
    at_us: int


def merchant(shop_id: int) -> str:
    """The account of a shop."""
    return f"merchant:{shop_id}"


def commission(amount_minor: int, rate_ppm: int) -> int:
    """The platform's part of an amount, rounded half up."""
    return (2 * amount_minor * rate_ppm + PPM) // (2 * PPM)


def split(amount_minor: int, weights: dict[str, int]) -> dict[str, int]:
    """Split an amount over accounts in proportion to whole `weights`: the parts sum to it, and none falls as it grows.

    Each account takes its share, rounded down, of what those before it left; so differences of two splits are never
    negative and a split of the whole weight gives each account its weight exactly. Raises ValueError
    for an amount below 0, or above the sum of the weights.
    """
    left = sum(weights.values())
    if not 0 <= amount_minor <= left:
        raise ValueError(f"cannot split {amount_minor} over {left}")
    parts: dict[str, int] = {}
    for account, weight in weights.items():
        parts[account] = part = amount_minor * weight // left if left else 0
        amount_minor -= part
        left -= weight
    return parts
