"""The catalogue as the API shows it: resources, how records become them, and answers of commands."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from sim.engine.calls import Reply, View
from sim.engine.catalogue.goods import skus_of
from sim.engine.catalogue.live import bag_of
from sim.engine.problems import refused
from sim.engine.resources import Id, Instant, Money, id_or_none, instant
from sim.engine.views import encode
from sim.orders.entities import Deal, Product, Room, Shop, Sku, Video
from sim.orders.events import Refused
from sim.orders.stock import Stock

Version = Annotated[int, Meta(ge=1, description="grows with each change; the ETag")]


class ShopView(msgspec.Struct, gc=False):
    """A shop; the platform takes `commission_ppm` (millionths) of what it captures."""

    id: Id
    name: str
    currency: str
    commission_ppm: int
    version: Version


class PartView(msgspec.Struct, gc=False):
    """Units of another SKU in one unit of a bundle."""

    sku_id: Id
    units: int


class SkuView(msgspec.Struct, gc=False):
    """A SKU. Only a bundle has `parts`; it is made of their stock and has none itself."""

    id: Id
    product_id: Id
    shop_id: Id
    seller_sku: str
    price: Money
    parts: list[PartView]
    version: Version


class ProductView(msgspec.Struct, gc=False):
    """A product page with its SKUs; they can be bought while it is `active`, on the shelf."""

    id: Id
    shop_id: Id
    title: str
    category: str
    active: bool
    skus: list[SkuView]
    version: Version


class InventoryView(msgspec.Struct, gc=False):
    """Units of a SKU: `reserved` = held + committed + releasing, `available` = on_hand - reserved."""

    sku_id: Id
    on_hand: int
    reserved: int
    held: int
    committed: int
    releasing: int
    available: int
    version: Version


class VideoView(msgspec.Struct, gc=False):
    """A short video that shows a product."""

    id: Id
    shop_id: Id
    title: str
    product_id: Id
    version: Version


class RoomView(msgspec.Struct, gc=False):
    """A live room: SCHEDULED, LIVE or ENDED, with its shopping bag and the product that is pinned."""

    id: Id
    shop_id: Id
    title: str
    status: str
    product_ids: list[Id]
    pinned_product_id: Id | None
    version: Version


class PromotionView(msgspec.Struct, gc=False):
    """A flash sale in [begin, end). A limit of 0 is none.

    `used` are the units of its orders. A cancelled order gives them back at the sweep; what was shipped, and then lost
    or returned, stays used, in all and for its buyer.
    """

    id: Id
    activity_type: str
    sku_id: Id
    activity_price: Money
    quantity_limit: int
    quantity_per_user: int
    used: int
    begin: Instant
    end: Instant
    live_room_id: Id | None
    version: Version


def shop_view(_world: Any, shop: Shop) -> ShopView:
    """A shop as the API shows it."""
    return ShopView(str(shop.id), shop.name, shop.currency, shop.commission_ppm, shop.version)


def sku_view(world: Any, sku: Sku) -> SkuView:
    """A SKU as the API shows it."""
    parts = [PartView(str(part.part_id), part.units) for part in world.parts[sku.id] if part.part_id != sku.id]
    price = Money(str(sku.price_minor), sku.currency)
    return SkuView(str(sku.id), str(sku.product_id), str(sku.shop_id), sku.seller_sku, price, parts, sku.version)


def product_view(world: Any, product: Product) -> ProductView:
    """A product with its SKUs as the API shows it."""
    skus = [sku_view(world, sku) for sku in skus_of(world.skus, product.id)]
    return ProductView(
        str(product.id), str(product.shop_id), product.title, product.category, product.active, skus, product.version
    )


def inventory_view(stock: Stock) -> InventoryView:
    """A SKU's units as the API shows them."""
    return InventoryView(
        str(stock.sku_id),
        stock.on_hand,
        stock.reserved,
        stock.held,
        stock.committed,
        stock.releasing,
        stock.available,
        stock.version,
    )


def video_view(_world: Any, video: Video) -> VideoView:
    """A video as the API shows it."""
    return VideoView(str(video.id), str(video.shop_id), video.title, str(video.product_id), video.version)


def room_view(_world: Any, room: Room) -> RoomView:
    """A live room as the API shows it."""
    bag = [str(product_id) for product_id in bag_of(room)]
    return RoomView(
        str(room.id), str(room.shop_id), room.title, room.status.name, bag, id_or_none(room.pinned_id), room.version
    )


def promotion_view(world: Any, deal: Deal) -> PromotionView:
    """A flash sale as the API shows it."""
    return PromotionView(
        str(deal.id),
        "FLASHSALE",
        str(deal.sku_id),
        Money(str(deal.price_minor), world.skus[deal.sku_id].currency),
        deal.quantity_limit,
        deal.quantity_per_user,
        deal.used,
        instant(deal.begin_us),
        instant(deal.end_us),
        id_or_none(deal.room_id),
        deal.version,
    )


def record_reply(view: Callable[[Any, Any], Any], status: int, path: str = "") -> View:
    """What answers a command with the record that it made or changed; a new one stands under `path`/id."""
    return partial(_record_reply, view, status, path)


def _record_reply(
    view: Callable[[Any, Any], Any], status: int, path: str, world: Any, _command: Any, happened: tuple[Any, ...]
) -> Reply:
    first = happened[0]
    if isinstance(first, Refused):
        return refused(first)
    location = f"{path}/{first.id}" if path else ""
    return Reply(status, encode(view(world, first)), location, f'"{first.version}"')


def inventory_reply(status: int) -> View:
    """What answers a change of stock with the stock after it."""
    return partial(_inventory_reply, status)


def _inventory_reply(status: int, world: Any, command: Any, happened: tuple[Any, ...]) -> Reply:
    first = happened[0]
    if isinstance(first, Refused):
        return refused(first)
    stock = world.stocks[command.sku_id]
    return Reply(status, encode(inventory_view(stock)), etag=f'"{stock.version}"')
