"""The yardstick of the engine's writing: a straight-line script that writes the same rows with `executemany`.

It decides nothing and checks nothing: it takes every cart as an order, in one transaction a group, as durable as the
engine's own and with the same settings of the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import asyncpg

from sim.engine.executor import IDS_PER_US
from sim.engine.resources import instant
from sim.engine.stores.sqlite import LOG_PAGES
from sim.engine.stores.sqlite_keys import KeyPlaces
from sim.engine.stores.tables import TABLES
from sim.orders.rules import Rules
from tests.bench.engine_carts import CURRENCY, ON_HAND, PRICE_MINOR, SHOP, Cart

Rows = dict[str, list[tuple[Any, ...]]]

WRITTEN = ("stocks", "orders", "order_lines", "events", "idempotency")
_PAY_WINDOW_US = Rules().pay_window_us


class Maker:
    """Makes the rows of a group of carts, all of them orders."""

    def __init__(self) -> None:
        self.last_id = 0
        self.last_seq = 0
        self.held: dict[int, tuple[int, int]] = {}  # units and version of each SKU's stock

    def rows(self, carts: Sequence[Cart], now_us: int) -> Rows:
        """The rows that a group of carts becomes at an instant."""
        order_id, seq = max(self.last_id, now_us * IDS_PER_US), self.last_seq
        pay_by_us = now_us + _PAY_WINDOW_US
        created, pay_by = instant(now_us), instant(pay_by_us)
        orders, lines, events, keys = [], [], [], []
        changed = {}
        for key, fingerprint, buyer_id, sku_id, quantity, address in carts:
            order_id += 1
            seq += 1
            total = PRICE_MINOR * quantity
            held, version = self.held.get(sku_id, (0, 1))
            self.held[sku_id] = changed[sku_id] = (held + quantity, version + 1)
            head = (order_id, buyer_id, 1, 0, CURRENCY, total, 0, 0, now_us, pay_by_us)
            orders.append((*head, 0, 0, 0, 0, pay_by_us, 1, 0, 0, 0, 0, 0, "", address, 0))
            lines.append((order_id, 1, sku_id, SHOP, quantity, PRICE_MINOR, 0, 1, 0, 0))
            events.append(
                (seq, order_id, 1, "order.placed", now_us, 0, 1, f'{{"amount":"{total}","currency":"{CURRENCY}"}}')
            )
            body = (
                f'{{"id":"{order_id}","status":"UNPAID","total":{{"amount":"{total}","currency":"{CURRENCY}"}},'
                f'"created_at":"{created}","pay_by":"{pay_by}","version":1}}'
            )
            keys.append((key, fingerprint, 201, body.encode(), f"/v1/orders/{order_id}", now_us, 0))
        self.last_id, self.last_seq = order_id, seq
        stocks = [(sku_id, ON_HAND, held, 0, 0, version) for sku_id, (held, version) in changed.items()]
        return dict(zip(WRITTEN, (stocks, orders, lines, events, keys), strict=True))


class SqliteScript:
    """Writes groups into a database file that has the engine's tables."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA cache_size = -65536")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        assert self._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        self._connection.execute("PRAGMA temp_store = MEMORY")
        KeyPlaces(self._connection)  # no key twice, as in the engine

    async def write(self, rows: Rows) -> None:
        """Store a group durably."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        (last,) = connection.execute("SELECT COALESCE(MAX(place), 0) FROM idempotency").fetchone()
        for name, values in rows.items():
            connection.executemany(_SQLITE[name], values)
        connection.execute("INSERT INTO key_places SELECT key, place FROM idempotency WHERE place > ?", (last,))
        connection.execute("COMMIT")

    async def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


class PostgresScript:
    """Writes groups into a database that has the engine's tables."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def write(self, rows: Rows) -> None:
        """Store a group durably."""
        if self._connection is None:
            self._connection = await asyncpg.connect(self._url, server_settings={"jit": "off"})
        async with self._connection.transaction():
            for name, values in rows.items():
                await self._connection.executemany(_POSTGRES[name], values)

    async def close(self) -> None:
        """Let go of the database."""
        if self._connection is not None:
            await self._connection.close()


def _statement(name: str, marks: Sequence[str]) -> str:
    table = TABLES[name]
    insert = f"INSERT INTO {name} ({', '.join(table.columns)}) VALUES ({', '.join(marks)})"
    if name != "stocks":
        return insert
    changed = [f"{column} = excluded.{column}" for column in table.columns[1:]]
    return f"{insert} ON CONFLICT (sku_id) DO UPDATE SET {', '.join(changed)}"


_SQLITE = {name: _statement(name, ["?" for _ in TABLES[name].columns]) for name in WRITTEN}
_POSTGRES = {name: _statement(name, [f"${k}" for k, _ in enumerate(TABLES[name].columns, 1)]) for name in WRITTEN}
