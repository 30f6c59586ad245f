"""From a confirmed order to the door and back: waves, pickers, packers, the carrier, delivery, returns."""

from __future__ import annotations

from bisect import insort
from collections import Counter

from simpy.events import ProcessGenerator

from sim.demand.trace import CANCEL_BEFORE_SHIPPING, REFUND_ONLY, RETURN
from sim.orders.states import Reason, State
from sim.scenario.calendar import capacity_changes, overtime_times, pick_up_times
from sim.scenario.parts.carriage import Carriage
from sim.scenario.parts.logistics import Warehouse as WarehouseOptions
from sim.scenario.quantiles import at_u32, derived_u32
from sim.scenario.schema import Scenario
from sim.scenario.tables import carriage_table
from tests.oracle.allocation import rules
from tests.oracle.carriers import CUSTOMS_DELAY_USE, CUSTOMS_USE, FURTHER_USE, Carriers
from tests.oracle.clock import (
    BACK,
    COMPLETION,
    CONTROL,
    PARCEL,
    PICK_UPS,
    SHIFTS,
    WAVES,
    Clock,
    Grid,
    Pool,
    follow,
    priority,
)
from tests.oracle.records import Order, Parcel, law_table
from tests.oracle.stock import Stock


class Crew(Pool):
    """Pickers or packers: those planned, and those called for overtime."""

    planned, more = 0, 0

    def change(self, servers: int) -> None:
        """From now on so many are planned."""
        self.planned = servers
        super().change(self.planned + self.more)

    def add(self, servers: int) -> None:
        """So many more work, or fewer."""
        self.more += servers
        super().change(self.planned + self.more)


