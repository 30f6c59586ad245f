"""Reading the catalogue from committed rows: things of one table, with what their views show besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sim.engine.catalogue.goods import MAX_SKUS
from sim.engine.paging import ROW_CHARACTERS, fitting, marks
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


#: The SKUs of a product `c`. The range says nothing new (see `goods.MAX_SKUS`), but makes it a search by key.
_OF_PRODUCT = f"s.id > c.id AND s.id <= c.id + {MAX_SKUS} AND s.product_id = c.id"
_PARTS = "JOIN sku_parts x ON x.sku_id = s.id"
#: Per table: joins to the chosen rows `c`, and the joined tables as (table, alias).
_WITH: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "products": (f"JOIN skus s ON {_OF_PRODUCT} {_PARTS}", (("skus", "s"), ("sku_parts", "x"))),
    "skus": ("JOIN sku_parts x ON x.sku_id = c.id", (("sku_parts", "x"),)),
    "deals": ("JOIN skus s ON s.id = c.sku_id", (("skus", "s"),)),
}
#: What a row `c` and what is read with it take on a page, where that may be more than a row's.
_CHARACTERS = {
    "products": f"{ROW_CHARACTERS} * (SELECT COUNT(*) FROM skus s {_PARTS} WHERE {_OF_PRODUCT})",
    "skus": f"{ROW_CHARACTERS} * (SELECT COUNT(*) FROM sku_parts x WHERE x.sku_id = c.id)",
    "rooms": f"{ROW_CHARACTERS} + LENGTH(c.bag)",
    "endpoints": f"{ROW_CHARACTERS} + LENGTH(c.url)",
}


async def read_record(store: Store, table: str, found_id: int) -> tuple[Any, Shelf]:
    """A row of a table, None where there is none, and what belongs to it."""
    found, shelf = await _read_records(store, table, [found_id])
    return found[0] if found else None, shelf


async def read_records(
    store: Store, table: str, given: dict[str, Any], after: int, limit: int
) -> tuple[list[Any], Shelf, int]:
    """Rows of a table by id, those behind `after` whose columns are as `given`, and what belongs to them.

    They are `limit` at most, and no more than a page takes. Beside them the id behind which there are others, 0: none.
    """
    where = " AND ".join(["id > ?", *(f"{column} = ?" for column in given)])
    query = f"SELECT id FROM {table} WHERE {where} ORDER BY id LIMIT ?"
    ids = [row[0] for row in await store.select(query, (after, *given.values(), limit + 1))]
    chosen = ids[:limit]
    if table in _CHARACTERS:
        chosen = await fitting(store, table, _CHARACTERS[table], chosen)
    found, shelf = await _read_records(store, table, chosen)
    return found, shelf, chosen[-1] if len(chosen) < len(ids) else 0


async def _read_records(store: Store, table: str, ids: list[int]) -> tuple[list[Any], Shelf]:
    shelf = Shelf()
    found: dict[int, Any] = {}
    if not ids:
        return [], shelf
    joins, others = _WITH.get(table, ("", ()))
    shown = ", ".join([columns(table, "c"), *(columns(name, alias) for name, alias in others)])
    order = ", ".join(["c.id", *(f"{alias}.{key}" for name, alias in others for key in TABLES[name].key)])
    query = f"SELECT {shown} FROM {table} c {joins} WHERE c.id IN ({marks(ids)}) ORDER BY {order}"
    width = len(TABLES[table].columns)
    for row in await store.select(query, ids):
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
    for row in await store.select(_OFFERS.format(marks=marks(sku_ids)), sku_ids):
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
