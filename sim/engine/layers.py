"""A world laid over the store for one group of commands: what they change stays on top until it is durable.

Small tables live in memory (`Cache`); orders, idempotency keys and the like are fetched for the group. If the group
cannot be stored, the layer is dropped and nothing has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Any, Generic, TypeVar

from msgspec.structs import astuple

from sim.engine import feed
from sim.engine.seen import SeenKeys
from sim.engine.stores.tables import TABLES, Changes, EndpointRow, IdempotencyRow, ProviderEventRow, record, rows_of
from sim.orders.entities import Case, Deal, Part, Product, Room, Shop, Sku, Video
from sim.orders.rules import Rules
from sim.orders.stock import Stock
from sim.orders.world import World

K = TypeVar("K")
V = TypeVar("V")


class Layer(dict[K, V], MutableMapping[K, V], Generic[K, V]):
    """A mapping over another: reads fall through to `base`, writes stay here."""

    __slots__ = ("__missing__", "base")  # what a dict asks for keys that it does not have: here the base, at once

    def __init__(self, base: Mapping[K, V]) -> None:
        super().__init__()
        self.base = base
        self.__missing__ = base.__getitem__

    def get(self, key: K, default: Any = None) -> Any:
        """The value of a key, from here or from below."""
        found = dict.get(self, key)
        return self.base.get(key, default) if found is None else found

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or key in self.base

    def everywhere(self) -> Iterator[V]:
        """All values, those here instead of those that they replace."""
        yield from self.values()
        yield from (value for key, value in self.base.items() if not dict.__contains__(self, key))


@dataclass
class Cache:
    """The small tables, whole. Only the writer changes them, and only once a group is durable."""

    shops: dict[int, Shop] = field(default_factory=dict)
    products: dict[int, Product] = field(default_factory=dict)
    skus: dict[int, Sku] = field(default_factory=dict)
    parts: dict[int, tuple[Part, ...]] = field(default_factory=dict)
    stocks: dict[int, Stock] = field(default_factory=dict)
    rooms: dict[int, Room] = field(default_factory=dict)
    videos: dict[int, Video] = field(default_factory=dict)
    deals: dict[int, Deal] = field(default_factory=dict)
    endpoints: dict[int, EndpointRow] = field(default_factory=dict)
    named: dict[tuple[int, str], int] = field(default_factory=dict)  # SKU ids by shop and seller's name: an index
    seen: SeenKeys = field(default_factory=SeenKeys, compare=False)
    last_id: int = 0
    last_seq: int = 0


#: Cached tables, but for parts, that only commands of the catalogue change.
CATALOGUE = ("shops", "products", "skus", "rooms", "videos", "endpoints")
#: Cached tables of SKUs; they hold nothing but numbers and words.
OF_SKUS = ("skus", "sku_parts", "stocks")
#: Cached tables whose records stand under their id.
BY_ID = (*CATALOGUE, "deals")


@dataclass
class Fetched:
    """What of the big tables the commands of a group need."""

    cases: dict[int, Case] = field(default_factory=dict)
    deal_buyers: dict[tuple[int, str], Any] = field(default_factory=dict)
    idempotency: dict[bytes, IdempotencyRow] = field(default_factory=dict)
    provider_events: dict[str, ProviderEventRow] = field(default_factory=dict)


class Group(World):
    """The world as the commands of one group see and change it."""

    def __init__(self, cache: Cache, fetched: Fetched, rules: Rules, *, catalogue: bool = True) -> None:
        # Orders never change the catalogue: groups without a command that may (nearly all) read the cache itself.
        over: Callable[[dict[int, Any]], Any] = Layer if catalogue else _same
        super().__init__(
            rules=rules,
            shops=over(cache.shops),
            products=over(cache.products),
            skus=over(cache.skus),
            parts=over(cache.parts),
            rooms=over(cache.rooms),
            stocks=Layer(cache.stocks),
            deals=Layer(cache.deals),
            deal_buyers=Layer(fetched.deal_buyers),
            cases=Layer(fetched.cases),
            last_id=cache.last_id,
        )
        self.videos: MutableMapping[int, Video] = over(cache.videos)
        self.endpoints: MutableMapping[int, EndpointRow] = over(cache.endpoints)
        self.named: MutableMapping[tuple[int, str], int] = Layer(cache.named)
        self._catalogue = catalogue
        self._stored = fetched.idempotency
        self.idempotency = {**fetched.idempotency}  # with the answers of this group
        self.provider_events: Layer[str, ProviderEventRow] = Layer(fetched.provider_events)
        self.deliveries: list[Any] = []
        self.events: list[feed.Row] = []
        self.last_seq = cache.last_seq

    def changes(self) -> Changes:
        """Every row that the group has made or replaced."""
        made: dict[str, Collection[Any]] = {name: getattr(self, name).values() for name in self._layered()}
        if self._catalogue:
            made["sku_parts"] = [*chain.from_iterable(self.parts.values())]
        made["deal_buyers"] = self.deal_buyers.values()
        made["provider_events"] = self.provider_events.values()
        made["idempotency"] = self._answers()
        made["transfers"], made["stock_moves"], made["deliveries"] = self.transfers, self.moves, self.deliveries
        if self.cases:
            made |= self._of_cases()
        changes = {name: rows_of(records) for name, records in made.items() if records}
        if self.events:
            changes["events"] = [*self.events]
        return changes

    def fresh(self) -> list[str]:
        """The tables that hold none of the group's rows yet: nearly every group has only new orders."""
        assert isinstance(self.cases, Layer)
        tables = [] if self.cases.base else ["orders", *CHILDREN]
        return tables if self._stored else [*tables, "idempotency"]

    def keep(self, cache: Cache) -> None:
        """Take the group's changes of the small tables into the cache, once they are durable."""
        for name in (*self._layered(), *(("parts", "named") if self._catalogue else ())):
            getattr(cache, name).update(getattr(self, name))
        cache.last_id = self.last_id
        cache.last_seq = self.last_seq

    def _answers(self) -> Collection[IdempotencyRow]:
        """The answers that this group has given."""
        stored, answers = self._stored, self.idempotency.values()
        return [answer for answer in answers if stored.get(answer.key) is not answer] if stored else answers

    def _layered(self) -> tuple[str, ...]:
        """The small tables that this group may have changed."""
        return (*CATALOGUE, "stocks", "deals") if self._catalogue else ("stocks", "deals")

    def _of_cases(self) -> dict[str, Collection[Any]]:
        """The orders, and what hangs on them and is new or another."""
        cases = self.cases
        assert isinstance(cases, Layer)
        orders, *parts = zip(*map(astuple, cases.values()), strict=True)
        made: dict[str, Collection[Any]] = {"orders": orders}
        for name, of_orders in zip(CHILDREN, parts, strict=True):
            if any(of_orders):
                found = _changed(cases, name, of_orders) if cases.base else chain.from_iterable(of_orders)
                made[name] = tuple(found)
        return made


