"""A cart's lines as the order core wants them, each SKU once; and its answer in terms of the lines that were sent."""

from __future__ import annotations

from functools import partial

from sim.engine import views
from sim.engine.api.order_bodies import CartLine
from sim.engine.api.request import number
from sim.engine.calls import View
from sim.orders.commands import Wanted

#: Above every price that can be.
_NO_PRICE_MINOR = 10**18


def wanted_in(lines: list[CartLine]) -> tuple[Wanted, ...]:
    """The lines with equal SKUs merged, in the order in which they first came."""
    if len(lines) == 1:
        (line,) = lines
        price = line.unit_price
        if price is None:
            return (Wanted(number(line.sku_id), line.quantity),)
        return (Wanted(number(line.sku_id), line.quantity, int(price.amount), price.currency),)
    merged: dict[int, Wanted] = {}
    for line in lines:
        (wanted,) = wanted_in([line])
        known = merged.get(wanted.sku_id)
        merged[wanted.sku_id] = wanted if known is None else _together(known, wanted)
    return tuple(merged.values())


def _together(one: Wanted, other: Wanted) -> Wanted:
    """Two lines of a SKU as one. Of two prices one at least is wrong, so theirs together is nobody's."""
    priced = one if one.price_minor >= 0 else other
    agree = other.price_minor < 0 or (other.price_minor, other.currency) == (priced.price_minor, priced.currency)
    price_minor = priced.price_minor if agree else _NO_PRICE_MINOR
    return Wanted(one.sku_id, one.quantity + other.quantity, price_minor, priced.currency)


def answer_of(lines: list[CartLine], wanted: tuple[Wanted, ...]) -> View:
    """What answers a checkout, in places of the cart as it was sent."""
    if len(wanted) == len(lines):
        return views.placed
    first: dict[int, int] = {}
    for place, line in enumerate(lines):
        first.setdefault(int(line.sku_id), place)
    return partial(views.placed_of_merged, tuple(first.values()))
