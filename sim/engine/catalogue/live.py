"""What is shown to viewers, as commands: short videos, live rooms with bag and pin, flash sales."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from sim.engine.catalogue.goods import changed, deals_of, invalid, not_found
from sim.engine.executor import Handler
from sim.engine.layers import Group
from sim.orders.entities import Deal, Room, RoomStatus, Video
from sim.orders.events import Refusal, Refused

#: Products in the shopping bag of a live room (TikTok Shop's own limit).
MAX_BAG = 100


class CreateVideo(msgspec.Struct, frozen=True, gc=False):
    """Publish a short video that shows a product."""

    shop_id: int
    title: str
    product_id: int


class CreateRoom(msgspec.Struct, frozen=True, gc=False):
    """Plan a live room."""

    shop_id: int
    title: str
    bag: tuple[int, ...] = ()


class StartRoom(msgspec.Struct, frozen=True, gc=False):
    """Go live."""

    room_id: int


class EndRoom(msgspec.Struct, frozen=True, gc=False):
    """End the show; its flash sales end with it."""

    room_id: int


class PinProduct(msgspec.Struct, frozen=True, gc=False):
    """Show a product of the bag above the chat (0: none), if the room still has `version` (0: whatever it is)."""

    room_id: int
    product_id: int
    version: int


class FillBag(msgspec.Struct, frozen=True, gc=False):
    """Replace a room's shopping bag, if the room still has `version` (0: whatever it is).

    A pinned product that is no longer in it is taken down.
    """

    room_id: int
    bag: tuple[int, ...]
    version: int


class CreateDeal(msgspec.Struct, frozen=True, gc=False):
    """Announce a flash sale of one SKU in [begin_us, end_us); `room_id` 0: not bound to a live room.

    TikTok Shop's bounds of a LIVE flash sale (1 to 20 min, counted down 10 to 300 s before) are not held here: shows
    with longer ones can be tried too.
    """

    sku_id: int
    price_minor: int
    currency: str
    quantity_limit: int
    quantity_per_user: int
    begin_us: int
    end_us: int
    room_id: int = 0


class EndDeal(msgspec.Struct, frozen=True, gc=False):
    """End a flash sale before its time."""

    deal_id: int


def bag_of(room: Room) -> list[int]:
    """The products of a room's shopping bag."""
    return msgspec.json.decode(room.bag, type=list[int])


def written_bag(product_ids: tuple[int, ...]) -> str:
    """A shopping bag as a room keeps it."""
    return msgspec.json.encode(product_ids).decode()


def create_video(group: Group, command: CreateVideo, _now_us: int) -> tuple[Any, ...]:
    """Publish a video."""
    if command.shop_id not in group.shops:
        return (invalid("/shop_id", "There is no such shop."),)
    if command.product_id not in group.products:
        return (invalid("/product_id", "There is no such product."),)
    video = Video(group.next_id(), command.shop_id, command.title, command.product_id)
    group.videos[video.id] = video
    return (video,)


def create_room(group: Group, command: CreateRoom, _now_us: int) -> tuple[Any, ...]:
    """Plan a live room."""
    if command.shop_id not in group.shops:
        return (invalid("/shop_id", "There is no such shop."),)
    refused = _bag_refusal(group, command.bag)
    if refused is not None:
        return (refused,)
    room = Room(group.next_id(), command.shop_id, command.title, RoomStatus.SCHEDULED, written_bag(command.bag))
    return _put(group, room)


def start_room(group: Group, command: StartRoom, _now_us: int) -> tuple[Any, ...]:
    """Go live; a room that is live stays so, one that has ended is over for good."""
    room = group.rooms.get(command.room_id)
    if room is None:
        return (not_found("live room"),)
    if room.status == RoomStatus.ENDED:
        facts = {"from": room.status.name, "to": RoomStatus.LIVE.name, "allowed": []}
        return (Refused(Refusal.ILLEGAL_TRANSITION, "The live room has ended.", facts),)
    if room.status == RoomStatus.LIVE:
        return (room,)
    return _put(group, replace(room, status=RoomStatus.LIVE, version=room.version + 1))


def end_room(group: Group, command: EndRoom, _now_us: int) -> tuple[Any, ...]:
    """End the show; one that has ended stays so."""
    room = group.rooms.get(command.room_id)
    if room is None:
        return (not_found("live room"),)
    if room.status == RoomStatus.ENDED:
        return (room,)
    if room.status != RoomStatus.LIVE:
        return (_not_live(room),)
    return _put(group, replace(room, status=RoomStatus.ENDED, pinned_id=0, version=room.version + 1))


