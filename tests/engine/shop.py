"""The shop of the core's tests, as rows of a store, and one who plays it through an executor."""

from __future__ import annotations

from typing import Any

from sim.engine.calls import Call, Reply
from sim.engine.executor import Executor
from sim.engine.stores.store import Store
from sim.engine.stores.tables import Changes, row
from sim.orders.commands import (
    Capture,
    Confirm,
    CreatePackage,
    Elapse,
    PlaceOrder,
    ShipPackage,
    StartPayment,
    TrackPackage,
    Wanted,
)
from sim.orders.entities import PackageStatus, StockMove
from sim.orders.events import Refused
from sim.orders.rules import Rules
from sim.orders.world import World
from tests.orders.shop import LAMP, START_US, catalogue

_DUE = "SELECT id FROM orders WHERE due_us > 0 AND due_us <= ? ORDER BY due_us"


def rows_of(world: World) -> Changes:
    """A catalogue as rows, with the moves that brought its first units."""
    changes: Changes = {
        name: [row(entity) for entity in getattr(world, name).values()]
        for name in ("shops", "products", "skus", "stocks", "rooms", "deals")
    }
    changes["sku_parts"] = [row(part) for parts in world.parts.values() for part in parts]
    changes["stock_moves"] = [
        row(StockMove(number, stock.sku_id, "initial", stock.on_hand, 0, START_US))
        for number, stock in enumerate(world.stocks.values(), 1)
        if stock.on_hand
    ]
    return changes


class Desk:
    """An executor on a store with the shop in it, on a clock that only the test moves."""

    def __init__(self, store: Store, executor: Executor) -> None:
        self.store = store
        self.executor = executor
        self.now_us = START_US

    @classmethod
    async def open(cls, store: Store, world: World | None = None, rules: Rules | None = None) -> Desk:
        """A desk; the shop is put into an empty store, an old one is taken as it is."""
        desk = cls(store, Executor(store, lambda: desk.now_us, rules or Rules()))
        if not await store.select("SELECT id FROM shops"):
            await store.write(rows_of(catalogue() if world is None else world))
        await desk.executor.load()
        return desk

    async def group(self, *commands: Any) -> list[tuple[Any, ...]]:
        """Run commands as one group, a microsecond later; return the events of each."""
        self.now_us += 1
        happened: list[tuple[Any, ...]] = [()] * len(commands)

        def view(place: int) -> Any:
            def keep(_world: Any, _command: Any, events: tuple[Any, ...]) -> Reply:
                happened[place] = events
                return Reply(204)

            return keep

        await self.executor.execute([Call(command, view(place)) for place, command in enumerate(commands)])
        return happened

    async def do(self, command: Any) -> tuple[Any, ...]:
        """Run one command that must not be refused."""
        (happened,) = await self.group(command)
        assert not (happened and isinstance(happened[0], Refused)), happened
        return happened

    async def place(self, *wanted: tuple[int, int], buyer: str = "ann", deal: int = 0) -> int:
        cart = tuple(Wanted(sku_id, quantity) for sku_id, quantity in wanted or ((LAMP, 1),))
        (placed,) = await self.do(PlaceOrder(buyer, cart, deal))
        return int(placed.order.id)

    async def capture(self, order_id: int, payment_id: int = 0, reference: str = "late") -> None:
        ((total, currency),) = await self.store.select(
            "SELECT total_minor, currency FROM orders WHERE id = ?", (order_id,)
        )
        await self.do(Capture(order_id, payment_id, total, currency, reference))

    async def paid(self, *wanted: tuple[int, int], **how: Any) -> int:
        order_id = await self.place(*wanted, **how)
        (started,) = await self.do(StartPayment(order_id))
        await self.capture(order_id, started.payment.id)
        return order_id

    async def collected(self, *wanted: tuple[int, int], **how: Any) -> int:
        order_id = await self.paid(*wanted, **how)
        await self.do(Confirm(order_id))
        (created,) = await self.do(CreatePackage(order_id))
        await self.do(ShipPackage(order_id, created.package.id))
        await self.do(TrackPackage(order_id, created.package.id, PackageStatus.COLLECTED))
        return order_id

    async def delivered(self, *wanted: tuple[int, int], **how: Any) -> int:
        order_id = await self.collected(*wanted, **how)
        ((package_id,),) = await self.store.select("SELECT id FROM packages WHERE order_id = ?", (order_id,))
        await self.do(TrackPackage(order_id, package_id, PackageStatus.DELIVERED))
        return order_id

    async def sweep(self) -> int:
        """Let time act on all orders that are due."""
        due = await self.store.select(_DUE, (self.now_us,))
        await self.group(*(Elapse(order_id) for (order_id,) in due))
        return len(due)
