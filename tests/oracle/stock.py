"""Units by SKU and warehouse: held, committed, releasing, shipped, received, put back. Every step is checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sim.orders.states import State
from sim.scenario.tables import SkuRow
from tests.oracle.clock import CONTROL, RELEASES, Clock, priority
from tests.oracle.records import Order, Take


@dataclass(slots=True)
class Reserve:
    """Units of a cell that only orders out of some contents may have."""

    contents: range
    size: int
    left: int


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
    waited_for: int = 0  # by orders of regions that ask this warehouse first
    reserves: list[Reserve] = field(default_factory=list)
    since_us: int = 0  # when units on hand last changed
    unit_us: int = 0  # units on hand x microseconds until then

    @property
    def available(self) -> int:
        """What can be sold, to whomever."""
        return self.on_hand - self.held - self.committed - self.releasing

    def check(self) -> None:
        """The identities of stock."""
        assert self.on_hand == self.initial + self.received + self.restocked - self.shipped
        assert min(self.held, self.committed, self.releasing, self.available, self.waited_for) >= 0
        assert all(0 <= kept.left <= kept.size for kept in self.reserves)
        assert sum(kept.left for kept in self.reserves) <= self.available

    def move(self, units: int, now_us: int) -> None:
        """Units come on hand (above 0) or leave."""
        self.unit_us += self.on_hand * (now_us - self.since_us)
        self.since_us = now_us
        self.on_hand += units


class Stock:
    """All cells. `on_fall` is called with cells where what replenishment looks at falls, `on_more` when units come."""

    def __init__(self, env: Clock, skus: list[SkuRow], met: Counter[str]) -> None:
        self.env, self.met = env, met
        self.cells = {(i, w): Cell(n, n) for i, sku in enumerate(skus) for w, n in enumerate(sku.stock)}
        self.on_fall: Callable[[set[tuple[int, int]]], None] = lambda _cells: None
        self.on_more: Callable[[], None] = lambda: None  # units have become available

    def available(self, sku: int, warehouse: int, content: int) -> int:
        """Units that can be sold to an order out of `content`."""
        cell = self.cells[sku, warehouse]
        return cell.available - sum(kept.left for kept in cell.reserves if content not in kept.contents)

    def net(self, sku: int, warehouse: int) -> int:
        """Units that can be sold to whomever, less those waited for: what replenishment looks at."""
        cell = self.cells[sku, warehouse]
        return cell.available - cell.waited_for

    def wait_for(self, warehouse: int, needs: Mapping[int, int], sign: int) -> None:
        """An order begins (1) or ends (-1) to wait for units."""
        for sku, units in needs.items():
            cell = self.cells[sku, warehouse]
            cell.waited_for += sign * units
            cell.check()
        if sign > 0:
            self.on_fall({(sku, warehouse) for sku in needs})

    def reserve(self, sku: int, units: Mapping[int, int], contents: range, release_us: int, number: int) -> None:
        """Keep units, by warehouse, for orders out of `contents` until `release_us`."""
        mine = [(self.cells[sku, warehouse], Reserve(contents, kept, kept)) for warehouse, kept in units.items()]
        for cell, kept in mine:
            cell.reserves.append(kept)
            cell.check()

        def release() -> None:
            for _, kept in mine:
                self.met["released"] += kept.left > 0
                kept.size = kept.left = 0
            self.on_more()

        self.env.call(release_us, priority(CONTROL, RELEASES, number), release)

    def hold(self, order: Order) -> None:
        """The units of an order that is placed, or served after it has waited."""
        resold = False
        for take in order.takes:
            cell = self.cells[take.sku, take.warehouse]
            self._use_reserves(cell, order, take.units)
            cell.held += take.units
            cell.check()
            # Units out or spoken for, beyond all that ever came in new, were sold, came back and are sold again.
            out = cell.held + cell.committed + cell.releasing + cell.shipped
            resold |= out > cell.initial + cell.received
        self.met["resold_returns"] += resold
        self.on_fall({(take.sku, take.warehouse) for take in order.takes})

    def assign(self, order: Order) -> None:
        """The units of an order that has waited for them."""
        self.hold(order)
        if order.state != State.UNPAID:
            self.commit(order)

    def _use_reserves(self, cell: Cell, order: Order, units: int) -> None:
        for kept in cell.reserves:
            if order.content in kept.contents:
                used = min(units, kept.left)
                kept.left -= used
                units -= used
                self.met["took_of_a_reserve"] += used > 0

    def _refill_reserves(self, cell: Cell, order: Order, units: int) -> None:
        for kept in cell.reserves:
            if order.content in kept.contents:
                back = min(units, kept.size - kept.left)
                kept.left += back
                units -= back
                self.met["refilled_a_reserve"] += back > 0

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
            self._refill_reserves(cell, order, units)
            cell.check()

    def free(self, order: Order) -> None:
        """Swept releasing: available again."""
        for cell, units in self._cells(order.takes):
            cell.releasing -= units
            self._refill_reserves(cell, order, units)
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
        self.on_more()

    def receive(self, sku: int, warehouse: int, units: int) -> None:
        """From a supplier."""
        cell = self.cells[sku, warehouse]
        cell.move(units, self.env.now)
        cell.received += units
        cell.check()

    def _cells(self, takes: Iterable[Take]) -> list[tuple[Cell, int]]:
        return [(self.cells[take.sku, take.warehouse], take.units) for take in takes]
