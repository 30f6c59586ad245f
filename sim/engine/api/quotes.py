"""What a cart would cost now. Nothing is reserved and nothing written."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sim.engine.api.request import Rejected, Request, number
from sim.engine.api.route import BUYER_OR_MERCHANT, Route
from sim.engine.calls import Reply
from sim.engine.catalogue.reading import Offer, read_offers, read_open_deal
from sim.engine.problems import problem
from sim.engine.resources import Body, Id, Money, Quantity
from sim.engine.views import encode
from sim.orders.entities import Deal


class QuoteLine(Body):
    """A SKU and how many."""

    sku_id: Id
    quantity: Quantity


class QuoteBody(Body):
    """A cart. With `promotion_id` a flash sale counts where it is open to somebody from `live_room_id`."""

    lines: Annotated[list[QuoteLine], Meta(min_length=1, max_length=100)]
    promotion_id: Id | None = None
    live_room_id: Id | None = None


class QuoteLineView(msgspec.Struct, gc=False):
    """A line at its price now. `available` units could be bought at this moment."""

    sku_id: Id
    quantity: int
    unit_price: Money
    subtotal: Money
    promotion_id: Id | None
    on_shelf: bool
    available: int


class QuoteView(msgspec.Struct, gc=False):
    """What a cart would cost: prices include whatever tax is due, shipping is free. Equal SKUs are one line."""

    lines: list[QuoteLineView]
    subtotal: Money
    shipping: Money
    total: Money


async def quote(request: Request) -> Reply:
    """Price a cart."""
    body: QuoteBody = request.body
    wanted: dict[int, int] = {}
    for line in body.lines:
        sku_id = number(line.sku_id)
        wanted[sku_id] = wanted.get(sku_id, 0) + line.quantity
    engine = request.engine
    offers = await read_offers(engine.store, list(wanted))
    _check(body, offers)
    deal = None
    if body.promotion_id:
        room_id = number(body.live_room_id) if body.live_room_id else 0
        deal = await read_open_deal(engine.store, number(body.promotion_id), room_id, engine.clock())
    return Reply(200, encode(_view(wanted, offers, deal)))


def _check(body: QuoteBody, offers: dict[int, Offer]) -> None:
    """Raise Rejected for SKUs that do not exist, or are not in one currency."""
    errors = [
        {"pointer": f"/lines/{index}", "sku_id": line.sku_id}
        for index, line in enumerate(body.lines)
        if int(line.sku_id) not in offers
    ]
    if errors:
        raise Rejected(problem(422, "unknown_sku", "There is no such SKU.", errors=errors))
    if len({offer.sku.currency for offer in offers.values()}) > 1:
        raise Rejected(problem(422, "currency_mismatch", "All lines of an order are in one currency."))


def _view(wanted: dict[int, int], offers: dict[int, Offer], deal: Deal | None) -> QuoteView:
    lines, total = [], 0
    currency = ""
    for sku_id, quantity in wanted.items():
        offer = offers[sku_id]
        currency = offer.sku.currency
        reduced = deal is not None and deal.sku_id == sku_id
        price = deal.price_minor if deal is not None and reduced else offer.sku.price_minor
        total += price * quantity
        lines.append(
            QuoteLineView(
                str(sku_id),
                quantity,
                Money(str(price), currency),
                Money(str(price * quantity), currency),
                str(deal.id) if deal is not None and reduced else None,
                offer.on_shelf,
                offer.available,
            )
        )
    whole, nothing = Money(str(total), currency), Money("0", currency)
    return QuoteView(lines, whole, nothing, whole)


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/checkout/quotes",
        "Price a cart",
        quote,
        BUYER_OR_MERCHANT,
        "orders",
        {200: QuoteView},
        QuoteBody,
        ("unknown_sku", "currency_mismatch"),
    ),
)
