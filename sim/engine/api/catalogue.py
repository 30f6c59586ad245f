"""Goods: shops, products with their SKUs, shelves and prices."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sim.engine.api.listing import Page, many, one
from sim.engine.api.parameters import PAGE, WORD_PATTERN, id_query, if_match
from sim.engine.api.request import Rejected, Request, number
from sim.engine.api.route import ANYONE, MERCHANT, Query, Route
from sim.engine.calls import Reply
from sim.engine.catalogue import goods
from sim.engine.catalogue.views import (
    ProductView,
    ShopView,
    SkuView,
    product_view,
    record_reply,
    shop_view,
    sku_view,
)
from sim.engine.problems import refused
from sim.engine.resources import Body, Currency, Id, Word
from sim.orders.events import Refusal

#: Ten digits of minor units, and never nothing: an order must be worth something.
PriceMinor = Annotated[
    str, Meta(pattern=r"^[1-9][0-9]{0,9}\Z", description="integer minor units, above 0", examples=["1999"])
]
SellerSku = Annotated[str, Meta(min_length=1, max_length=160, pattern=r"^[^\x00]+$", examples=["mug/blue"])]
OnHand = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What one unit costs, in integer minor units."""

    amount: PriceMinor
    currency: Currency


class ShopBody(Body):
    """A shop; the platform keeps `commission_ppm` millionths of what it captures."""

    name: Word
    currency: Currency
    commission_ppm: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class PartBody(Body):
    """Units of a plain SKU in one unit of a bundle."""

    sku_id: Id
    units: Annotated[int, Meta(ge=1, le=1000)] = 1


class SkuBody(Body):
    """A SKU of a new product: plain, with units on hand; or a bundle of other SKUs' units, without."""

    seller_sku: SellerSku
    price: Price
    on_hand: OnHand = 0
    parts: Annotated[list[PartBody], Meta(max_length=50)] = msgspec.field(default_factory=list)


class ProductBody(Body):
    """A product page with all its SKUs."""

    title: Word
    skus: Annotated[list[SkuBody], Meta(min_length=1, max_length=goods.MAX_SKUS)]
    category: Word = "general"
    active: bool = True


class ProductChange(Body):
    """What to change of a product: `active` is the shelf."""

    active: bool | None = None
    title: Word | None = None


class SkuChange(Body):
    """What to change of a SKU."""

    price: Price


async def create_shop(request: Request) -> Reply:
    """Open a shop."""
    body: ShopBody = request.body
    command = goods.CreateShop(body.name, body.currency, body.commission_ppm)
    return await request.submit(command, record_reply(shop_view, 201, "/v1/shops"))


async def get_shop(request: Request) -> Reply:
    """Read a shop."""
    return await one(request, "shops", "shop_id", "shop", shop_view)


async def list_shops(request: Request) -> Reply:
    """List the shops, the oldest first."""
    return await many(request, "shops", shop_view, ())


async def create_product(request: Request) -> Reply:
    """Put a product with its SKUs into a shop."""
    body: ProductBody = request.body
    currencies = {sku.price.currency for sku in body.skus}
    if len(currencies) > 1:
        raise Rejected(refused(goods.invalid("/skus", "All prices are in one currency.", Refusal.CURRENCY_MISMATCH)))
    skus = tuple(_new_sku(sku) for sku in body.skus)
    shop_id = request.id("shop_id")
    command = goods.CreateProduct(shop_id, body.title, body.category, body.active, skus, currencies.pop())
    return await request.submit(command, record_reply(product_view, 201, "/v1/products"))


def _new_sku(sku: SkuBody) -> goods.NewSku:
    parts = tuple((number(part.sku_id), part.units) for part in sku.parts)
    return goods.NewSku(sku.seller_sku, int(sku.price.amount), sku.on_hand, parts)


async def get_product(request: Request) -> Reply:
    """Read a product with its SKUs."""
    return await one(request, "products", "product_id", "product", product_view)


async def list_products(request: Request) -> Reply:
    """List products, the oldest first."""
    return await many(request, "products", product_view, ("shop_id",))


async def change_product(request: Request) -> Reply:
    """Put a product on the shelf, take it off, or rename it."""
    body: ProductChange = request.body
    command = goods.ChangeProduct(request.id("product_id"), if_match(request), body.active, body.title)
    return await request.submit(command, record_reply(product_view, 200))


async def get_sku(request: Request) -> Reply:
    """Read a SKU."""
    return await one(request, "skus", "sku_id", "SKU", sku_view)


async def list_skus(request: Request) -> Reply:
    """List SKUs, the oldest first."""
    return await many(request, "skus", sku_view, ("shop_id", "product_id", "seller_sku"))


async def change_sku(request: Request) -> Reply:
    """Set a SKU's price; orders that were placed keep theirs."""
    price: Price = request.body.price
    command = goods.ChangePrice(request.id("sku_id"), if_match(request), int(price.amount), price.currency)
    return await request.submit(command, record_reply(sku_view, 200))


_IN_SHOP = id_query("shop_id", "only those of a shop")

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/shops",
        "Open a shop",
        create_shop,
        MERCHANT,
        "catalogue",
        {201: ShopView},
        ShopBody,
        idempotent=True,
        etag=True,
    ),
    Route("GET", "/v1/shops", "List shops", list_shops, ANYONE, "catalogue", {200: Page[ShopView]}, query=PAGE),
    Route(
        "GET",
        "/v1/shops/{shop_id}",
        "Read a shop",
        get_shop,
        ANYONE,
        "catalogue",
        {200: ShopView},
        None,
        ("not_found",),
        etag=True,
    ),
    Route(
        "POST",
        "/v1/shops/{shop_id}/products",
        "Put a product on sale",
        create_product,
        MERCHANT,
        "catalogue",
        {201: ProductView},
        ProductBody,
        ("not_found", "duplicate", "unknown_sku", "currency_mismatch", "invalid"),
        idempotent=True,
        etag=True,
    ),
    Route(
        "GET",
        "/v1/products",
        "List products",
        list_products,
        ANYONE,
        "catalogue",
        {200: Page[ProductView]},
        query=(_IN_SHOP, *PAGE),
    ),
    Route(
        "GET",
        "/v1/products/{product_id}",
        "Read a product",
        get_product,
        ANYONE,
        "catalogue",
        {200: ProductView},
        None,
        ("not_found",),
        etag=True,
    ),
    Route(
        "PATCH",
        "/v1/products/{product_id}",
        "Put a product on the shelf, take it off, or rename it",
        change_product,
        MERCHANT,
        "catalogue",
        {200: ProductView},
        ProductChange,
        ("not_found", "version_changed"),
        if_match=True,
        etag=True,
    ),
    Route(
        "GET",
        "/v1/skus",
        "List SKUs",
        list_skus,
        ANYONE,
        "catalogue",
        {200: Page[SkuView]},
        query=(
            Query("seller_sku", str, "only those of this name, in whatever shop", pattern=WORD_PATTERN),
            id_query("product_id", "only those of a product"),
            _IN_SHOP,
            *PAGE,
        ),
    ),
    Route(
        "GET",
        "/v1/skus/{sku_id}",
        "Read a SKU",
        get_sku,
        ANYONE,
        "catalogue",
        {200: SkuView},
        None,
        ("not_found",),
        etag=True,
    ),
    Route(
        "PATCH",
        "/v1/skus/{sku_id}",
        "Set a SKU's price",
        change_sku,
        MERCHANT,
        "catalogue",
        {200: SkuView},
        SkuChange,
        ("not_found", "version_changed", "currency_mismatch", "conflict"),
        if_match=True,
        etag=True,
    ),
)
