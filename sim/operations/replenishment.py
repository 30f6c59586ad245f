"""Ordering stock: the items that policies look after, the orders that are open, and what has arrived."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple

import simpy

from sim.flow.environment import FlowEnvironment
from sim.operations.front import state as fs
from sim.operations.front.flow import FrontFlow
from sim.operations.outcome import Purchase
from sim.operations.strategies.analytic.allocation import Aim, allot
from sim.operations.suppliers import Supplier

RANK_STEP = 1 << 40  # ranks of one kind of control event: for its warehouses, or SKUs and warehouses
RECEIPTS, REVIEWS = 7 * RANK_STEP, 9 * RANK_STEP
THRESHOLDS = REVIEWS + RANK_STEP - 1
Process = Generator[simpy.Event, None, None]


class _Wait(NamedTuple):
    """A process that waits until an item's units fall to a level."""

    level: int
    emergency: bool
    event: simpy.Event


class Item:
    """One SKU in one warehouse, or in all whose orders are allotted: what a policy sees and may do."""

    def __init__(self, stock: Replenishment, number: int, sku: int, name: str, houses: tuple[int, ...]) -> None:
        self._stock = stock
        self.number, self.sku, self.name, self.houses = number, sku, name, houses
        self._on_order = [0, 0]  # from the ordinary and the emergency supplier
        self._ordered = [0, 0]  # numbers of orders
        self._came_us = [-1, -1]  # when a threshold last came at once, by kind
        self._waits: list[_Wait] = []
        self.aims: Sequence[Aim] = ()  # how deliveries for several warehouses are shared out

    @property
    def now_us(self) -> int:
        """Microseconds since the scenario's start."""
        return self._stock.now_us

    @property
    def available(self) -> int:
        """Units that can be sold."""
        return self._stock.available(self.sku, self.houses)

    @property
    def waited_for(self) -> int:
        """Units that orders wait for whose region asks this warehouse first."""
        return self._stock.waited_for(self.sku, self.houses)

    @property
    def on_order(self) -> int:
        """Units ordered and not yet received."""
        return sum(self._on_order)

    @property
    def position(self) -> int:
        """Units available and on order, less those that buyers wait for."""
        return self.available + self.on_order - self.waited_for

    def review(self) -> simpy.Event:
        """The next review."""
        return self.at(self._stock.next_review_us())

    def at(self, time_us: int) -> simpy.Event:
        """That time, with the reviews of that instant."""
        return self._at(time_us, emergency=False)

    def _at(self, time_us: int, emergency: bool) -> simpy.Event:
        """Reviews of one instant are by item, the ordinary supplier's before the emergency supplier's."""
        return self._stock.env.at(max(time_us, self.now_us), REVIEWS + 2 * self.number + emergency)

    def threshold(self, level: int) -> simpy.Event:
        """When the position has fallen to `level`: the microsecond after the order that brought it there.

        At once if it is there already; but a second time at one instant the next review, or where there are none the
        next time the supplier takes on more, so that a supplier who is short is not asked for ever.
        """
        return self._threshold(level, emergency=False)

    def emergency_threshold(self, level: int) -> simpy.Event:
        """The same for what is available and what the emergency supplier owes."""
        return self._threshold(level, emergency=True)

    def order(self, units: int, aims: Sequence[Aim] | None = None) -> int:
        """Order units; returns how many the supplier takes on. `aims`: how they are shared out, if not as usual."""
        return self._stock.buy(self, units, self._stock.ordinary, emergency=False, aims=aims)

    def order_in_emergency(self, up_to: int) -> int:
        """Order what is missing up to this level from the emergency supplier; returns the units."""
        assert self._stock.emergency is not None
        units = up_to - self.level(emergency=True)
        return self._stock.buy(self, units, self._stock.emergency, emergency=True, aims=None)

    def level(self, emergency: bool) -> int:
        """The position, or (emergency) what counts of it for the emergency supplier."""
        return self.available - self.waited_for + self.counted(emergency)

    def counted(self, emergency: bool) -> int:
        """Of the units on order those that count."""
        return self._on_order[1] if emergency else sum(self._on_order)

    def _threshold(self, level: int, emergency: bool) -> simpy.Event:
        if self.level(emergency) > level:
            wait = _Wait(level, emergency, simpy.Event(self._stock.env))
            self._waits.append(wait)
            self._stock.watch(self)
            return wait.event
        if self._came_us[emergency] == self.now_us:
            return self._at(self._stock.next_review_us(), emergency)
        self._came_us[emergency] = self.now_us
        return self._at(self.now_us, emergency)

    def watched_level(self) -> int:
        """The highest number of available units at which a process wants to be woken."""
        return max((wait.level - self.counted(wait.emergency) for wait in self._waits), default=fs.NO_THRESHOLD)

    def wake(self) -> None:
        """Wake the processes whose level has been reached."""
        reached = [wait for wait in self._waits if self.level(wait.emergency) <= wait.level]
        for wait in sorted(reached, key=lambda wait: wait.emergency):
            self._waits.remove(wait)
            self._came_us[wait.emergency] = self.now_us
            wait.event.succeed()
        if reached:
            self._stock.watch(self)

    def ordered(self, units: int, emergency: bool) -> int:
        """Units are on order; returns the number of the order with this supplier."""
        self._on_order[emergency] += units
        self._ordered[emergency] += 1
        return self._ordered[emergency] - 1

    def received(self, units: int, emergency: bool) -> None:
        """Units are on order no more."""
        self._on_order[emergency] -= units


