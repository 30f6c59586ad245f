"""Units of SKUs: reading, setting and adjusting them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from sim.engine.api.catalogue import OnHand
from sim.engine.api.listing import missing
from sim.engine.api.parameters import etag, if_match
from sim.engine.api.request import Request
from sim.engine.api.route import ANYONE, MERCHANT, Route
from sim.engine.calls import Reply
from sim.engine.catalogue.reading import read_stock
from sim.engine.catalogue.views import InventoryView, inventory_reply, inventory_view
from sim.engine.resources import Body
from sim.engine.views import encode
from sim.orders.commands import AdjustInventory, SetInventory


class InventoryBody(Body):
    """All units on hand, reserved ones included."""

    on_hand: OnHand


class AdjustmentBody(Body):
    """Units that came (or, negative, went), and why."""

    delta: Annotated[int, Meta(ge=-1_000_000_000, le=1_000_000_000)]
    reason: Literal["received", "adjusted"] = "adjusted"


async def get_inventory(request: Request) -> Reply:
    """Read a SKU's units: on hand, reserved, available."""
    stock = await read_stock(request.engine.store, request.id("sku_id"))
    if stock is None:
        raise missing("SKU, or it is a bundle and has no stock of its own")
    return Reply(200, encode(inventory_view(stock)), etag=etag(stock.version))


async def set_inventory(request: Request) -> Reply:
    """Set the units on hand, if nobody has changed the stock meanwhile; orders do change it."""
    command = SetInventory(request.id("sku_id"), request.body.on_hand, if_match(request))
    return await request.submit(command, inventory_reply(200))


async def adjust_inventory(request: Request) -> Reply:
    """Add units, or take them off as far as they are not reserved."""
    body: AdjustmentBody = request.body
    command = AdjustInventory(request.id("sku_id"), body.delta, body.reason)
    return await request.submit(command, inventory_reply(201))


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/skus/{sku_id}/inventory",
        "Read a SKU's units",
        get_inventory,
        ANYONE,
        "inventory",
        {200: InventoryView},
        None,
        ("not_found",),
        etag=True,
    ),
    Route(
        "PUT",
        "/v1/skus/{sku_id}/inventory",
        "Set a SKU's units on hand",
        set_inventory,
        MERCHANT,
        "inventory",
        {200: InventoryView},
        InventoryBody,
        ("not_found", "version_changed", "below_reserved"),
        if_match=True,
        etag=True,
    ),
    Route(
        "POST",
        "/v1/skus/{sku_id}/inventory-adjustments",
        "Add units or take them off",
        adjust_inventory,
        MERCHANT,
        "inventory",
        {201: InventoryView},
        AdjustmentBody,
        ("not_found", "below_reserved"),
        idempotent=True,
        etag=True,
    ),
)