def _changed(cases: Layer[int, Case], name: str, of_orders: Iterable[tuple[Any, ...]]) -> Iterable[Any]:
    """What is new or another in one part of each order, given that part of all of them."""
    before = cases.base
    part_of = attrgetter(CHILDREN[name])
    for order_id, records in zip(cases, of_orders, strict=True):
        # Records are replaced, never changed: what is the same object is as it was, and asking that is quick.
        earlier = {*map(id, part_of(before[order_id]))} if order_id in before else ()
        yield from (entity for entity in records if id(entity) not in earlier)


def _same(base: dict[int, Any]) -> dict[int, Any]:
    return base


#: Tables of what hangs on an order, and where `Case` has it, in its order.
CHILDREN = {
    "order_lines": "lines",
    "payments": "payments",
    "refunds": "refunds",
    "packages": "packages",
    "cancellations": "cancellations",
    "returns": "returns",
}


def load_cache(rows: Mapping[str, list[tuple[Any, ...]]], last_id: int, last_seq: int) -> Cache:
    """The cache made of the rows of all cached tables."""
    cache = Cache(last_id=last_id, last_seq=last_seq)
    # Ids, prices and currencies of SKUs that are equal become one object: the processor has less to fetch.
    one: dict[Any, Any] = {}
    rows = {
        **rows,
        **{
            name: [tuple([one.setdefault(value, value) for value in values]) for values in rows[name]]
            for name in OF_SKUS
        },
    }
    for name in BY_ID:
        getattr(cache, name).update((values[0], record(name, values)) for values in rows[name])
    cache.named.update(((sku.shop_id, sku.seller_sku), sku.id) for sku in cache.skus.values())
    cache.stocks.update((values[0], record("stocks", values)) for values in rows["stocks"])
    for values in rows["sku_parts"]:
        part = record("sku_parts", values)
        cache.parts[part.sku_id] = (*cache.parts.get(part.sku_id, ()), part)
    return cache


CACHED = tuple(name for name, table in TABLES.items() if table.cached)
