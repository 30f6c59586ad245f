"""Deciding a checkout: every line on its shelf, at its price, in stock and within its deal; or a refusal."""

from __future__ import annotations

from typing import Any

from sim.orders.commands import PlaceOrder, Wanted
from sim.orders.entities import Deal, Line, Order, RoomStatus, Sku
from sim.orders.events import OrderPlaced, Refusal, Refused
from sim.orders.states import Reason, State
from sim.orders.stock import Phase
from sim.orders.world import World

#: So that the sums of a database, of nine million such orders, fit in 64 bits.
MAX_TOTAL_MINOR = 10**12

_NOTHING = Reason.NOTHING
_UNPAID = State.UNPAID
_HELD = Phase.HELD


def place(
    world: World, command: PlaceOrder, now_us: int, *, free: bool = False, stocked: bool = False
) -> tuple[OrderPlaced] | tuple[Refused]:
    """The order that a cart becomes, or why it does not; a `free` one costs nothing, on the shelf or not.

    With `stocked` its units are known to be there.

    Looked at in this order: the SKUs and their shelves, the deal, prices, then the stock of all lines together, so
    that a refusal for stock lists every short line.
    """
    deal = None
    if command.deal_id:
        deal = world.deals.get(command.deal_id)
        refused = _shelf_refusal(world, command) or _deal_refusal(world, command, deal, now_us)
        if refused is not None:
            return (refused,)
    rules = world.rules
    if not 0 < len(command.wanted) <= rules.max_lines:
        return (Refused(Refusal.INVALID, f"A cart has 1 to {rules.max_lines} lines."),)
    order_id = world.next_id()
    found = _lines(world, order_id, command.wanted, deal, free)
    if type(found) is Refused:
        return (found,)
    lines, total, currency = found
    if total > MAX_TOTAL_MINOR:
        return (Refused(Refusal.INVALID, "The cart's total is beyond all measure."),)
    short = () if stocked else _short_lines(world, lines)
    if short:
        return (Refused(Refusal.INSUFFICIENT_STOCK, "Not enough units are available.", {}, short),)
    return (OrderPlaced(_order(command, order_id, now_us, rules.pay_window_us, total, currency), lines),)


def _lines(
    world: World, order_id: int, cart: tuple[Wanted, ...], deal: Deal | None, free: bool
) -> tuple[tuple[Line, ...], int, str] | Refused:
    """An order's lines, each at its price (the deal's, the list's, or nothing), their sum and its currency."""
    skus, products, most = world.skus, world.products, world.rules.max_quantity
    lines: list[Line] = []
    total, currency = 0, ""
    for index, wanted in enumerate(cart):
        sku_id, quantity = wanted.sku_id, wanted.quantity
        if not 0 < quantity <= most:
            return _quantity(index, wanted, most)
        sku = skus.get(sku_id)
        if sku is None:
            return _unknown(index, wanted)
        deal_id, price = (0, sku.price_minor) if deal is None or deal.sku_id != sku_id else (deal.id, deal.price_minor)
        if free:
            price = 0
        elif not products[sku.product_id].active:
            return _off_shelf(index, sku)
        if wanted.price_minor >= 0 and (wanted.price_minor != price or wanted.currency not in ("", sku.currency)):
            return _price_changed(index, wanted, price, sku.currency)
        lines.append(Line(order_id, index + 1, sku.id, sku.shop_id, quantity, price, deal_id, _HELD, 0, 0))
        total += quantity * price
        currency = sku.currency
    if len(lines) > 1 and any(skus[line.sku_id].currency != currency for line in lines):
        return Refused(Refusal.CURRENCY_MISMATCH, "All lines of an order are in one currency.")
    return tuple(lines), total, currency


def _order(command: PlaceOrder, order_id: int, now_us: int, window_us: int, total: int, currency: str) -> Order:
    pay_by_us = now_us + window_us
    return Order(
        order_id,
        command.buyer_id,
        _UNPAID,
        _NOTHING,
        currency,
        total,
        0,
        0,
        now_us,
        pay_by_us,
        0,
        0,
        0,
        0,
        pay_by_us,
        1,
        0,
        0,
        0,
        command.room_id,
        command.video_id,
        command.creator_id,
        command.address,
    )


