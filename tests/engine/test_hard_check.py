"""The check of the hard load finds what an engine might have done wrong, much of which the tables would not show."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.engine.databases import SqliteDatabase
from tests.engine.scene import Scene

PLANTED = {
    "nothing": [],
    "an acknowledged order is gone": [
        *(f"DELETE FROM {table} WHERE order_id = {{order}}" for table in ("events", "order_lines")),
        "DELETE FROM orders WHERE id = {order}",
        "UPDATE stocks SET held = held - 1 WHERE sku_id = {sku}",
    ],
    "a key is forgotten": ["DELETE FROM idempotency WHERE location = '/v1/orders/{order}'"],
    "an answer is changed": ["UPDATE idempotency SET status = 200 WHERE location = '/v1/orders/{order}'"],
    "a cancellation is set back": ["UPDATE cancellations SET status = 1, decided_us = 0 WHERE order_id = {other}"],
    "a restock is gone": [
        "UPDATE stocks SET on_hand = on_hand - 1 WHERE sku_id = {sku}",
        "DELETE FROM stock_moves WHERE sku_id = {sku} AND kind = 'received'",
    ],
}


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_found(sqlite_database: SqliteDatabase, tmp_path: Path, planted: str) -> None:
    async def main() -> None:
        scene = Scene(sqlite_database, tmp_path, "last unit", 1)
        await scene.open()
        sku = scene.load.sku()
        order, other = await scene.load.place((sku, 1)), await scene.load.place((sku, 1))
        await scene.load.cancel(other)
        await scene.load.restock(sku, 1)
        await scene.it.close()
        for statement in PLANTED[planted]:
            await sqlite_database.run(statement.format(order=order["id"], other=other["id"], sku=sku))
        await scene.open()
        try:
            if planted == "nothing":
                await scene.check()
            else:
                with pytest.raises(AssertionError):
                    await scene.check()
        finally:
            await scene.it.close()

    asyncio.run(main())
