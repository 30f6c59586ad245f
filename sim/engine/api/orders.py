"""Orders: place, pay, confirm, parcels."""

from __future__ import annotations

import msgspec

from sim.engine import views
from sim.engine.api.carts import answer_of, wanted_in
from sim.engine.api.order_bodies import (
    PackageBody,
    PayBody,
    PlaceOrderBody,
    TrackingBody,
)
from sim.engine.api.request import Rejected, Request, number
from sim.engine.api.route import BUYER, MERCHANT, Route
from sim.engine.calls import Call, Reply
from sim.engine.paying import payments
from sim.engine.problems import http_problem
from sim.engine.resources import (
    OrderView,
    PackageView,
    PaymentView,
    ReceiptView,
)
from sim.orders import commands
from sim.orders.entities import PackageStatus


async def place_order(request: Request) -> Reply:
    """Check out a cart: UNPAID, its units held until `pay_by`."""
    return await request.engine.writer.submit(checkout(request))


def checkout(request: Request) -> Call:
    """The call that checks out the cart of a request."""
    body: PlaceOrderBody = request.body
    came, wanted = body.attribution, wanted_in(body.lines)
    command = commands.PlaceOrder(
        body.buyer_id,
        wanted,
        _id(body.promotion_id),
        _id(came.live_room_id) if came else 0,
        _id(came.video_id) if came else 0,
        (came.creator_id or "") if came else "",
        msgspec.json.encode(body.address).decode() if body.address else "{}",
    )
    return Call(command, answer_of(body.lines, wanted), request.key, request.fingerprint)


async def pay(request: Request) -> Reply:
    """Begin an attempt to pay; the provider is asked once the attempt is durable, outside of every transaction."""
    engine = request.engine
    command = commands.StartPayment(request.id("order_id"), request.body.method)
    return await payments.pay(engine.writer, engine.payments, command, request.key, request.fingerprint)


async def confirm(request: Request) -> Reply:
    """Accept an order: ON_HOLD -> AWAITING_SHIPMENT."""
    return await request.submit(commands.Confirm(request.id("order_id")), views.order_changed)


async def create_package(request: Request) -> Reply:
    """Put lines of an order into a parcel."""
    body: PackageBody = request.body
    command = commands.CreatePackage(request.id("order_id"), tuple(body.lines), body.carrier, body.tracking_number)
    return await request.submit(command, views.package_reply(201))


async def ship_package(request: Request) -> Reply:
    """Say that a parcel is ready to ship."""
    command = commands.ShipPackage(*await order_and(request, "package_id", "packages"))
    return await request.submit(command, views.package_reply(200))


async def track_package(request: Request) -> Reply:
    """Follow a parcel: COLLECTED, then DELIVERED or LOST."""
    ids = await order_and(request, "package_id", "packages")
    command = commands.TrackPackage(*ids, PackageStatus[request.body.status])
    return await request.submit(command, views.package_reply(201))


async def order_and(request: Request, parameter: str, table: str) -> tuple[int, int]:
    """The order that the thing named in the path hangs on, which never changes, and the thing's id.

    Raises Rejected where there is no such thing.
    """
    thing = request.id(parameter)
    found = await request.engine.store.select(f"SELECT order_id FROM {table} WHERE id = ?", (thing,))
    if not found:
        raise Rejected(http_problem("not_found", f"There is no such thing among the {table}."))
    return int(found[0][0]), thing


def _id(text: str | None) -> int:
    return number(text) if text else 0


_LINES = ("unknown_sku", "off_shelf", "insufficient_stock", "price_changed", "currency_mismatch")
_DEALS = ("deal_closed", "deal_sold_out", "purchase_limit", "not_live")

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/orders",
        "Place an order",
        place_order,
        BUYER,
        "orders",
        {201: ReceiptView},
        PlaceOrderBody,
        (*_LINES, *_DEALS),
        idempotent=True,
        call=checkout,
    ),
    Route(
        "POST",
        "/v1/orders/{order_id}/payments",
        "Pay an order",
        pay,
        BUYER,
        "payments",
        {201: PaymentView, 202: PaymentView},
        PayBody,
        (
            "not_found",
            "payment_declined",
            "already_paid",
            "order_cancelled",
            "hold_expired",
            "payment_in_progress",
            "limit_reached",
        ),
        idempotent=True,
    ),
    Route(
        "POST",
        "/v1/orders/{order_id}:confirm",
        "Accept an order",
        confirm,
        MERCHANT,
        "orders",
        {200: OrderView},
        None,
        ("not_found", "illegal_transition"),
        idempotent=True,
    ),
    Route(
        "POST",
        "/v1/orders/{order_id}/packages",
        "Pack lines of an order",
        create_package,
        MERCHANT,
        "fulfilment",
        {201: PackageView},
        PackageBody,
        ("not_found", "illegal_transition", "lines_not_free"),
        idempotent=True,
    ),
    Route(
        "POST",
        "/v1/packages/{package_id}:ship",
        "Say that a parcel is ready to ship",
        ship_package,
        MERCHANT,
        "fulfilment",
        {200: PackageView},
        None,
        ("not_found", "illegal_transition"),
        idempotent=True,
    ),
    Route(
        "POST",
        "/v1/packages/{package_id}/tracking-events",
        "Tell what the carrier says",
        track_package,
        MERCHANT,
        "fulfilment",
        {201: PackageView},
        TrackingBody,
        ("not_found", "illegal_transition"),
        idempotent=True,
    ),
)