def _short_lines(world: World, lines: tuple[Line, ...]) -> tuple[dict[str, Any], ...]:
    """An error for each line whose parts are not there; lines share the stock in their order."""
    stocks, parts = world.stocks, world.parts
    taken: dict[int, int] | None = {} if len(lines) > 1 else None
    short: tuple[dict[str, Any], ...] = ()
    for line in lines:
        quantity = line.quantity
        for part in parts[line.sku_id]:
            units = part.units * quantity
            stock = stocks[part.part_id]
            available = stock.on_hand - stock.held - stock.committed - stock.releasing  # `Stock.available`, but quicker
            if taken:
                available -= taken.get(part.part_id, 0)
            if units > available:
                short += (_shortage(line, part.units, available),)
                break
            if taken is not None:
                taken[part.part_id] = taken.get(part.part_id, 0) + units
    return short


def _shortage(line: Line, part_units: int, available: int) -> dict[str, Any]:
    return {
        "pointer": f"/lines/{line.line_no - 1}",
        "sku_id": str(line.sku_id),
        "requested": line.quantity,
        "available": available // part_units,
    }


def _deal_refusal(world: World, command: PlaceOrder, deal: Deal | None, now_us: int) -> Refused | None:
    """Why a cart cannot have its deal, or None when it can."""
    if deal is None:
        return Refused(Refusal.DEAL_CLOSED, "No such promotion.", {"promotion_id": str(command.deal_id)})
    room = world.rooms.get(deal.room_id) if deal.room_id else None
    inside = room is not None and room.status == RoomStatus.LIVE and command.room_id == deal.room_id
    units = sum(wanted.quantity for wanted in command.wanted if wanted.sku_id == deal.sku_id)
    earlier = world.deal_buyers.get((deal.id, command.buyer_id)) if deal.quantity_per_user else None
    return deal_refusal(deal, units, now_us, inside=inside, earlier=earlier.units if earlier else 0)


def deal_refusal(deal: Deal, units: int, now_us: int, *, inside: bool, earlier: int = 0) -> Refused | None:
    """Why so many units of a deal's SKU cannot be had in it now, or None when they can.

    `inside` tells whether who asks comes from the deal's live room, and that is live; `earlier` how many of its units
    the buyer has already.
    """
    facts = {"promotion_id": str(deal.id)}
    if not units:
        return Refused(Refusal.DEAL_CLOSED, "The promotion is for another SKU.", facts)
    if not deal.begin_us <= now_us < deal.end_us:
        return Refused(Refusal.DEAL_CLOSED, "The promotion is not open.", facts)
    if deal.room_id and not inside:
        return Refused(Refusal.NOT_LIVE, "The promotion holds only inside its live room.", facts)
    if deal.quantity_limit and deal.used + units > deal.quantity_limit:
        left = {"available": deal.quantity_limit - deal.used}
        return Refused(Refusal.DEAL_SOLD_OUT, "Too few units are left in the promotion.", facts | left)
    if deal.quantity_per_user and earlier + units > deal.quantity_per_user:
        return Refused(Refusal.PURCHASE_LIMIT, "The buyer has reached the promotion's limit.", facts)
    return None


def _shelf_refusal(world: World, command: PlaceOrder) -> Refused | None:
    """Why a line of the cart cannot be bought at any price, or None."""
    for index, wanted in enumerate(command.wanted):
        sku = world.skus.get(wanted.sku_id)
        if sku is None:
            return _unknown(index, wanted)
        if not world.products[sku.product_id].active:
            return _off_shelf(index, sku)
    return None


def _pointer(index: int, wanted: Wanted) -> dict[str, Any]:
    return {"pointer": f"/lines/{index}", "sku_id": str(wanted.sku_id)}


def _quantity(index: int, wanted: Wanted, most: int) -> Refused:
    return Refused(Refusal.INVALID, f"The quantity must be from 1 to {most}.", {}, (_pointer(index, wanted),))


def _unknown(index: int, wanted: Wanted) -> Refused:
    return Refused(Refusal.UNKNOWN_SKU, "There is no such SKU.", {}, (_pointer(index, wanted),))


def _off_shelf(index: int, sku: Sku) -> Refused:
    error = {"pointer": f"/lines/{index}", "sku_id": str(sku.id)}
    return Refused(Refusal.OFF_SHELF, "A product is not on the shelf.", {}, (error,))


def _price_changed(index: int, wanted: Wanted, price_minor: int, currency: str) -> Refused:
    price = {"amount": str(price_minor), "currency": currency}
    return Refused(
        Refusal.PRICE_CHANGED, "The price has changed.", {}, (_pointer(index, wanted) | {"unit_price": price},)
    )