class Warehouse:
    """One warehouse: parcels that wait for a wave, pickers, packers, and the dock of packed parcels."""

    def __init__(
        self, env: Clock, scenario: Scenario, number: int, options: WarehouseOptions, stock: Stock, met: Counter[str]
    ) -> None:
        self.env, self.options, self.stock, self.met = env, options, stock, met
        self.waiting: list[Parcel] = []  # for a wave, first confirmed first
        self.carriers = Carriers(scenario, number)
        self.docks: list[list[Parcel]] = [[] for _ in self.carriers.rows]  # for each carrier, first packed first
        self.carried = [0 for _ in self.carriers.rows]
        self.pickers = self._pool(scenario, number, 0)
        self.packers = self._pool(scenario, number, 1)
        self.waves: Grid | None = None
        if options.waves is not None:
            self.waves = Grid(env, options.waves.every_us, priority(CONTROL, WAVES, number), self._wave)
        for carrier, (row, plan) in enumerate(self.carriers.rows):
            env.process(self._carrier(pick_up_times(scenario, options, plan), carrier, row))
        self.parcels: list[Parcel] = []  # all that it has to send
        self.overtime: list[tuple[int, int, int]] = []  # (time, row, backlog) of those called
        for time_us, row in overtime_times(scenario, options):
            env.process(self._overtime(time_us, row, 1 + 2 * len(scenario.warehouses) + number))

    def _overtime(self, time_us: int, row: int, rank: int) -> ProcessGenerator:
        """Process: look at the backlog, and call for more hands if it is too long."""
        plan = self.options.overtime[row]
        yield self.env.at(time_us, priority(CONTROL, SHIFTS, rank))
        backlog = sum(parcel.packed_us < 0 and not parcel.order.cancelled for parcel in self.parcels)
        if backlog > plan.backlog:
            self.met["overtime"] += 1
            self.overtime.append((time_us, row, backlog))
            self.pickers.add(plan.pickers)
            self.packers.add(plan.packers)
            yield self.env.at(time_us + plan.length_us, priority(CONTROL, SHIFTS, rank))
            self.pickers.add(-plan.pickers)
            self.packers.add(-plan.packers)

    def _pool(self, scenario: Scenario, number: int, packs: int) -> Crew:
        changes = capacity_changes(scenario, self.options.packers if packs else self.options.pickers)
        pool = Crew(self.env, changes[0][1], PARCEL)
        pool.planned = changes[0][1]
        self.env.process(follow(self.env, pool, changes[1:], 1 + 2 * number + packs))
        return pool

    def fulfil(self, parcel: Parcel) -> ProcessGenerator:
        """Process, from confirmation on: wave, pick, pack, wait for the carrier; ends early if cancelled."""
        order = parcel.order
        self.parcels.append(parcel)
        if self.waves is not None:
            self.waiting.append(parcel)
            self.waves.due(self.env.now + 1)  # a wave takes what was confirmed before it
            yield parcel.released
        worked = yield from self._work(self.pickers, parcel, order.pick_us)
        if worked:
            parcel.picked_us = self.env.now
            worked = yield from self._work(self.packers, parcel, order.pack_us)
        if worked:
            parcel.packed_us = self.env.now
            if not order.cancelled:
                self._to_dock(parcel)
                yield parcel.collected

    def _work(self, pool: Pool, parcel: Parcel, work_us: int) -> ProcessGenerator:
        """Whether the parcel was worked on: cancelled when its turn comes, it is passed over and takes no time."""
        if parcel.order.cancelled:
            return False
        request = pool.request()
        yield request
        goes = not parcel.order.cancelled
        if goes:
            place = priority(COMPLETION, PARCEL, parcel.order.number, parcel.position)
            yield self.env.at(self.env.now + work_us, place)
        else:
            self.met["parcel_passed_over"] += 1
        pool.release(request)
        return goes

    def _to_dock(self, parcel: Parcel) -> None:
        order = parcel.order
        self.docks[self.carriers.first(parcel)].append(parcel)
        if order.state == State.AWAITING_SHIPMENT and all(other.packed_us >= 0 for other in order.parcels):
            order.go(State.AWAITING_COLLECTION)

    def _wave(self) -> None:
        assert self.options.waves is not None
        assert self.waves is not None
        self.waiting = [parcel for parcel in self.waiting if not parcel.order.cancelled]
        ready = [parcel for parcel in self.waiting if parcel.order.ready_us < self.env.now]  # they come first
        number = self.options.waves.capacity or len(ready)
        for parcel in ready[:number]:
            parcel.released.succeed()
        self.waiting = self.waiting[min(number, len(ready)) :]
        if self.waiting:
            self.met["wave_left_behind"] += 1
            self.waves.due(self.env.now + 1)

    def _carrier(self, pick_ups: list[tuple[int, int]], carrier: int, row: int) -> ProcessGenerator:
        """Process: a carrier comes and takes what is ready; what finds no room is told to the next."""
        for time_us, capacity in pick_ups:
            yield self.env.at(time_us, priority(CONTROL, PICK_UPS, row))
            latest_us = min(time_us - 1, time_us - self.options.cut_off_us)
            dock = [parcel for parcel in self.docks[carrier] if not parcel.order.cancelled]
            ready = [parcel for parcel in dock if parcel.packed_us <= latest_us]
            room = min(capacity or len(ready), len(ready))
            self.docks[carrier] = dock[room:]  # those ready come first, for they were packed first
            self.carried[carrier] += len(ready) - room
            for parcel in ready[room:]:
                following = self.carriers.after(carrier, parcel.order)
                if following != carrier:
                    self.met["told_to_the_next"] += 1
                    self.docks[carrier].remove(parcel)
                    insort(self.docks[following], parcel, key=lambda each: (each.packed_us, each.order.number))
            for parcel in ready[:room]:
                parcel.carrier = row
                self._collect(parcel)

    def _collect(self, parcel: Parcel) -> None:
        order = parcel.order
        parcel.collected_us = self.env.now
        self.stock.ship(parcel.takes)
        gone = all(other.collected_us >= 0 for other in order.parcels)
        order.go(State.IN_TRANSIT if gone else State.PARTIALLY_SHIPPING)
        parcel.collected.succeed()


