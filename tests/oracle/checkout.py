"""Checkout's effect: shelves, flash deals and stock decide whether a cart becomes an order."""

from __future__ import annotations

from collections import Counter

from sim.orders.states import Reason, State
from sim.scenario.schema import Scenario
from sim.scenario.tables import SkuRow, deal_table
from tests.oracle.allocation import Waiting
from tests.oracle.clock import Clock
from tests.oracle.records import Order, Take
from tests.oracle.stock import Stock


class Checkout:
    """What checkout knows: the catalogue, what is left of each deal, and what each buyer has bought in it."""

    def __init__(
        self, env: Clock, scenario: Scenario, skus: list[SkuRow], stock: Stock, waiting: Waiting, met: Counter[str]
    ) -> None:
        self.env, self.skus, self.stock, self.waiting, self.met = env, skus, stock, waiting, met
        waiting.allocate = self._allocate
        self.hold_us = scenario.payment.hold_window_us
        self.deals = deal_table(scenario)
        self.left = [deal.units for deal in self.deals]
        self.bought: Counter[tuple[int, int]] = Counter()  # (deal, buyer): units

    def effect(self, order: Order) -> Reason:
        """Place the order (NOTHING) or refuse it (why); nothing is taken from a refused cart."""
        refusal = self._refuse_lines(order)
        if refusal != Reason.NOTHING:
            return refusal
        takes = self._allocate(order)
        if takes is None and not self.waiting.admits(order, self._total(order)):
            return Reason.SOLD_OUT
        order.placed_us, order.hold_end_us = self.env.now, self.env.now + self.hold_us
        if takes is None:
            self.waiting.join(order, self._total(order))
        else:
            order.takes = takes
            self.stock.hold(order)
            self.met["split"] += len({take.warehouse for take in takes}) > 1
        for deal, units in self._deal_units(order):
            self.left[deal] -= units
            self.bought[deal, order.buyer] += units
        order.go(State.UNPAID)
        order.reason = Reason.NOTHING  # a client who gave up may have left one
        return Reason.NOTHING

    def give_back_deals(self, order: Order) -> None:
        """The sweep returns what a cancelled order used of its deals."""
        for deal, units in self._deal_units(order):
            self.left[deal] += units
            self.bought[deal, order.buyer] -= units

    def _deal_units(self, order: Order) -> list[tuple[int, int]]:
        return [(line.deal, line.quantity) for line in order.lines if line.deal >= 0]

    def _refuse_lines(self, order: Order) -> Reason:
        """Shelf and deal of each line in turn; the lines before it in the cart count."""
        in_cart: Counter[int] = Counter()
        for i, line in enumerate(order.lines):
            order.refused_line = i
            shelf = self.skus[line.sku].shelf
            if shelf and not any(on_us <= self.env.now < off_us for on_us, off_us in shelf):
                return Reason.OFF_SHELF
            if line.deal >= 0:
                deal = self.deals[line.deal]
                in_cart[line.deal] += line.quantity
                if not deal.open_us <= self.env.now < deal.close_us:
                    return Reason.DEAL_CLOSED
                if in_cart[line.deal] > self.left[line.deal]:
                    return Reason.DEAL_SOLD_OUT
                if self.bought[line.deal, order.buyer] + in_cart[line.deal] > deal.per_buyer:
                    return Reason.PURCHASE_LIMIT
        return Reason.NOTHING

    def _needs(self, order: Order) -> list[tuple[int, int, int]]:
        """(line, SKU, units) of every component of every line."""
        return [
            (i, sku, units * line.quantity)
            for i, line in enumerate(order.lines)
            for sku, units in self.skus[line.sku].components
        ]

    def _total(self, order: Order) -> Counter[int]:
        """Units of each SKU that the cart needs."""
        total: Counter[int] = Counter()
        for _, sku, units in self._needs(order):
            total[sku] += units
        return total

    def _allocate(self, order: Order) -> list[Take] | None:
        """From the first warehouse asked that has everything, or split, or (None) not at all: sets the refused line."""
        needs, rule = self._needs(order), self.waiting.rules[order.region]
        for warehouse in rule.asked:
            if all(self._there(order, sku, warehouse) >= units for sku, units in self._total(order).items()):
                return [Take(line, warehouse, sku, units) for line, sku, units in needs]
        takes = self._split(order, needs)
        if takes is not None and rule.otherwise != "split":
            order.refused_line = 0
            self.met["not_split"] += 1
            return None
        return takes

    def _there(self, order: Order, sku: int, warehouse: int) -> int:
        return self.stock.available(sku, warehouse, order.content)

    def _split(self, order: Order, needs: list[tuple[int, int, int]]) -> list[Take] | None:
        takes: list[Take] = []
        taken: Counter[tuple[int, int]] = Counter()
        for line, sku, units in needs:
            for warehouse in self.waiting.rules[order.region].asked:
                part = min(units, self._there(order, sku, warehouse) - taken[sku, warehouse])
                if part > 0:
                    takes.append(Take(line, warehouse, sku, part))
                    taken[sku, warehouse] += part
                    units -= part
            if units > 0:
                order.refused_line = line
                return None
        return takes
