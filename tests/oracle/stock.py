"""Units by SKU and warehouse: held, committed, releasing, shipped, ordered, put back. Every step is checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sim.scenario.logistics import StockPolicy
from sim.scenario.tables import SkuRow
from tests.oracle.clock import CONTROL, RECEIPTS, REVIEWS, Clock, Grid, priority
from tests.oracle.records import Order, Take


@dataclass(slots=True)
class Cell:
    """One SKU in one warehouse."""

    initial: int
    on_hand: int
    held: int = 0
    committed: int = 0
    releasing: int = 0
    received: int = 0
    restocked: int = 0
    shipped: int = 0
    on_order: int = 0

    @property
    def available(self) -> int:
        """What can be sold."""
        return self.on_hand - self.held - self.committed - self.releasing

    def check(self) -> None:
        """The identities of stock."""
        assert self.on_hand == self.initial + self.received + self.restocked - self.shipped
        assert min(self.held, self.committed, self.releasing, self.on_order, self.available) >= 0


class Stock:
    """All cells, and the policy that refills them."""

    def __init__(self, env: Clock, skus: list[SkuRow], policy: StockPolicy, met: Counter[str]) -> None:
        self.env, self.policy, self.met = env, policy, met
        self.cells = {(i, w): Cell(n, n) for i, sku in enumerate(skus) for w, n in enumerate(sku.stock)}
        self.reviews: Grid | None = None
        if policy.policy == "s_S":
            self.reviews = Grid(env, policy.review_us, priority(CONTROL, REVIEWS), self._review)
            self.reviews.due(1)

    def available(self, sku: int, warehouse: int) -> int:
        """Units that can be sold."""
        return self.cells[sku, warehouse].available

    def hold(self, takes: Iterable[Take]) -> None:
        """A placed order's units. Only here does a position fall, so a review is due only after this."""
        resold = False
        for take in takes:
            cell = self.cells[take.sku, take.warehouse]
            cell.held += take.units
            cell.check()
            # Units out or spoken for, beyond all that ever came in new, were sold, came back and are sold again.
            out = cell.held + cell.committed + cell.releasing + cell.shipped
            resold |= out > cell.initial + cell.received
            if self.reviews and cell.initial > 0 and cell.available + cell.on_order <= self.policy.s:
                self.reviews.due(self.env.now + 1)
        self.met["resold_returns"] += resold

    def commit(self, order: Order) -> None:
        """Paid."""
        for cell, units in self._cells(order.takes):
            cell.held -= units
            cell.committed += units
            cell.check()

    def release(self, order: Order) -> None:
        """Cancelled after payment: the units wait for the sweep."""
        for cell, units in self._cells(order.takes):
            cell.committed -= units
            cell.releasing += units
            cell.check()

    def expire(self, order: Order) -> None:
        """Swept unpaid: available again."""
        for cell, units in self._cells(order.takes):
            cell.held -= units
            cell.check()

    def free(self, order: Order) -> None:
        """Swept releasing: available again."""
        for cell, units in self._cells(order.takes):
            cell.releasing -= units
            cell.check()

    def ship(self, takes: Iterable[Take]) -> None:
        """Collected by the carrier."""
        for cell, units in self._cells(takes):
            cell.committed -= units
            cell.on_hand -= units
            cell.shipped += units
            cell.check()

    def put_back(self, takes: Iterable[Take]) -> None:
        """A return that can be sold again."""
        for cell, units in self._cells(takes):
            cell.on_hand += units
            cell.restocked += units
            cell.check()

    def _cells(self, takes: Iterable[Take]) -> list[tuple[Cell, int]]:
        return [(self.cells[take.sku, take.warehouse], take.units) for take in takes]

    def _review(self) -> None:
        for index, cell in enumerate(self.cells.values()):
            position = cell.available + cell.on_order
            if cell.initial > 0 and position <= self.policy.s:
                self._order(index, cell, self.policy.S - position)

    def _order(self, index: int, cell: Cell, units: int) -> None:
        def receive() -> None:
            cell.on_order -= units
            cell.on_hand += units
            cell.received += units
            cell.check()

        cell.on_order += units
        if self.policy.lead_time_us == 0:
            receive()
        else:
            self.env.call(self.env.now + self.policy.lead_time_us, priority(CONTROL, RECEIPTS, index), receive)
