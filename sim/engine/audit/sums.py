"""What the tables add up to: units, orders by state, and money by currency. Read in the audit's own snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from sim.engine.resources import Currency
from sim.orders.entities import PaymentStatus, RefundStatus
from sim.orders.money import BUYERS, PLATFORM, SUSPENSE
from sim.orders.states import State

_Sum = Annotated[str, Meta(pattern=r"^-?[0-9]+\Z", description="integer minor units", examples=["1999"])]

_MOVES = (
    "SELECT SUM(CASE WHEN kind = 'shipped' THEN 0 ELSE units END), "
    "SUM(CASE WHEN kind = 'shipped' THEN -units ELSE 0 END) FROM stock_moves"
)
_CAPTURED = f"{PaymentStatus.CAPTURED.value}, {PaymentStatus.RETURNED.value}"
#: Each account's gains by currency; those of all shops are one.
_ACCOUNTS = f"""
SELECT currency, CASE WHEN account IN ('{PLATFORM}', '{SUSPENSE}') THEN account ELSE 'shops' END AS whose, SUM(amount)
FROM (SELECT currency, credit AS account, amount_minor AS amount FROM transfers
  UNION ALL SELECT currency, debit, -amount_minor FROM transfers) AS moved
WHERE account <> '{BUYERS}' GROUP BY 1, 2
"""
SUM_QUERIES: tuple[str, ...] = (
    _MOVES,
    "SELECT SUM(on_hand), SUM(held), SUM(committed), SUM(releasing) FROM stocks",
    "SELECT state, COUNT(*) FROM orders GROUP BY state",
    f"SELECT currency, 'captured', SUM(amount_minor) FROM payments WHERE status IN ({_CAPTURED}) GROUP BY currency",
    "SELECT currency, 'refunded', SUM(amount_minor) FROM refunds GROUP BY currency",
    "SELECT currency, 'refunds_pending', SUM(amount_minor) FROM refunds "
    f"WHERE status = {RefundStatus.PENDING.value} GROUP BY currency",
    _ACCOUNTS,
)


class UnitSums(msgspec.Struct, frozen=True):
    """Units of all SKUs. `put_in` less `shipped` is `on_hand`; the last three are what of that is not for sale."""

    put_in: int
    shipped: int
    on_hand: int
    held: int
    committed: int
    releasing: int


class MoneySums(msgspec.Struct, frozen=True):
    """Money in one currency. `captured` less `refunded` is what shops, platform and suspense have.

    `refunds_pending` is the part of `refunded` that the provider has not paid out yet.
    """

    currency: Currency
    captured: _Sum = "0"
    refunded: _Sum = "0"
    refunds_pending: _Sum = "0"
    shops: _Sum = "0"
    platform: _Sum = "0"
    suspense: _Sum = "0"


class Sums(msgspec.Struct, frozen=True):
    """What the tables add up to; `orders` counts them by state."""

    units: UnitSums
    orders: dict[str, int]
    money: tuple[MoneySums, ...]


def sums(answers: Sequence[Sequence[Sequence[Any]]]) -> Sums:
    """The sums from the answers to `SUM_QUERIES`."""
    (moves,), (stocks,), states, *money = answers
    counts = {State(state).name: int(number) for state, number in states}
    return Sums(
        UnitSums(*(int(units or 0) for units in (*moves, *stocks))),
        {state.name: counts[state.name] for state in State if state.name in counts},
        _money([row for rows in money for row in rows]),
    )


def _money(rows: Sequence[Sequence[Any]]) -> tuple[MoneySums, ...]:
    found: dict[str, dict[str, str]] = {}
    for currency, what, amount in rows:
        found.setdefault(currency, {})[what] = str(int(amount))
    return tuple(MoneySums(currency, **found[currency]) for currency in sorted(found))