class Replenishment:
    """The items of a shop, what is on order for them, and the suppliers."""

    def __init__(
        self,
        env: FlowEnvironment,
        front: FrontFlow,
        ordinary: Supplier,
        emergency: Supplier | None,
        reviews: tuple[int, int],
    ) -> None:
        self.env, self._front = env, front
        self.ordinary, self.emergency = ordinary, emergency
        self._every_us, self._offset_us = reviews
        self.items: list[Item] = []
        self._item_at: dict[tuple[int, int], Item] = {}  # by SKU and first warehouse
        self.purchases: list[Purchase] = []
        front.on_crossing = self._crossed

    @property
    def now_us(self) -> int:
        """Microseconds since the scenario's start."""
        return int(self.env.now)

    def add(self, sku: int, name: str, houses: tuple[int, ...]) -> Item:
        """One more item."""
        self.items.append(Item(self, len(self.items), sku, name, houses))
        self._item_at[sku, houses[0]] = self.items[-1]
        return self.items[-1]

    def available(self, sku: int, houses: tuple[int, ...]) -> int:
        """Units that can be sold."""
        return sum(self._front.available(sku, house) for house in houses)

    def waited_for(self, sku: int, houses: tuple[int, ...]) -> int:
        """Units that orders wait for."""
        return sum(self._front.waited_for(sku, house) for house in houses)

    def next_review_us(self) -> int:
        """The first review after now; where stock is reviewed continuously: when the supplier next takes on more."""
        if self._every_us == 0:
            return self.ordinary.next_period_us(self.now_us)
        first_us = self._offset_us or self._every_us
        if self.now_us < first_us:
            return first_us
        return first_us + ((self.now_us - first_us) // self._every_us + 1) * self._every_us

    def watch(self, item: Item) -> None:
        """Tell the front at how many available units to stop for an item."""
        f = self._front.state
        f.reg[fs.WATCHED] = fs.CELLS if len(item.houses) == 1 else fs.POOLS
        f.threshold[item.sku, item.houses[0] if len(item.houses) == 1 else 0] = item.watched_level()

    def _crossed(self, time_us: int) -> None:
        self.env.at(time_us, THRESHOLDS).callbacks.append(self._wake)

    def _wake(self, _: simpy.Event) -> None:
        for cell in self._front.low_cells():
            self._item_at[cell].wake()

    def buy(self, item: Item, units: int, supplier: Supplier, emergency: bool, aims: Sequence[Aim] | None) -> int:
        """Order units for an item; returns how many the supplier takes on."""
        taken = supplier.takes_on(units, self.now_us)
        if taken <= 0:
            return 0
        number = item.ordered(taken, emergency)
        due_us = self.now_us + supplier.lead_time_us(item.name, number)
        house = item.houses[0] if len(item.houses) == 1 else -1
        self.purchases.append(Purchase(self.now_us, item.sku, house, taken, due_us, int(emergency)))
        share = item.aims if aims is None else aims
        if due_us == self.now_us:
            self._receive(item, taken, emergency, share)
        else:
            arrival = self.env.at(due_us, RECEIPTS + item.number)
            arrival.callbacks.append(lambda _: self._receive(item, taken, emergency, share))
        self.watch(item)
        return taken

    def _receive(self, item: Item, units: int, emergency: bool, aims: Sequence[Aim]) -> None:
        item.received(units, emergency)
        have = [self.available(item.sku, (at,)) - self.waited_for(item.sku, (at,)) for at in item.houses]
        shares = [units] if len(have) == 1 else allot(units, have, aims)
        for house, share in zip(item.houses, shares, strict=True):
            if share > 0:
                self._front.receive(self.now_us, item.sku, house, share)
        self.watch(item)
        self._front.serve_waiting(item.sku, self.now_us)
