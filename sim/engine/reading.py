"""Reading orders and what hangs on them from committed rows, each in one statement, so that it fits together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sim.engine.paging import ROW_CHARACTERS, fitting, marks
from sim.engine.stores.store import Rows, Store
from sim.engine.stores.tables import TABLES, EventRow, record
from sim.orders.entities import Case

_ORDER = TABLES["orders"].columns
_WIDTH = len(_ORDER)


def columns(table: str, alias: str) -> str:
    """A table's columns for a SELECT."""
    return ", ".join(f"{alias}.{column}" for column in TABLES[table].columns)


# An address may be as long as a request: it is read once, not with each line.
_SHOWN = ", ".join(
    "CASE WHEN l.line_no = 1 THEN o.address ELSE '' END" if column == "address" else f"o.{column}" for column in _ORDER
)
_CASES = (
    f"SELECT {_SHOWN}, {columns('order_lines', 'l')} FROM orders o JOIN order_lines l ON l.order_id = o.id "
    "WHERE o.id IN ({marks}) ORDER BY o.id, l.line_no"
)
_CHARACTERS = f"LENGTH(c.address) + {ROW_CHARACTERS} * (SELECT COUNT(*) FROM order_lines l WHERE l.order_id = c.id)"
#: Orders of few events are looked up; of more, each order is asked, so that a page ends when it is full.
_FEW_EVENTS = 50_000
_CHANGED_LATELY = "id IN (SELECT order_id FROM events WHERE seq >= ?)"
_CHANGED = "EXISTS (SELECT 1 FROM events WHERE order_id = orders.id AND seq >= ?)"


async def read_case(store: Store, order_id: int) -> Case | None:
    """An order with its lines, None where there is none."""
    cases = await _read_cases(store, [order_id])
    return cases[0] if cases else None


async def read_cases(
    store: Store, after: int, limit: int, *, state: int = 0, buyer_id: str = "", since_us: int | None
) -> tuple[list[Case], int]:
    """Orders with their lines by id: those behind `after`, in a state, of a buyer, changed since an instant.

    They are `limit` at most, and no more than a page takes. Beside them the id behind which there are others, 0: none.
    """
    where, values = ["id > ?"], [after]
    given: list[Any] = values
    if state:
        where.append("state = ?")
        given.append(state)
    if buyer_id:
        where.append("buyer_id = ?")
        given.append(buyer_id)
    if since_us is not None:
        first, last = await first_seq_since(store, since_us)
        where.append(_CHANGED_LATELY if last - first < _FEW_EVENTS else _CHANGED)
        given.append(first)
    read = store.select if len(where) == 1 else store.scan
    rows = await read(f"SELECT id FROM orders WHERE {' AND '.join(where)} ORDER BY id LIMIT ?", (*given, limit + 1))
    chosen = await fitting(store, "orders", _CHARACTERS, [row[0] for row in rows[:limit]])
    cases = await _read_cases(store, chosen)
    # One that has gone on since it was found is in that state no more.
    cases = [case for case in cases if state in (0, case.order.state)]
    return cases, chosen[-1] if len(chosen) < len(rows) else 0


async def _read_cases(store: Store, order_ids: list[int]) -> list[Case]:
    return _cases(await store.select(_CASES.format(marks=marks(order_ids)), order_ids)) if order_ids else []


def _cases(rows: Rows) -> list[Case]:
    found: dict[int, tuple[Any, list[Any]]] = {}
    for row in rows:
        known = found.get(row[0])
        if known is None:
            known = found[row[0]] = (record("orders", tuple(row[:_WIDTH])), [])
        known[1].append(record("order_lines", tuple(row[_WIDTH:])))
    return [Case(order, tuple(lines)) for order, lines in found.values()]


async def first_seq_since(store: Store, at_us: int) -> tuple[int, int]:
    """The numbers of the first event later than an instant, and of the last; they go with time."""
    ((last,),) = await store.select("SELECT COALESCE(MAX(seq), 0) FROM events")
    low, high = 1, int(last) + 1
    while low < high:
        middle = (low + high) // 2
        rows = await store.select("SELECT at_us FROM events WHERE seq >= ? ORDER BY seq LIMIT 1", (middle,))
        if rows and rows[0][0] > at_us:
            high = middle
        else:
            low = middle + 1
    return low, int(last)


#: What some show of their order: (an expression, the join it needs). No more is read: an address can be long.
_OF_ORDER = {
    "packages": ("l.line_no", "LEFT JOIN order_lines l ON l.order_id = p.order_id AND l.package_id = p.id"),
    "cancellations": ("o.state", "JOIN orders o ON o.id = p.order_id"),
}


async def read_parts(store: Store, table: str, key: str, value: int) -> list[tuple[Any, list[int]]]:
    """What hangs on orders, found by its own `id` or by its `order_id`, the oldest first.

    With it comes what it shows of its order as it is then: of a parcel its lines' numbers, of a cancellation the state.
    """
    width = len(TABLES[table].columns)
    shown, join = _OF_ORDER.get(table, ("NULL", ""))
    query = f"SELECT {columns(table, 'p')}, {shown} FROM {table} p {join} WHERE p.{key} = ? ORDER BY p.id, {width + 1}"
    found: dict[int, tuple[Any, list[int]]] = {}
    for row in await store.select(query, (value,)):
        _, beside = found.setdefault(row[0], (record(table, tuple(row[:width])), []))
        if row[width] is not None:
            beside.append(row[width])
    return list(found.values())


async def order_exists(store: Store, order_id: int) -> bool:
    """Whether there is an order of that id."""
    return bool(await store.select("SELECT 1 FROM orders WHERE id = ?", (order_id,)))


async def read_events(store: Store, where: str, values: Sequence[Any], order: str, limit: int) -> list[EventRow]:
    """Events; `where` and `order` are ours, never a caller's."""
    query = f"SELECT {columns('events', 'e')} FROM events e WHERE {where} ORDER BY {order} LIMIT ?"
    return [record("events", tuple(row)) for row in await store.select(query, (*values, limit))]


def joined(bodies: Iterable[bytes]) -> bytes:
    """JSON texts as a JSON array."""
    return b"[" + b",".join(bodies) + b"]"


PartView = Callable[[Any, list[int]], Any]
