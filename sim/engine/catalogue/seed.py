"""Fills a store with what a scenario sells and shows, so that a trace of the same scenario can be played against it.

SKUs keep the trace's numbering through `Seeded.skus`. What the store has already (looked up by name) is left as it is,
so seeding twice changes nothing and a seeding that was cut short is completed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim.engine import views
from sim.engine.calls import Call
from sim.engine.catalogue.commands import Fill, Step
from sim.engine.catalogue.goods import MAX_SKUS, CreateProduct, CreateShop, NewSku, create_product, create_shop
from sim.engine.catalogue.live import MAX_BAG, CreateVideo, create_video, written_bag
from sim.engine.executor import Handler
from sim.engine.layers import Cache, Group
from sim.engine.resources import instant
from sim.errors import LiveRushError, UsageError
from sim.orders.entities import Deal, Room, RoomStatus
from sim.orders.events import Refused
from sim.orders.rules import Rules
from sim.scenario.parts.programme import Broadcast
from sim.scenario.parts.programme import Deal as FlashDeal
from sim.scenario.schema import Scenario
from sim.scenario.tables import SkuRow, deal_table, sku_table

if TYPE_CHECKING:
    from sim.engine.core import Engine

#: SKUs of one group: few groups, and none longer than a second or two.
CHUNK = 20_000
_OK = 204


@dataclass
class Seeded:
    """What became of a scenario: ids by the scenario's names, those of SKUs and deals in the trace's numbering."""

    scenario: str
    show_us: int  # when the scenario's time 0 is, on the engine's clock
    shops: dict[str, int] = field(default_factory=dict)
    products: dict[str, int] = field(default_factory=dict)
    skus: list[int] = field(default_factory=list)
    rooms: dict[str, int] = field(default_factory=dict)
    videos: dict[str, int] = field(default_factory=dict)
    deals: list[int] = field(default_factory=list)
    made: int = 0  # records that were not there before

    def summary(self) -> str:
        """What there is, in a line."""
        parts = [
            f"{len(known)} {what}{'' if len(known) == 1 else 's'}"
            for known, what in (
                (self.shops, "shop"),
                (self.products, "product"),
                (self.skus, "SKU"),
                (self.rooms, "live room"),
                (self.videos, "video"),
                (self.deals, "flash sale"),
            )
            if known
        ]
        how = f"filled; the show starts {instant(self.show_us)}" if self.made else "found as filled before"
        return f"{self.scenario}: {', '.join(parts)}, {how}"


def rules_of(scenario: Scenario) -> Rules:
    """The timers and switches of an order's life that a scenario sets."""
    return Rules(
        pay_window_us=scenario.payment.hold_window_us,
        confirms_itself=scenario.confirmation.mode == "automatic",
        return_window_us=scenario.after_sales.return_window_us,
    ).held(scenario.confirmation.on_hold_us)


async def seed(engine: Engine, scenario: Scenario, *, show_us: int | None = None) -> Seeded:
    """Put a scenario into the engine's store, its time 0 at `show_us` (now if None); durations are divided by speed.

    Raises UsageError where the store or the engine cannot hold it.
    """
    plan = _Plan(engine, scenario, engine.clock() if show_us is None else show_us)
    await plan.run()
    return plan.seeded


