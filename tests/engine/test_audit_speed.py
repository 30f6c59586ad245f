"""How long the audit of a great many orders takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from sim.engine import views
from sim.engine.audit.run import audit
from sim.engine.calls import Call, Reply
from sim.engine.stores.store import Store
from sim.orders.commands import (
    Capture,
    Confirm,
    CreatePackage,
    PlaceOrder,
    RequestCancellation,
    ShipPackage,
    StartPayment,
    TrackPackage,
    Wanted,
)
from sim.orders.entities import PackageStatus
from sim.orders.stock import Stock
from tests.engine.databases import Database
from tests.engine.shop import Desk
from tests.engine.soak import write_result
from tests.orders.shop import LAMP, MUG, RUG, SET, catalogue

ORDERS, GROUP = 200_000, 250


async def lives(desk: Desk, group: int) -> None:
    """Let a group of orders live: one in ten is never paid, one in 25 cancelled, the others are delivered."""
    ids: list[int] = []

    def view(world: Any, command: Any, happened: tuple[Any, ...]) -> Reply:
        ids.append(happened[0].order.id)
        return views.placed(world, command, happened)

    desk.now_us += 1
    carts = [PlaceOrder(f"b{group}", (Wanted((LAMP, MUG, SET, RUG)[number % 4], 1),)) for number in range(GROUP)]
    await desk.executor.execute(
        [Call(cart, view, b"%d %d" % (group, number), b"f") for number, cart in enumerate(carts)]
    )
    paid = ids[: GROUP * 9 // 10]
    started = [happened[0].payment for happened in await desk.group(*map(StartPayment, paid))]
    await desk.group(*(Capture(payment.order_id, payment.id, payment.amount_minor, "GBP") for payment in started))
    await desk.group(*(RequestCancellation(order_id, "buyer") for order_id in paid[:10]))
    rest = paid[10:]
    await desk.group(*map(Confirm, rest))
    packed = [happened[0].package for happened in await desk.group(*map(CreatePackage, rest))]
    steps: list[Callable[[int, int], Any]] = [
        ShipPackage,
        lambda order_id, package_id: TrackPackage(order_id, package_id, PackageStatus.COLLECTED),
        lambda order_id, package_id: TrackPackage(order_id, package_id, PackageStatus.DELIVERED),
    ]
    for step in steps:
        await desk.group(*(step(package.order_id, package.id) for package in packed))


async def fill(desk: Desk, groups: range) -> None:
    """Have orders of a great shop."""
    for group in groups:
        await lives(desk, group)


async def timed(desk: Desk, store: Store) -> float:
    """How long an audit takes that finds nothing, in seconds."""
    begun = time.monotonic()
    report = await audit(store, desk.now_us)
    assert report.broken() == {}
    return time.monotonic() - begun


@pytest.mark.soak
def test_an_audit_of_200000_orders_takes_in_proportion_to_one_of_a_quarter(database: Database) -> None:
    async def main() -> tuple[float, float, int]:
        async with database.opened(unsafe=True) as store:
            world = catalogue()
            for sku_id in (LAMP, MUG, RUG):
                world.stocks[sku_id] = Stock(sku_id, 10**7)
            desk = await Desk.open(store, world)
            groups = ORDERS // GROUP
            await fill(desk, range(groups // 4))
            quarter = await timed(desk, store)
            await fill(desk, range(groups // 4, groups))
            ((events,),) = await store.select("SELECT COUNT(*) FROM events")
            return quarter, await timed(desk, store), events

    quarter, seconds, events = asyncio.run(main())
    facts = {
        "command": f"python -m pytest -m soak tests/engine/test_audit_speed.py -k {database.kind}",
        "store": database.kind,
        "orders": ORDERS,
        "events": events,
        "seconds": round(seconds, 1),
        "seconds_of_a_quarter": round(quarter, 1),
    }
    write_result(f"audit_{database.kind}", facts)
    assert seconds < 10 * quarter, "16 times as long would be the square"
