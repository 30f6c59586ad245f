"""What a merchant puts on sale, as commands: shops, products with their SKUs, shelves and prices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from sim.engine.executor import Handler
from sim.engine.layers import Group, Layer
from sim.orders.entities import Deal, Part, Product, RoomStatus, Shop, Sku, StockMove
from sim.orders.events import Refusal, Refused
from sim.orders.stock import Stock

#: A product's SKUs get the ids right after its own, so that `skus_of` finds them without an index.
MAX_SKUS = 100


class CreateShop(msgspec.Struct, frozen=True, gc=False):
    """Open a shop; the platform takes `commission_ppm` of what it captures."""

    name: str
    currency: str
    commission_ppm: int


class NewSku(msgspec.Struct, frozen=True, gc=False):
    """A SKU to make: plain with units on hand, or a bundle of `parts` ((SKU id, units), ...) without stock."""

    seller_sku: str
    price_minor: int
    on_hand: int = 0
    parts: tuple[tuple[int, int], ...] = ()


class CreateProduct(msgspec.Struct, frozen=True, gc=False):
    """Put a product with all its SKUs into a shop."""

    shop_id: int
    title: str
    category: str
    active: bool
    skus: tuple[NewSku, ...]
    currency: str = ""  # empty: the shop's; else it must be the shop's


class ChangeProduct(msgspec.Struct, frozen=True, gc=False):
    """Change what is not None of a product, if it still has `version` (0: whatever it is)."""

    product_id: int
    version: int
    active: bool | None = None
    title: str | None = None


class ChangePrice(msgspec.Struct, frozen=True, gc=False):
    """Set a SKU's price, if the SKU still has `version` (0: whatever it is)."""

    sku_id: int
    version: int
    price_minor: int
    currency: str


def not_found(what: str) -> Refused:
    """The refusal for something that is not there, named by the request's path."""
    return Refused(Refusal.NOT_FOUND, f"There is no such {what}.")


def invalid(pointer: str, message: str, code: Refusal = Refusal.INVALID) -> Refused:
    """The refusal for a part of the body, with a pointer to it."""
    return Refused(code, message, {}, ({"pointer": pointer, "message": message},))


def changed(what: str, version: int) -> Refused:
    """The refusal for a version that is no more."""
    return Refused(Refusal.VERSION_CHANGED, f"The {what} has changed since it was read.", {"version": version})


def skus_of(skus: Any, product_id: int) -> list[Sku]:
    """A product's SKUs, from a mapping of all by id."""
    found = []
    for sku_id in range(product_id + 1, product_id + 1 + MAX_SKUS):
        sku = skus.get(sku_id)
        if sku is None or sku.product_id != product_id:
            break
        found.append(sku)
    return found


def deals_of(group: Group, sku_id: int, now_us: int) -> Iterator[Deal]:
    """A SKU's flash sales that may still be open: not those that are over, as one is that its show is over."""
    deals = group.deals
    assert isinstance(deals, Layer)
    for deal in deals.everywhere():
        if deal.sku_id == sku_id and max(now_us, deal.begin_us) < deal.end_us:
            room = group.rooms.get(deal.room_id) if deal.room_id else None
            if room is None or room.status != RoomStatus.ENDED:
                yield deal


def create_shop(group: Group, command: CreateShop, _now_us: int) -> tuple[Any, ...]:
    """Open a shop."""
    shop = Shop(group.next_id(), command.name, command.currency, command.commission_ppm)
    group.shops[shop.id] = shop
    return (shop,)


def create_product(group: Group, command: CreateProduct, now_us: int) -> tuple[Any, ...]:
    """Put a product on sale: the product, its SKUs, their parts, and the stock that they begin with."""
    shop = group.shops.get(command.shop_id)
    if shop is None:
        return (not_found("shop"),)
    refused = _refusal(group, command, shop)
    if refused is not None:
        return (refused,)
    product = Product(group.next_id(), shop.id, command.title, command.category, command.active)
    group.products[product.id] = product
    skus = [
        Sku(group.next_id(), product.id, shop.id, new.seller_sku, new.price_minor, shop.currency)
        for new in command.skus
    ]
    for sku, new in zip(skus, command.skus, strict=True):
        _add(group, sku, new, now_us)
    return (product, *skus)


