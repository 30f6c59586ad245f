"""What a cart would cost now. Nothing is reserved and nothing written."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sim.engine.api.request import Rejected, Request, number
from sim.engine.api.route import BUYER_OR_MERCHANT, Route
from sim.engine.calls import Reply
from sim.engine.catalogue.reading import Offer, read_deal, read_offers
from sim.engine.problems import http_problem, problem
from sim.engine.resources import Body, Id, Money, Quantity
from sim.engine.views import encode
from sim.orders.entities import Deal
from sim.orders.placing import MAX_TOTAL_MINOR, deal_refusal


class QuoteLine(Body):
    """A SKU and how many."""

    sku_id: Id
    quantity: Quantity


class QuoteBody(Body):
    """A cart. With `promotion_id` a flash sale counts where it is open to somebody from `live_room_id`, and has as many
    units as are wanted of it for one buyer; else lines are at their list price, with a `promotion_id` of null.
    """

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
    _check(body, wanted, offers, engine.rules.max_quantity)
    deal = await _deal(request, body, wanted) if body.promotion_id else None
    return Reply(200, encode(_view(wanted, offers, deal)))


async def _deal(request: Request, body: QuoteBody, wanted: dict[int, int]) -> Deal | None:
    """The cart's flash sale, None where it does not hold for the cart. Raises Rejected where there is none."""
    deal_id, room_id = number(body.promotion_id or ""), number(body.live_room_id) if body.live_room_id else 0
    known = await read_deal(request.engine.store, deal_id)
    if known is None:
        raise Rejected(_invalid("/promotion_id", "There is no such promotion."))
    deal, is_live = known
    inside = deal.room_id == room_id and is_live
    refused = deal_refusal(deal, wanted.get(deal.sku_id, 0), request.engine.clock(), inside=inside)
    return deal if refused is None else None


def _invalid(pointer: str, message: str) -> Reply:
    return http_problem("invalid", message, errors=[{"pointer": pointer, "message": message}])


def _check(body: QuoteBody, wanted: dict[int, int], offers: dict[int, Offer], most: int) -> None:
    """Raise Rejected for SKUs that do not exist or are not in one currency, and for more units of one than `most`."""
    errors = [
        {"pointer": f"/lines/{index}", "sku_id": line.sku_id}
        for index, line in enumerate(body.lines)
        if int(line.sku_id) not in offers
    ]
    if errors:
        raise Rejected(problem(422, "unknown_sku", "There is no such SKU.", errors=errors))
    if len({offer.sku.currency for offer in offers.values()}) > 1:
        raise Rejected(problem(422, "currency_mismatch", "All lines of an order are in one currency."))
    for index, line in enumerate(body.lines):
        if wanted[int(line.sku_id)] > most:
            raise Rejected(_invalid(f"/lines/{index}", f"The quantity must be from 1 to {most}."))


def _view(wanted: dict[int, int], offers: dict[int, Offer], deal: Deal | None) -> QuoteView:
    """The quote. Raises Rejected for a total that no order may have."""
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
    if total > MAX_TOTAL_MINOR:
        raise Rejected(_invalid("/lines", "The cart's total is beyond all measure."))
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
