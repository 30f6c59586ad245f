"""What viewers see: short videos, live rooms with bag and pin, flash sales."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sim.engine.api.catalogue import Price
from sim.engine.api.listing import Page, many, one
from sim.engine.api.parameters import PAGE, Moment, id_query, if_match, instant_us
from sim.engine.api.request import Rejected, Request, number
from sim.engine.api.route import ANYONE, MERCHANT, Route
from sim.engine.calls import Reply
from sim.engine.catalogue import live
from sim.engine.catalogue.views import (
    PromotionView,
    RoomView,
    VideoView,
    promotion_view,
    record_reply,
    room_view,
    video_view,
)
from sim.engine.problems import http_problem
from sim.engine.resources import Body, Id, Word

_YEAR_10000_US = 253_402_300_800_000_000

Bag = Annotated[list[Id], Meta(max_length=live.MAX_BAG)]


class VideoBody(Body):
    """A short video that shows a product."""

    shop_id: Id
    product_id: Id
    title: Word


class RoomBody(Body):
    """A live room, with the products that may be shown in it."""

    shop_id: Id
    title: Word
    product_ids: Bag = msgspec.field(default_factory=list)


class PinBody(Body):
    """The product above the chat; null takes it down."""

    product_id: Id | None


class BagBody(Body):
    """All products of the shopping bag."""

    product_ids: Bag


class PromotionBody(Body):
    """A flash sale of one SKU in [begin, end): units in all and a buyer, 0 for no limit."""

    sku_id: Id
    activity_price: Price
    begin: Moment
    end: Moment
    activity_type: Literal["FLASHSALE"] = "FLASHSALE"
    quantity_limit: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    quantity_per_user: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    live_room_id: Id | None = None


async def create_video(request: Request) -> Reply:
    """Publish a short video."""
    body: VideoBody = request.body
    command = live.CreateVideo(number(body.shop_id), body.title, number(body.product_id))
    return await request.submit(command, record_reply(video_view, 201, "/v1/videos"))


async def get_video(request: Request) -> Reply:
    """Read a video."""
    return await one(request, "videos", "video_id", "video", video_view)


async def list_videos(request: Request) -> Reply:
    """List videos, the oldest first."""
    return await many(request, "videos", video_view, ("shop_id", "product_id"))


async def create_live_room(request: Request) -> Reply:
    """Plan a live room."""
    body: RoomBody = request.body
    command = live.CreateRoom(number(body.shop_id), body.title, _bag(body.product_ids))
    return await request.submit(command, record_reply(room_view, 201, "/v1/live-rooms"))


async def get_live_room(request: Request) -> Reply:
    """Read a live room."""
    return await one(request, "rooms", "live_room_id", "live room", room_view)


async def list_live_rooms(request: Request) -> Reply:
    """List live rooms, the oldest first."""
    return await many(request, "rooms", room_view, ("shop_id",))


async def start_live_room(request: Request) -> Reply:
    """Go live; a room that is live stays so."""
    return await request.submit(live.StartRoom(request.id("live_room_id")), record_reply(room_view, 200))


async def end_live_room(request: Request) -> Reply:
    """End the show; one that has ended stays so."""
    return await request.submit(live.EndRoom(request.id("live_room_id")), record_reply(room_view, 200))


async def pin_product(request: Request) -> Reply:
    """Show a product of the bag above the chat."""
    pinned = request.body.product_id
    command = live.PinProduct(request.id("live_room_id"), number(pinned) if pinned else 0, if_match(request))
    return await request.submit(command, record_reply(room_view, 200))


async def fill_shopping_bag(request: Request) -> Reply:
    """Replace the shopping bag."""
    command = live.FillBag(request.id("live_room_id"), _bag(request.body.product_ids), if_match(request))
    return await request.submit(command, record_reply(room_view, 200))


async def create_promotion(request: Request) -> Reply:
    """Announce a flash sale; a SKU has one at a time."""
    body: PromotionBody = request.body
    begin_us, end_us = instant_us(body.begin), instant_us(body.end)
    for name, at_us in (("begin", begin_us), ("end", end_us)):
        if not 0 <= at_us < _YEAR_10000_US:
            errors = [{"pointer": f"/{name}", "message": "From 1970 to 9999."}]
            raise Rejected(http_problem("invalid", "A promotion lies between 1970 and 9999.", errors=errors))
    command = live.CreateDeal(
        number(body.sku_id),
        int(body.activity_price.amount),
        body.activity_price.currency,
        body.quantity_limit,
        body.quantity_per_user,
        begin_us,
        end_us,
        number(body.live_room_id) if body.live_room_id else 0,
    )
    return await request.submit(command, record_reply(promotion_view, 201, "/v1/promotions"))


async def end_promotion(request: Request) -> Reply:
    """End a flash sale before its time; one that is over stays so, and so do orders placed in it."""
    return await request.submit(live.EndDeal(request.id("promotion_id")), record_reply(promotion_view, 200))


async def get_promotion(request: Request) -> Reply:
    """Read a flash sale."""
    return await one(request, "deals", "promotion_id", "promotion", promotion_view)


async def list_promotions(request: Request) -> Reply:
    """List flash sales, the oldest first."""
    return await many(request, "deals", promotion_view, ("sku_id", "live_room_id"))


def _bag(product_ids: list[str]) -> tuple[int, ...]:
    return tuple(number(product_id) for product_id in product_ids)


def _reading(path: str, summary: str, handler: Any, answer: Any) -> Route:
    return Route("GET", path, summary, handler, ANYONE, "live", {200: answer}, None, ("not_found",), etag=True)


def _room_change(method: str, path: str, summary: str, handler: Any, body: Any, problems: tuple[str, ...]) -> Route:
    changes = body is not None  # going live and ending are steps that may be repeated
    return Route(
        method, path, summary, handler, MERCHANT, "live", {200: RoomView}, body, problems, if_match=changes, etag=True
    )


_ROOM = "/v1/live-rooms/{live_room_id}"
_OF_SHOP = id_query("shop_id", "only those of a shop")

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/videos",
        "Publish a short video",
        create_video,
        MERCHANT,
        "live",
        {201: VideoView},
        VideoBody,
        idempotent=True,
        etag=True,
    ),
    Route(
        "GET",
        "/v1/videos",
        "List videos",
        list_videos,
        ANYONE,
        "live",
        {200: Page[VideoView]},
        query=(_OF_SHOP, id_query("product_id", "only those that show a product"), *PAGE),
    ),
    _reading("/v1/videos/{video_id}", "Read a video", get_video, VideoView),
    Route(
        "POST",
        "/v1/live-rooms",
        "Plan a live room",
        create_live_room,
        MERCHANT,
        "live",
        {201: RoomView},
        RoomBody,
        idempotent=True,
        etag=True,
    ),
    Route(
        "GET",
        "/v1/live-rooms",
        "List live rooms",
        list_live_rooms,
        ANYONE,
        "live",
        {200: Page[RoomView]},
        query=(_OF_SHOP, *PAGE),
    ),
    _reading(_ROOM, "Read a live room", get_live_room, RoomView),
    _room_change("POST", f"{_ROOM}:start", "Go live", start_live_room, None, ("not_found", "illegal_transition")),
    _room_change("POST", f"{_ROOM}:end", "End the show", end_live_room, None, ("not_found", "not_live")),
    _room_change(
        "PUT",
        f"{_ROOM}/pinned-product",
        "Pin a product",
        pin_product,
        PinBody,
        ("not_found", "not_live", "not_in_bag"),
    ),
    _room_change(
        "PUT",
        f"{_ROOM}/shopping-bag",
        "Fill the shopping bag",
        fill_shopping_bag,
        BagBody,
        ("not_found", "not_live", "invalid"),
    ),
    Route(
        "POST",
        "/v1/promotions",
        "Announce a flash sale",
        create_promotion,
        MERCHANT,
        "live",
        {201: PromotionView},
        PromotionBody,
        ("unknown_sku", "currency_mismatch", "not_live", "conflict", "invalid"),
        idempotent=True,
        etag=True,
    ),
    Route(
        "GET",
        "/v1/promotions",
        "List flash sales",
        list_promotions,
        ANYONE,
        "live",
        {200: Page[PromotionView]},
        query=(id_query("sku_id", "only those of a SKU"), id_query("live_room_id", "only those of a room"), *PAGE),
    ),
    Route(
        "POST",
        "/v1/promotions/{promotion_id}:end",
        "End a flash sale",
        end_promotion,
        MERCHANT,
        "live",
        {200: PromotionView},
        None,
        ("not_found",),
        etag=True,
    ),
    _reading("/v1/promotions/{promotion_id}", "Read a flash sale", get_promotion, PromotionView),
)
