"""Reading a foreign target's orders, stock and payments from its database: SQLite or PostgreSQL, read-only.

Each query names its columns as the records of `books` do: `orders` (id; optionally cart, total_minor, buyer, deal,
deal_units, and the flags paid, confirmed, cancelled), `lines` (order_id, sku, quantity; sku is the offer's name),
`stock` (sku; left, put_in) and `payments` (id, order_id, amount_minor; refunded_minor). `{run}` in a query becomes the
run's id.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from loadtests.audit.books import SeenOrder, SeenPayment, SeenStock
from loadtests.records import Ack
from loadtests.schedule import Offer
from sim.errors import UsageError

KINDS = ("orders", "lines", "stock", "payments")
_FLAGS = {"paid": Ack.PAID, "confirmed": Ack.CONFIRMED, "cancelled": Ack.CANCELLED}
_NEEDED = {
    "orders": {"id"},
    "lines": {"order_id", "sku", "quantity"},
    "stock": {"sku"},
    "payments": {"id", "order_id", "amount_minor"},
}
_LONGEST_S = 60.0

Row = dict[str, Any]


class SqlBooks:
    """What the queries of a target found; each is None where the target has no such query."""

    def __init__(self, url: str, queries: Mapping[str, str], offers: Sequence[Offer], run: str) -> None:
        strange = sorted(set(queries) - set(KINDS))
        if strange:
            raise UsageError(f"audit_queries: {strange[0]!r} is none of {', '.join(KINDS)}")
        asked = {kind: query.replace("{run}", run) for kind, query in queries.items()}
        rows = _rows(url, asked)
        numbers = {offer.name: number for number, offer in enumerate(offers)}
        try:
            self.orders = _orders(rows["orders"], rows.get("lines"), numbers) if "orders" in rows else None
            self.stock = _stock(rows["stock"], numbers) if "stock" in rows else None
            self.payments = [_payment(row) for row in rows["payments"]] if "payments" in rows else None
        except (TypeError, ValueError) as error:
            raise UsageError(f"audit_queries: a column holds what it should not: {error}") from error


def _orders(rows: list[Row], lines: list[Row] | None, numbers: Mapping[str, int]) -> list[SeenOrder]:
    lines_of: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for line in lines or ():
        if line["sku"] in numbers:
            lines_of[str(line["order_id"])].append((numbers[line["sku"]], int(line["quantity"])))
    found = []
    for row in rows:
        order_id = str(row["id"])
        facts = {Ack.PLACED} | {fact for flag, fact in _FLAGS.items() if row.get(flag)}
        cart, total = row.get("cart"), row.get("total_minor")
        deal = row.get("deal")
        found.append(
            SeenOrder(
                order_id,
                frozenset(facts),
                None if cart is None else int(cart),
                None if lines is None else tuple(lines_of[order_id]),
                None if total is None else int(total),
                str(row.get("buyer") or ""),
                -1 if deal is None else int(deal),
                int(row.get("deal_units") or 0),
            )
        )
    return found


def _stock(rows: list[Row], numbers: Mapping[str, int]) -> list[SeenStock]:
    """What is left of the offers; a shop may have other articles too."""
    own = (row for row in rows if row["sku"] in numbers)
    return [SeenStock(numbers[row["sku"]], row.get("left"), row.get("put_in")) for row in own]


def _payment(row: Row) -> SeenPayment:
    refunded = int(row.get("refunded_minor") or 0)
    return SeenPayment(str(row["id"]), str(row["order_id"]), int(row["amount_minor"]), refunded)


def _checked(kind: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Row]:
    missing = sorted(_NEEDED[kind] - set(columns))
    if missing:
        raise UsageError(f"audit_queries: the query of {kind} has no column {missing[0]}")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _rows(url: str, queries: Mapping[str, str]) -> dict[str, list[Row]]:
    """Run the queries. Raises UsageError, which never tells the URL: it may hold a password."""
    scheme = urlsplit(url).scheme
    if scheme in ("postgres", "postgresql"):
        return asyncio.run(_from_postgres(url, queries))
    if scheme == "sqlite":
        return _from_sqlite(Path(url.removeprefix("sqlite://")), queries)
    raise UsageError("--audit-sql: write sqlite:///path/to/file or postgresql://user@host/name")


def _from_sqlite(path: Path, queries: Mapping[str, str]) -> dict[str, list[Row]]:
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_LONGEST_S)
        try:
            connection.execute("BEGIN")  # all queries see one state
            found = {}
            for kind, query in queries.items():
                cursor = connection.execute(query)
                found[kind] = _checked(kind, [column[0] for column in cursor.description], cursor.fetchall())
            return found
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise UsageError(f"--audit-sql: {path}: {error}") from error


async def _from_postgres(url: str, queries: Mapping[str, str]) -> dict[str, list[Row]]:
    try:
        import asyncpg
    except ModuleNotFoundError as error:
        raise UsageError("asyncpg is missing; install 'liverush[postgres]'") from error
    try:
        connection = await asyncpg.connect(url, timeout=_LONGEST_S, command_timeout=_LONGEST_S)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                found = {}
                for kind, query in queries.items():
                    prepared = await connection.prepare(query)
                    columns = [column.name for column in prepared.get_attributes()]
                    found[kind] = _checked(kind, columns, [tuple(row) for row in await prepared.fetch()])
                return found
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UsageError(f"--audit-sql: {type(error).__name__}: {error}") from error