def _add(group: Group, sku: Sku, new: NewSku, now_us: int) -> None:
    group.skus[sku.id] = sku
    group.named[sku.shop_id, sku.seller_sku] = sku.id
    if new.parts:
        group.parts[sku.id] = tuple(Part(sku.id, part_id, units) for part_id, units in sorted(new.parts))
        return
    group.parts[sku.id] = (Part(sku.id, sku.id, 1),)
    group.stocks[sku.id] = Stock(sku.id, new.on_hand)
    if new.on_hand:
        group.moves.append(StockMove(group.next_id(), sku.id, "initial", new.on_hand, 0, now_us))


def _refusal(group: Group, command: CreateProduct, shop: Shop) -> Refused | None:
    if command.currency and command.currency != shop.currency:
        return invalid("/skus", f"The shop sells in {shop.currency}.", Refusal.CURRENCY_MISMATCH)
    seen: set[str] = set()
    for index, new in enumerate(command.skus):
        if new.seller_sku in seen or (shop.id, new.seller_sku) in group.named:
            message = "The shop has a SKU of this name."
            return invalid(f"/skus/{index}/seller_sku", message, Refusal.DUPLICATE)
        seen.add(new.seller_sku)
        refused = _parts_refusal(group, index, new)
        if refused is not None:
            return refused
    return None


def _parts_refusal(group: Group, index: int, new: NewSku) -> Refused | None:
    if new.parts and new.on_hand:
        return invalid(f"/skus/{index}/on_hand", "A bundle has no stock of its own.")
    if len({part_id for part_id, _units in new.parts}) < len(new.parts):
        return invalid(f"/skus/{index}/parts", "A bundle names each of its parts once.")
    for number, (part_id, _units) in enumerate(new.parts):
        if part_id not in group.stocks:
            message = "There is no such SKU, or it is a bundle itself."
            return invalid(f"/skus/{index}/parts/{number}/sku_id", message, Refusal.UNKNOWN_SKU)
    return None


def change_product(group: Group, command: ChangeProduct, _now_us: int) -> tuple[Any, ...]:
    """Put a product on the shelf, take it off, or rename it."""
    product = group.products.get(command.product_id)
    if product is None:
        return (not_found("product"),)
    if command.version and command.version != product.version:
        return (changed("product", product.version),)
    active = product.active if command.active is None else command.active
    title = product.title if command.title is None else command.title
    product = replace(product, active=active, title=title, version=product.version + 1)
    group.products[product.id] = product
    return (product,)


def change_price(group: Group, command: ChangePrice, now_us: int) -> tuple[Any, ...]:
    """Set a SKU's price; orders that were placed keep theirs."""
    sku = group.skus.get(command.sku_id)
    if sku is None:
        return (not_found("SKU"),)
    if command.version and command.version != sku.version:
        return (changed("SKU", sku.version),)
    if command.currency != sku.currency:
        return (invalid("/price/currency", f"The SKU is sold in {sku.currency}.", Refusal.CURRENCY_MISMATCH),)
    for deal in deals_of(group, sku.id, now_us):
        if command.price_minor < deal.price_minor:
            facts = {"promotion_id": str(deal.id)}
            return (Refused(Refusal.CONFLICT, "A promotion would be dearer than its SKU; end that first.", facts),)
    sku = replace(sku, price_minor=command.price_minor, version=sku.version + 1)
    group.skus[sku.id] = sku
    return (sku,)


HANDLERS: dict[type, Handler] = {
    CreateShop: create_shop,
    CreateProduct: create_product,
    ChangeProduct: change_product,
    ChangePrice: change_price,
}
