"""What an executor should do, said plainly: the order core on a world in memory, with keys in a dict.

No groups, layers, caches, fetching or databases: a call is decided on all there is, and the tables are what has become
of it.
"""

from __future__ import annotations

from typing import Any

from sim.engine import feed, problems
from sim.engine.calls import Call, Reply
from sim.engine.stores.tables import TABLES, Changes, EventRow, IdempotencyRow, ProviderEventRow, row
from sim.orders.decide import decide
from sim.orders.entities import StockMove
from sim.orders.events import OrderPlaced, Refused, StockChanged
from sim.orders.evolve import evolve
from sim.orders.paying import REPEATED
from sim.orders.world import World
from tests.orders.shop import START_US

KEPT = {200, 201, 202, 402, 404, 409, 422}
_PARTS = ("lines", "payments", "refunds", "packages", "cancellations", "returns")


class Model:
    """One world, and what its keys, provider's events and feed would be."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.keys: dict[bytes, IdempotencyRow] = {}
        self.told: dict[str, ProviderEventRow] = {}
        self.events: list[feed.Row] = []
        self._first = [
            StockMove(number, stock.sku_id, "initial", stock.on_hand, 0, START_US)
            for number, stock in enumerate(world.stocks.values(), 1)
        ]

    def answer(self, call: Call, now_us: int) -> Reply:
        """Let a call act; returns what it should be answered."""
        known = self.keys.get(call.key)
        if known is not None:
            if known.fingerprint != call.fingerprint:
                return problems.KEY_REUSED
            if known.status == 0:
                return Reply(0, subject=known.subject_id)
            return Reply(known.status, known.body, known.location, replayed=True)
        if call.provider_event in self.told:
            return call.view(self.world, call.command, (REPEATED,))
        happened = decide(self.world, call.command, now_us)
        for event in happened:
            self._apply(event, now_us)
        reply = call.view(self.world, call.command, happened)
        changed = bool(happened) and not isinstance(happened[0], Refused)
        self._remember(call, reply, happened, changed, now_us)
        return reply

    def _apply(self, event: Any, now_us: int) -> None:
        seq = len(self.events) + 1
        if isinstance(event, Refused):
            return
        before = None if isinstance(event, (OrderPlaced, StockChanged)) else self.world.cases[feed.order_of(event)]
        evolve(self.world, event)
        if isinstance(event, StockChanged):
            self.events.append(feed.stock_row(event, seq, now_us))
        elif isinstance(event, OrderPlaced):
            self.events.append(feed.placed_row(event, seq, now_us))
        else:
            assert before is not None
            case = self.world.cases[before.order.id]
            self.events.append(feed.event_row(event, seq, now_us, before.order.state, case))

    def _remember(self, call: Call, reply: Reply, happened: Any, changed: bool, now_us: int) -> None:
        if call.provider_event and changed:
            self.told[call.provider_event] = ProviderEventRow(call.provider_event, now_us, call.command.order_id)
        if call.key and reply.status in KEPT:
            running = call.pending and changed
            self.keys[call.key] = IdempotencyRow(
                call.key,
                call.fingerprint,
                0 if running else reply.status,
                reply.body,
                reply.location,
                now_us,
                happened[0].payment.id if running else 0,
            )
        first = self.keys.get(call.settles)
        if first is not None and not first.status:
            self.keys[call.settles] = IdempotencyRow(
                first.key,
                first.fingerprint,
                reply.status,
                reply.body,
                reply.location,
                first.created_us,
                first.subject_id,
            )

    def tables(self) -> Changes:
        """All rows of all tables, in the order of their keys."""
        world = self.world
        records: dict[str, list[Any]] = {name: [] for name in TABLES}
        for name in ("shops", "products", "skus", "stocks", "rooms", "deals", "deal_buyers"):
            records[name] = list(getattr(world, name).values())
        records["sku_parts"] = [part for parts in world.parts.values() for part in parts]
        records["orders"] = [case.order for case in world.cases.values()]
        for part in _PARTS:
            name = "order_lines" if part == "lines" else part
            records[name] = [record for case in world.cases.values() for record in getattr(case, part)]
        records["transfers"] = world.transfers
        records["stock_moves"] = [*self._first, *world.moves]
        records["events"] = [EventRow(*values) for values in self.events]
        records["idempotency"] = list(self.keys.values())
        records["provider_events"] = list(self.told.values())
        return {name: sorted(map(row, found), key=_by(name)) for name, found in records.items()}


def _by(name: str) -> Any:
    table = TABLES[name]
    places = [table.columns.index(column) for column in table.key]
    return lambda values: tuple(values[place] for place in places)
