"""Reading the catalogue from committed rows: things of one table, with what their views show besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sim.engine.catalogue.goods import MAX_SKUS
from sim.engine.reading import columns
from sim.engine.stores.store import Store
from sim.engine.stores.tables import TABLES, record
from sim.orders.entities import Deal, Part, RoomStatus, Sku
from sim.orders.stock import Stock


@dataclass(slots=True)
class Shelf:
    """What views of the catalogue look up: SKUs and what they are made of."""

    skus: dict[int, Sku] = field(default_factory=dict)
    parts: dict[int, list[Part]] = field(default_factory=dict)


_PARTS = "JOIN sku_parts x ON x.sku_id = s.id"
#: Per table: joins to the chosen rows `c`, and the joined tables as (table, alias).
_WITH: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "products": (
        # The range says nothing new (see `goods.MAX_SKUS`), but makes it a search by key.
        f"JOIN skus s ON s.id > c.id AND s.id <= c.id + {MAX_SKUS} AND s.product_id = c.id {_PARTS}",
        (("skus", "s"), ("sku_parts", "x")),
    ),
    "skus": ("JOIN sku_parts x ON x.sku_id = c.id", (("sku_parts", "x"),)),
    "deals": ("JOIN skus s ON s.id = c.sku_id", (("skus", "s"),)),
}


async def read_records(
    store: Store, table: str, given: dict[str, Any], after: int = 0, limit: int = 1
) -> tuple[list[Any], Shelf]:
    """Rows of a table by id, those behind `after` whose columns are as `given`, and what belongs to them."""
    where = " AND ".join(["id > ?", *(f"{column} = ?" for column in given)])
    chosen = f"SELECT {', '.join(TABLES[table].columns)} FROM {table} WHERE {where} ORDER BY id LIMIT ?"
    joins, others = _WITH.get(table, ("", ()))
    shown = ", ".join([columns(table, "c"), *(columns(name, alias) for name, alias in others)])
    order = ", ".join(["c.id", *(f"{alias}.{key}" for name, alias in others for key in TABLES[name].key)])
    rows = await store.select(
        f"SELECT {shown} FROM ({chosen}) c {joins} ORDER BY {order}", (after, *given.values(), limit)
    )
    shelf = Shelf()
    found: dict[int, Any] = {}
    width = len(TABLES[table].columns)
    for row in rows:
        if row[0] not in found:
            found[row[0]] = record(table, tuple(row[:width]))
        start = width
        for name, _alias in others:
            end = start + len(TABLES[name].columns)
            _put(shelf, record(name, tuple(row[start:end])))
            start = end
    return list(found.values()), shelf


def _put(shelf: Shelf, found: Sku | Part) -> None:
    if isinstance(found, Sku):
        shelf.skus[found.id] = found
    else:
        shelf.parts.setdefault(found.sku_id, []).append(found)


async def read_stock(store: Store, sku_id: int) -> Stock | None:
    """The stock of a SKU, None for a bundle or nothing at all."""
    query = f"SELECT {columns('stocks', 'k')} FROM stocks k WHERE k.sku_id = ?"
    rows = await store.select(query, (sku_id,))
    return record("stocks", tuple(rows[0])) if rows else None


@dataclass(slots=True)
class Offer:
    """A SKU as it can be bought now."""

    sku: Sku
    on_shelf: bool
    available: int  # units that its stock, or that of its parts, would make


_OFFERS = (
    f"SELECT {columns('skus', 's')}, p.active, x.units, k.on_hand - k.held - k.committed - k.releasing "
    "FROM skus s JOIN products p ON p.id = s.product_id JOIN sku_parts x ON x.sku_id = s.id "
    "JOIN stocks k ON k.sku_id = x.part_id WHERE s.id IN ({marks})"
)


async def read_offers(store: Store, sku_ids: list[int]) -> dict[int, Offer]:
    """What SKUs cost and how many there are, for those that exist."""
    width = len(TABLES["skus"].columns)
    found: dict[int, Offer] = {}
    for row in await store.select(_OFFERS.format(marks=", ".join("?" * len(sku_ids))), sku_ids):
        on_shelf, units, available = row[width:]
        known = found.get(row[0])
        makes = int(available) // int(units)
        if known is None:
            found[row[0]] = Offer(record("skus", tuple(row[:width])), bool(on_shelf), makes)
        else:
            known.available = min(known.available, makes)
    return found


_DEAL = (
    f"SELECT {columns('deals', 'd')}, COALESCE(r.status, 0) FROM deals d LEFT JOIN rooms r ON r.id = d.room_id "
    "WHERE d.id = ?"
)


async def read_deal(store: Store, deal_id: int) -> tuple[Deal, bool] | None:
    """A flash sale, and whether its live room, if it has one, is live; None where there is none."""
    rows = await store.select(_DEAL, (deal_id,))
    if not rows:
        return None
    *values, status = rows[0]
    return record("deals", tuple(values)), status == RoomStatus.LIVE