@dataclass
class _Plan:
    """One seeding. Every part first looks for what is there, so that each can run again."""

    engine: Engine
    scenario: Scenario
    show_us: int

    def __post_init__(self) -> None:
        self.rows = sku_table(self.scenario)
        self.seeded = Seeded(self.scenario.name, self.show_us)
        self.currency = self.scenario.reporting_currency
        self._check()

    @property
    def cache(self) -> Cache:
        return self.engine.executor.cache

    def _check(self) -> None:
        for listing in self.scenario.catalogue:
            if len(listing.skus) > MAX_SKUS:
                raise UsageError(f"{listing.name} has {len(listing.skus)} SKUs; the engine takes {MAX_SKUS} a product")

    async def run(self) -> None:
        await self._make_shops()
        by_listing = self._by_listing()
        # Bundles last: their parts must be there.
        for bundles in (False, True):
            chosen = [i for i, listing in enumerate(self.scenario.catalogue) if bool(listing.bundle) == bundles]
            await self._make_products(chosen, by_listing)
        self.seeded.skus = [self._sku_id(row) for row in self.rows]
        await self._make_shows()
        await self._make_deals()

    async def _make_shops(self) -> None:
        known = {shop.name: shop.id for shop in self.cache.shops.values()}
        rate = self.scenario.fees.platform
        await self._fill(
            [
                _step(create_shop, CreateShop(shop.name, self.currency, rate))
                for shop in self.scenario.shops
                if shop.name not in known
            ]
        )
        known = {shop.name: shop.id for shop in reversed(self.cache.shops.values())}  # the first of a name
        self.seeded.shops = {shop.name: known[shop.name] for shop in self.scenario.shops}

    def _by_listing(self) -> dict[int, list[SkuRow]]:
        found: dict[int, list[SkuRow]] = {}
        for row in self.rows:
            found.setdefault(row.listing, []).append(row)
        return found

    async def _make_products(self, listings: list[int], by_listing: dict[int, list[SkuRow]]) -> None:
        steps: list[Step] = []
        count = 0
        for listing in listings:
            rows = by_listing[listing]
            if self._known(rows[0]):
                continue
            steps.append(_step(create_product, self._product(listing, rows)))
            count += len(rows)
            if count >= CHUNK:
                await self._fill(steps)
                steps, count = [], 0
        await self._fill(steps)
        for listing in listings:
            name = self.scenario.catalogue[listing].name
            self.seeded.products[name] = self.cache.skus[self._sku_id(by_listing[listing][0])].product_id

    def _product(self, number: int, rows: list[SkuRow]) -> CreateProduct:
        listing = self.scenario.catalogue[number]
        bundle = bool(listing.bundle)
        skus = tuple(
            NewSku(
                row.name,
                row.price_minor,
                0 if bundle else sum(row.stock),
                tuple((self._sku_id(self.rows[part]), units) for part, units in row.components) if bundle else (),
            )
            for row in rows
        )
        shelf = rows[0].shelf
        active = not shelf or any(on_us <= 0 < off_us for on_us, off_us in shelf)
        return CreateProduct(self._shop_of(listing.shop), listing.name, listing.category, active, skus)

    async def _make_shows(self) -> None:
        programme = self.scenario.programme
        rooms = {(room.shop_id, room.title): room.id for room in self.cache.rooms.values()}
        videos = {(video.shop_id, video.title): video.id for video in self.cache.videos.values()}
        steps: list[Step] = [
            _room_step(self._shop_of(show.shop), show.name, self._bag(show))
            for show in programme.broadcasts
            if (self._shop_of(show.shop), show.name) not in rooms
        ]
        steps += [
            _step(
                create_video,
                CreateVideo(self._shop_of(video.shop), video.name, self.seeded.products[video.listing]),
            )
            for video in programme.videos
            if (self._shop_of(video.shop), video.name) not in videos
        ]
        await self._fill(steps)
        rooms = {(room.shop_id, room.title): room.id for room in self.cache.rooms.values()}
        videos = {(video.shop_id, video.title): video.id for video in self.cache.videos.values()}
        self.seeded.rooms = {show.name: rooms[self._shop_of(show.shop), show.name] for show in programme.broadcasts}
        self.seeded.videos = {video.name: videos[self._shop_of(video.shop), video.name] for video in programme.videos}

    def _bag(self, show: Broadcast) -> tuple[int, ...]:
        """What a show has in its bag: the scenario's, or what it pitches, with what it has deals for."""
        listings = {row.name: self.scenario.catalogue[row.listing].name for row in self.rows}
        names = [*(show.bag or [pitch.listing for pitch in show.pitches]), *(listings[deal.sku] for deal in show.deals)]
        return tuple(self.seeded.products[name] for name in dict.fromkeys(names))[:MAX_BAG]

    async def _make_deals(self) -> None:
        """Make the deals that are not there; those of one SKU and room are told apart by their order in time."""
        wanted = deal_table(self.scenario)
        shows = self.scenario.programme.broadcasts
        places = [(self.seeded.skus[row.sku], self.seeded.rooms[shows[row.broadcast].name]) for row in wanted]
        order = sorted(range(len(wanted)), key=lambda i: (wanted[i].open_us, i))
        known = self._deals_by_place()
        if known and (first := next((i for i in order if known.get(places[i])), None)) is not None:
            begin_us = known[places[first]][0].begin_us
            self.show_us = self.seeded.show_us = begin_us - self._faster(wanted[first].open_us)
        seen: dict[tuple[int, int], int] = {}
        steps = []
        for i in order:
            seen[places[i]] = nth = seen.get(places[i], 0) + 1
            if nth > len(known.get(places[i], ())):
                row = wanted[i]
                begin_us, end_us = (self.show_us + self._faster(at_us) for at_us in (row.open_us, row.close_us))
                steps.append(_deal_step(places[i], row.price_minor, row.deal, begin_us, max(end_us, begin_us + 1)))
        await self._fill(steps)
        left = {place: iter(deals) for place, deals in self._deals_by_place().items()}
        ids = {i: next(left[places[i]]).id for i in order}
        self.seeded.deals = [ids[i] for i in range(len(wanted))]

    def _deals_by_place(self) -> dict[tuple[int, int], list[Deal]]:
        found: dict[tuple[int, int], list[Deal]] = {}
        for deal in sorted(self.cache.deals.values(), key=lambda deal: (deal.begin_us, deal.id)):
            found.setdefault((deal.sku_id, deal.room_id), []).append(deal)
        return found

    async def _fill(self, steps: list[Step]) -> None:
        """Run steps in one transaction. Raises UsageError where that cannot be stored."""
        if not steps:
            return
        reply = await self.engine.writer.submit(Call(Fill(tuple(steps)), views.nothing))
        if reply.status != _OK:
            raise UsageError(f"{self.scenario.name} could not be put into the store: {reply.body.decode()}")
        self.seeded.made += len(steps)

    def _shop_of(self, name: str) -> int:
        return self.seeded.shops[name or self.scenario.shops[0].name]

    def _known(self, row: SkuRow) -> bool:
        return self._place(row) in self.cache.named

    def _sku_id(self, row: SkuRow) -> int:
        return self.cache.named[self._place(row)]

    def _place(self, row: SkuRow) -> tuple[int, str]:
        return self._shop_of(self.scenario.catalogue[row.listing].shop), row.name

    def _faster(self, duration_us: int) -> int:
        return round(duration_us / self.engine.speed)


def _step(create: Handler, command: Any) -> Step:
    def make(group: Group, now_us: int) -> None:
        (made, *_) = create(group, command, now_us)
        if isinstance(made, Refused):
            raise LiveRushError(f"{command}: {made.detail}")

    return make


def _room_step(shop_id: int, title: str, bag: tuple[int, ...]) -> Step:
    def make(group: Group, _now_us: int) -> None:
        room = Room(group.next_id(), shop_id, title, RoomStatus.LIVE, written_bag(bag))
        group.rooms[room.id] = room

    return make


def _deal_step(place: tuple[int, int], price_minor: int, deal: FlashDeal, begin_us: int, end_us: int) -> Step:
    sku_id, room_id = place

    def make(group: Group, _now_us: int) -> None:
        made = Deal(group.next_id(), sku_id, price_minor, deal.units, deal.per_buyer, begin_us, end_us, room_id)
        group.deals[made.id] = made

    return make
