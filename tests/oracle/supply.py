"""How stock is ordered: the policy of each SKU and warehouse as a process, thresholds, suppliers and what they cost."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import simpy
from simpy.events import ProcessGenerator

from sim.demand.lead_times import lead_time_u32
from sim.demand.trace import Trace
from sim.scenario.parts.base import Duration
from sim.scenario.quantiles import at_u32
from sim.scenario.schema import Scenario
from sim.scenario.tables import SkuRow, to_reporting_minor
from tests.oracle.clock import CONTROL, RECEIPTS, REVIEWS, Clock, priority
from tests.oracle.plans import Law, Order, Plans
from tests.oracle.records import law_table
from tests.oracle.stock import Stock

_AFTER_REVIEWS = 2**32 - 1
ORDINARY, EMERGENCY = 0, 1


class Purchase(NamedTuple):
    """An order to a supplier."""

    ordered_us: int
    sku: int
    warehouse: int
    units: int
    due_us: int
    emergency: int


class Receipt(NamedTuple):
    """Units that arrived."""

    time_us: int
    sku: int
    warehouse: int
    units: int


class Desk:
    """Who looks after one SKU in one warehouse, or all: what is on order, and for which levels somebody waits."""

    def __init__(self, number: int, sku: int, warehouses: list[int], name: str) -> None:
        self.number, self.sku, self.warehouses, self.name = number, sku, warehouses, name
        self.on_order = [0, 0]
        self.orders = [0, 0]
        self.woken_us = [-1, -1]
        self.waiting: list[tuple[int, int, simpy.Event]] = []  # kind, level, event


class Supply:
    """The desks, and the two suppliers."""

    def __init__(
        self, env: Clock, scenario: Scenario, trace: Trace, skus: list[SkuRow], stock: Stock, met: Counter[str]
    ) -> None:
        self.env, self.scenario, self.stock, self.met = env, scenario, stock, met
        self.plan = scenario.stock
        self.seed = trace.header.get("seed", 0), trace.header.get("replication", 0)
        self.purchases: list[Purchase] = []
        self.receipts: list[Receipt] = []
        self.taken: Counter[int] = Counter()  # units that the supplier took on by period
        self.desks: list[Desk] = []
        self.plans = Plans(scenario)
        self.plain = [sku for sku, row in enumerate(skus) if row.components == ((sku, 1),)]
        self.houses = list(range(len(scenario.warehouses)))
        if self.plan.initial_allocation != "none":
            self._share_out_initial()
        if self.plan.policy != "none" or self.plan.emergency is not None:
            self._open_desks(skus)
        self.by_cell = {(desk.sku, house): desk for desk in self.desks for house in desk.warehouses}
        self.looks: set[int] = set()
        stock.on_fall = self._fallen
        for desk in self.desks:
            if self.plan.policy in ("newsvendor", "wagner_whitin"):
                env.process(self._planned(desk, self.plans.orders(desk.sku, desk.warehouses)))
            elif self.plan.policy != "none":
                listing = scenario.catalogue[skus[desk.sku].listing].name
                env.process(self._policy(desk, self.plan.of(skus[desk.sku].name, listing)))
            if self.plan.emergency is not None:
                env.process(self._emergency(desk))

    def _share_out_initial(self) -> None:
        for sku in self.plain:
            total = sum(self.stock.cells[sku, house].initial for house in self.houses)
            laws = self.plans.laws(sku, self.scenario.horizon_us)
            shares = self.plans.share_out(self.plan.initial_allocation, total, [0] * len(self.houses), laws)
            for house, units in enumerate(shares):
                self.stock.cells[sku, house].initial = self.stock.cells[sku, house].on_hand = units

    def _open_desks(self, skus: list[SkuRow]) -> None:
        """One for each SKU and warehouse, or SKU; those of planned orders also where there is nothing at the start."""
        planned = self.plan.policy in ("newsvendor", "wagner_whitin")
        together = self.plan.allocation != "none"
        for sku in self.plain:
            for group in [self.houses] if together else [[house] for house in self.houses]:
                if planned or any(self.stock.cells[sku, house].initial > 0 for house in group):
                    here = "" if together else f"/{self.scenario.warehouses[group[0]].name}"
                    self.desks.append(Desk(len(self.desks), sku, group, skus[sku].name + here))

    # policies

    def _policy(self, desk: Desk, levels: tuple[int, int, int, int]) -> ProcessGenerator:
        s, S, r, Q = levels
        policy = self.plan.policy
        while True:
            if policy == "r_Q":
                yield from self._until(desk, ORDINARY, r)
            elif self.plan.review_us > 0:
                yield self._next_review(desk, ORDINARY)
            else:
                yield from self._until(desk, ORDINARY, S - 1 if policy == "base_stock" else s)
            position = self._counted(desk, ORDINARY)
            if policy == "r_Q":
                wanted = 0
                while position + wanted <= r:
                    wanted += Q
            elif policy == "base_stock":
                wanted = max(S - position, 0)
            else:
                wanted = S - position if position <= s else 0
            self._buy(desk, ORDINARY, self._taken_on(wanted))

    def _planned(self, desk: Desk, orders: list[Order]) -> ProcessGenerator:
        for order in orders:
            yield self.env.at(max(order.time_us, self.env.now), self._place(desk, ORDINARY))
            wanted = order.units
            if self.plan.policy == "newsvendor":
                wanted -= self._counted(desk, ORDINARY)
            self.met["planned_orders"] += 1
            self._buy(desk, ORDINARY, self._taken_on(wanted), order.laws)

    def _emergency(self, desk: Desk) -> ProcessGenerator:
        plan = self.plan.emergency
        assert plan is not None
        while True:
            yield from self._until(desk, EMERGENCY, plan.level)
            counted = self._counted(desk, EMERGENCY)
            if counted <= plan.level:
                self.met["emergency_orders"] += 1
                self._buy(desk, EMERGENCY, plan.up_to - counted)

    def _counted(self, desk: Desk, kind: int) -> int:
        """The position; for the emergency supplier with only what it owes itself."""
        owed = desk.on_order[EMERGENCY] + (desk.on_order[ORDINARY] if kind == ORDINARY else 0)
        return sum(self.stock.net(desk.sku, house) for house in desk.warehouses) + owed

    # when

    def _place(self, desk: Desk, kind: int) -> int:
        return priority(CONTROL, REVIEWS, 2 * desk.number + kind)

    def _next_review(self, desk: Desk, kind: int) -> simpy.Event:
        """The next review; where there are none, the beginning of the supplier's next period."""
        now_us, every_us = self.env.now, self.plan.review_us
        if every_us == 0:
            every_us, time_us = self.plan.capacity_every_us, 0
        else:
            time_us = self.plan.offset_us or every_us
        while time_us <= now_us:
            time_us += every_us
        return self.env.at(time_us, self._place(desk, kind))

    def _until(self, desk: Desk, kind: int, level: int) -> ProcessGenerator:
        """Process: wait until what counts has fallen to `level`."""
        if self._counted(desk, kind) > level:
            event = self.env.event()
            desk.waiting.append((kind, level, event))
            yield event
        elif desk.woken_us[kind] == self.env.now:  # it could not be lifted: not again at this instant
            self.met["looked_again_later"] += 1
            yield self._next_review(desk, kind)
        else:
            desk.woken_us[kind] = self.env.now
            yield self.env.at(self.env.now, self._place(desk, kind))

    def _fallen(self, cells: set[tuple[int, int]]) -> None:
        """An order has taken units of these cells: a level that was reached is acted on a microsecond later."""
        desks = [self.by_cell[cell] for cell in cells if cell in self.by_cell]
        reached = any(self._counted(desk, kind) <= level for desk in desks for kind, level, _ in desk.waiting)
        time_us = self.env.now + 1
        if reached and time_us not in self.looks:
            self.looks.add(time_us)
            self.env.call(time_us, priority(CONTROL, REVIEWS, _AFTER_REVIEWS), self._wake)

    def _wake(self) -> None:
        for desk in self.desks:
            for kind in (ORDINARY, EMERGENCY):
                for wait in list(desk.waiting):
                    if wait[0] == kind and self._counted(desk, kind) <= wait[1]:
                        self.met["thresholds"] += 1
                        desk.waiting.remove(wait)
                        desk.woken_us[kind] = self.env.now
                        wait[2].succeed()

    # what

    def _taken_on(self, wanted: int) -> int:
        """How much of it the ordinary supplier delivers."""
        if wanted <= 0:
            return 0
        units = max(wanted, self.plan.minimum_order)
        if self.plan.capacity == 0:
            return units
        period = self.env.now // self.plan.capacity_every_us
        left = self.plan.capacity - self.taken[period]
        if left < units:
            self.met["supplier_short"] += 1
            units = left
        if units == 0 or units < self.plan.minimum_order:
            return 0
        self.taken[period] += units
        return units

    def _buy(self, desk: Desk, kind: int, units: int, laws: list[Law] | None = None) -> None:
        if units <= 0:
            return
        lead_time_us = self._lead_time_us(desk, kind)
        due_us = self.env.now + lead_time_us
        warehouse = desk.warehouses[0] if self.plan.allocation == "none" or len(self.houses) == 1 else -1
        self.purchases.append(Purchase(self.env.now, desk.sku, warehouse, units, due_us, kind))
        desk.orders[kind] += 1
        desk.on_order[kind] += units
        if lead_time_us == 0:
            self._receive(desk, kind, units, laws)
        else:
            place = priority(CONTROL, RECEIPTS, desk.number)
            self.env.call(due_us, place, lambda: self._receive(desk, kind, units, laws))

    def _lead_time_us(self, desk: Desk, kind: int) -> int:
        """That of the desk's n-th order with this supplier: the n-th number of a stream of its own."""
        law: Duration = self.plan.lead_time
        if kind == EMERGENCY:
            assert self.plan.emergency is not None
            law = self.plan.emergency.lead_time
        if law.dist == "constant":
            return law.mean_us
        name = f"{('supplier', 'emergency')[kind]}/{desk.name}"
        return at_u32(law_table(law), lead_time_u32(*self.seed, name, desk.orders[kind]))

    def _receive(self, desk: Desk, kind: int, units: int, laws: list[Law] | None) -> None:
        desk.on_order[kind] -= units
        shares = [units]
        if len(desk.warehouses) > 1:
            have = [self.stock.net(desk.sku, house) for house in desk.warehouses]
            laws = self.plans.laws(desk.sku, self._stretch_us()) if laws is None else laws
            shares = self.plans.share_out(self.plan.allocation, units, have, laws)
            self.met["shared_out"] += sum(share > 0 for share in shares) > 1
        for house, share in zip(desk.warehouses, shares, strict=True):
            if share > 0:
                self.stock.receive(desk.sku, house, share)
                self.receipts.append(Receipt(self.env.now, desk.sku, house, share))
        self.stock.on_more()

    def _stretch_us(self) -> int:
        """How long an order lasts: a review and the median lead time."""
        stretch_us = self.plan.review_us + at_u32(law_table(self.plan.lead_time), 2**31)
        horizon_us = self.scenario.horizon_us
        return horizon_us if stretch_us == 0 else min(stretch_us, horizon_us)

    def cost_minor(self) -> int:
        """Each order has its cost, each unit that the emergency supplier delivered its surcharge."""
        cost = len(self.purchases) * to_reporting_minor(self.scenario, self.plan.order_cost)
        if self.plan.emergency is not None:
            surcharge = to_reporting_minor(self.scenario, self.plan.emergency.surcharge)
            for purchase in self.purchases:
                if purchase.emergency and purchase.due_us < self.scenario.horizon_us:
                    cost += surcharge * purchase.units
        return cost