class Logistics:
    """All warehouses and lanes, and what happens at the buyer's door and after."""

    def __init__(self, env: Clock, scenario: Scenario, stock: Stock, met: Counter[str]) -> None:
        self.env, self.stock, self.met = env, stock, met
        self.warehouses = [
            Warehouse(env, scenario, number, options, stock, met) for number, options in enumerate(scenario.warehouses)
        ]
        self.terms = carriage_table(scenario)
        self.rules = rules(scenario)
        sales = scenario.after_sales
        self.return_delay, self.return_transit = (
            law_table(sales.return_delay),
            law_table(sales.return_transit),
        )
        self.return_window_us, self.late_cancels = sales.return_window_us, sales.late_cancels

    def fulfil(self, order: Order) -> None:
        """A confirmed order: one parcel for each warehouse that serves it."""
        for position, warehouse in enumerate(self._serving(order)):
            takes = [take for take in order.takes if take.warehouse == warehouse]
            luck = _luck(order, position)
            order.parcels.append(Parcel(order, position, warehouse, takes, *luck, self.env.event(), self.env.event()))
        for parcel in order.parcels:
            self.env.process(self._parcel(parcel))

    def _serving(self, order: Order) -> list[int]:
        """The warehouses of an order, in the order in which they are asked."""
        serving = {take.warehouse for take in order.takes}
        return [warehouse for warehouse in self.rules[order.region].asked if warehouse in serving]

    def _parcel(self, parcel: Parcel) -> ProcessGenerator:
        """Process: the whole way of a parcel; the last of an order's parcels to arrive decides how it goes on."""
        order = parcel.order
        yield from self.warehouses[parcel.warehouse].fulfil(parcel)
        if parcel.collected_us < 0:
            return
        terms = self.terms[parcel.carrier][order.region]
        transit_us = max(1, at_u32(law_table(terms.lead_time), parcel.transit_u32)) + self._at_customs_us(terms, parcel)
        yield self.env.at(self.env.now + transit_us, priority(COMPLETION, BACK, order.number, parcel.position))
        parcel.arrived_us = self.env.now
        parcel.lost = int(parcel.loss_u32 < round(terms.lost * 2**32))
        self.met["lost_parcels"] += parcel.lost
        if all(other.arrived_us >= 0 for other in order.parcels):
            if all(other.lost for other in order.parcels):
                order.cancel(self.env.now, Reason.LOST)
            else:
                order.go(State.DELIVERED)
                order.delivered_us = self.env.now
                self.met["part_lost"] += any(other.lost for other in order.parcels)
                yield from self._after_delivery(order)

    def _at_customs_us(self, terms: Carriage, parcel: Parcel) -> int:
        """How long customs keep a parcel."""
        if terms.customs is None or derived_u32(parcel.loss_u32, CUSTOMS_USE) >= round(terms.customs.held * 2**32):
            return 0
        self.met["held_by_customs"] += 1
        return at_u32(law_table(terms.customs.delay), derived_u32(parcel.loss_u32, CUSTOMS_DELAY_USE))

    def _after_delivery(self, order: Order) -> ProcessGenerator:
        wait_us, reason = self.return_window_us, Reason.NOTHING
        if order.after == RETURN:
            delay_us = at_u32(self.return_delay, order.after_u32)
            wait_us, reason = max(1, delay_us + at_u32(self.return_transit, order.back_u32)), Reason.RETURNED
        elif order.after == REFUND_ONLY:
            wait_us, reason = max(1, at_u32(self.return_delay, order.after_u32)), Reason.REFUNDED
        elif order.after == CANCEL_BEFORE_SHIPPING and self.late_cancels == "return":  # it came, or comes, too late
            wait_us = max(0, order.cancel_us - self.env.now) + max(1, at_u32(self.return_transit, order.back_u32))
            reason = Reason.RETURNED
        yield self.env.at(self.env.now + wait_us, priority(COMPLETION, BACK, order.number))
        order.go(State.COMPLETED)
        order.reason, order.closed_us = reason, self.env.now
        self.met["came_back_unwanted"] += reason == Reason.RETURNED and order.after == CANCEL_BEFORE_SHIPPING
        if reason == Reason.RETURNED and order.restock:
            order.restocked = True
            self.stock.put_back([take for parcel in order.parcels if not parcel.lost for take in parcel.takes])


def _luck(order: Order, position: int) -> tuple[int, int]:
    """Uniforms of transit and of loss: the first parcel has the order's, every further one others made of them."""
    if position == 0:
        return order.transit_u32, order.loss_u32
    use = FURTHER_USE + position
    return derived_u32(order.transit_u32, use), derived_u32(order.loss_u32, use)
