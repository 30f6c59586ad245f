"""Units by SKU and warehouse: held, committed, releasing, shipped, received, put back. Every step is checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sim.scenario.tables import SkuRow
from tests.oracle.clock import Clock
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
    since_us: int = 0  # when units on hand last changed
    unit_us: int = 0  # units on hand x microseconds until then

    @property
    def available(self) -> int:
        """What can be sold."""
        return self.on_hand - self.held - self.committed - self.releasing

    def check(self) -> None:
        """The identities of stock."""
        assert self.on_hand == self.initial + self.received + self.restocked - self.shipped
        assert min(self.held, self.committed, self.releasing, self.available) >= 0

    def move(self, units: int, now_us: int) -> None:
        """Units come on hand (above 0) or leave."""
        self.unit_us += self.on_hand * (now_us - self.since_us)
        self.since_us = now_us
        self.on_hand += units


class Stock:
    """All cells. Only in `hold` do available units fall; `on_fall` is called with the cells then."""

    def __init__(self, env: Clock, skus: list[SkuRow], met: Counter[str]) -> None:
        self.env, self.met = env, met
        self.cells = {(i, w): Cell(n, n) for i, sku in enumerate(skus) for w, n in enumerate(sku.stock)}
        self.on_fall: Callable[[set[tuple[int, int]]], None] = lambda _cells: None

    def available(self, sku: int, warehouse: int) -> int:
        """Units that can be sold."""
        return self.cells[sku, warehouse].available

    def hold(self, takes: Iterable[Take]) -> None:
        """A placed order's units."""
        takes = list(takes)
        resold = False
        for take in takes:
            cell = self.cells[take.sku, take.warehouse]
            cell.held += take.units
            cell.check()
            # Units out or spoken for, beyond all that ever came in new, were sold, came back and are sold again.
            out = cell.held + cell.committed + cell.releasing + cell.shipped
            resold |= out > cell.initial + cell.received
        self.met["resold_returns"] += resold
        self.on_fall({(take.sku, take.warehouse) for take in takes})

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
            cell.move(-units, self.env.now)
            cell.shipped += units
            cell.check()

    def put_back(self, takes: Iterable[Take]) -> None:
        """A return that can be sold again."""
        for cell, units in self._cells(takes):
            cell.move(units, self.env.now)
            cell.restocked += units
            cell.check()

    def receive(self, sku: int, warehouse: int, units: int) -> None:
        """From a supplier."""
        cell = self.cells[sku, warehouse]
        cell.move(units, self.env.now)
        cell.received += units
        cell.check()

    def _cells(self, takes: Iterable[Take]) -> list[tuple[Cell, int]]:
        return [(self.cells[take.sku, take.warehouse], take.units) for take in takes]
