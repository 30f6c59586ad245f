"""Which warehouses a cart is offered to, and orders that wait for stock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from sim.orders.states import Reason, State
from sim.scenario.schema import Scenario
from sim.scenario.tables import nearest_warehouses, sku_names
from tests.oracle.carriers import Carriers
from tests.oracle.clock import Clock, Grid
from tests.oracle.records import Order, Take
from tests.oracle.stock import Stock


@dataclass(frozen=True)
class Rule:
    """The warehouses that a region's carts are offered to, in order, and what becomes of one that none has whole."""

    asked: list[int]
    otherwise: str


def rules(scenario: Scenario) -> list[Rule]:
    """The rule of each region."""
    found = []
    for number, (region, nearest) in enumerate(zip(scenario.regions, nearest_warehouses(scenario), strict=True)):
        choice = region.allocation or scenario.allocation
        central = [house for house in nearest if scenario.warehouses[house].name == choice.warehouse]
        costs = [Carriers(scenario, house).freight_minor(number) for house in nearest]
        asked = {
            "nearest": nearest,
            "regional": nearest[:1],
            "central": central,
            "central_first": central + [house for house in nearest if house not in central],
            "cheapest": [house for _, _, house in sorted(zip(costs, range(len(nearest)), nearest, strict=True))],
        }
        found.append(Rule(asked[choice.choice], choice.otherwise))
    return found


class Waiting:
    """The orders that wait, in the order in which they were placed."""

    def __init__(self, env: Clock, scenario: Scenario, stock: Stock, met: Counter[str]) -> None:
        self.env, self.stock, self.met = env, stock, met
        self.rules = rules(scenario)
        self.max_wait_us = scenario.allocation.max_wait_us
        number = {name: i for i, name in enumerate(sku_names(scenario))}
        self.ahead = {number[row.sku]: row.units for row in scenario.allocation.presale}
        self.lead_us = {number[row.sku]: row.lead_us for row in scenario.allocation.presale}
        self.queue: list[Order] = []
        self.allocate: Callable[[Order], list[Take] | None] = lambda order: None  # set by checkout
        self.fulfil: Callable[[Order], None] = lambda order: None  # these two are set by life
        self.sweeps: Grid | None = None
        stock.on_more = self.serve

    def admits(self, order: Order, needs: Counter[int]) -> bool:
        """Whether a cart that needs these units by SKU, and cannot have them now, may wait."""
        rule = self.rules[order.region]
        if rule.otherwise != "wait" and not any(sku in self.ahead for sku in needs):
            return False
        for sku, units in needs.items():
            there = sum(self.stock.available(sku, warehouse, order.content) for warehouse in rule.asked)
            if units + self._waited_for(sku) > there + self.ahead.get(sku, 0):
                return False
        return True

    def _waited_for(self, sku: int) -> int:
        return sum(order.needs[sku] for order in self.queue)

    def join(self, order: Order, needs: Counter[int]) -> None:
        """The order waits from now on."""
        assert self.sweeps is not None
        order.needs = needs
        order.promised_us = self.env.now + max(self.lead_us.get(sku, 0) for sku in needs)
        self.queue.append(order)
        self.stock.wait_for(self.rules[order.region].asked[0], needs, 1)
        self.sweeps.due(self.env.now + self.max_wait_us)
        self.met["waited"] += 1
        self.met["waited_for_one_warehouse"] += not any(sku in self.ahead for sku in needs)

    def leave(self, order: Order) -> None:
        """It waits no longer, if it did."""
        if order in self.queue:
            self.queue.remove(order)
            self.stock.wait_for(self.rules[order.region].asked[0], order.needs, -1)

    def serve(self) -> None:
        """Units have come: whoever can be served whole is served, first come first served."""
        for order in list(self.queue):
            takes = self.allocate(order)
            if takes is not None:
                passed = self.queue[0] is not order
                self.leave(order)
                order.takes, order.allocated_us = takes, self.env.now
                self.stock.assign(order)
                self.met["served_later"] += 1
                self.met["served_past_another"] += passed
                if order.state == State.AWAITING_SHIPMENT:
                    self.met["served_when_confirmed"] += 1
                    order.ready_us = self.env.now
                    self.fulfil(order)

    def end_waits(self) -> list[Order]:
        """Cancel who has waited as long as an order may; returns them."""
        over = [order for order in self.queue if order.placed_us + self.max_wait_us <= self.env.now]
        for order in over:
            self.leave(order)
            order.cancel(self.env.now, Reason.NOT_SUPPLIED)
            self.met["not_supplied"] += 1
        return over