def pin_product(group: Group, command: PinProduct, _now_us: int) -> tuple[Any, ...]:
    """Show a product of the bag, while the room is live."""
    room = group.rooms.get(command.room_id)
    if room is None:
        return (not_found("live room"),)
    if command.version not in (0, room.version):
        return (changed("live room", room.version),)
    if room.status != RoomStatus.LIVE:
        return (_not_live(room),)
    if command.product_id and command.product_id not in bag_of(room):
        return (invalid("/product_id", "The product is not in the shopping bag.", Refusal.NOT_IN_BAG),)
    return _put(group, replace(room, pinned_id=command.product_id, version=room.version + 1))


def fill_bag(group: Group, command: FillBag, _now_us: int) -> tuple[Any, ...]:
    """Replace the shopping bag, before or during the show."""
    room = group.rooms.get(command.room_id)
    if room is None:
        return (not_found("live room"),)
    if command.version not in (0, room.version):
        return (changed("live room", room.version),)
    if room.status == RoomStatus.ENDED:
        return (_not_live(room),)
    refused = _bag_refusal(group, command.bag)
    if refused is not None:
        return (refused,)
    pinned_id = room.pinned_id if room.pinned_id in command.bag else 0
    return _put(group, replace(room, bag=written_bag(command.bag), pinned_id=pinned_id, version=room.version + 1))


def create_deal(group: Group, command: CreateDeal, now_us: int) -> tuple[Any, ...]:
    """Announce a flash sale; one SKU has one at a time."""
    refused = _deal_refusal(group, command, now_us)
    if refused is not None:
        return (refused,)
    deal = Deal(
        group.next_id(),
        command.sku_id,
        command.price_minor,
        command.quantity_limit,
        command.quantity_per_user,
        command.begin_us,
        command.end_us,
        command.room_id,
    )
    group.deals[deal.id] = deal
    return (deal,)


def end_deal(group: Group, command: EndDeal, now_us: int) -> tuple[Any, ...]:
    """End a flash sale now, or before it begins; one that is over stays as it is. Orders placed in it stay too."""
    deal = group.deals.get(command.deal_id)
    if deal is None:
        return (not_found("promotion"),)
    end_us = max(deal.begin_us, now_us)
    if end_us < deal.end_us:
        deal = replace(deal, end_us=end_us, version=deal.version + 1)
        group.deals[deal.id] = deal
    return (deal,)


def _deal_refusal(group: Group, command: CreateDeal, now_us: int) -> Refused | None:
    sku = group.skus.get(command.sku_id)
    if sku is None:
        return invalid("/sku_id", "There is no such SKU.", Refusal.UNKNOWN_SKU)
    if command.currency != sku.currency:
        message = f"The SKU is sold in {sku.currency}."
        return invalid("/activity_price/currency", message, Refusal.CURRENCY_MISMATCH)
    if command.price_minor > sku.price_minor:
        return invalid("/activity_price/amount", f"The SKU costs {sku.price_minor}; a flash sale is no dearer.")
    if command.end_us <= command.begin_us:
        return invalid("/end", "A promotion ends after it has begun.")
    if command.room_id:
        room = group.rooms.get(command.room_id)
        if room is None:
            return invalid("/live_room_id", "There is no such live room.")
        if room.status == RoomStatus.ENDED:
            return _not_live(room)
    return _overlap(group, command, now_us)


def _overlap(group: Group, command: CreateDeal, now_us: int) -> Refused | None:
    for deal in deals_of(group, command.sku_id, now_us):
        if deal.begin_us < command.end_us and command.begin_us < deal.end_us:
            facts = {"promotion_id": str(deal.id)}
            return Refused(Refusal.CONFLICT, "The SKU has another promotion at that time.", facts)
    return None


def _bag_refusal(group: Group, bag: tuple[int, ...]) -> Refused | None:
    if len(set(bag)) < len(bag):
        return invalid("/product_ids", "A shopping bag holds each product once.")
    for index, product_id in enumerate(bag):
        if product_id not in group.products:
            return invalid(f"/product_ids/{index}", "There is no such product.")
    return None


def _not_live(room: Room) -> Refused:
    return Refused(Refusal.NOT_LIVE, "The live room is not live.", {"live_room_status": room.status.name})


def _put(group: Group, room: Room) -> tuple[Room]:
    group.rooms[room.id] = room
    return (room,)


HANDLERS: dict[type, Handler] = {
    CreateVideo: create_video,
    CreateRoom: create_room,
    StartRoom: start_room,
    EndRoom: end_room,
    PinProduct: pin_product,
    FillBag: fill_bag,
    CreateDeal: create_deal,
    EndDeal: end_deal,
}
