"""Confirmed orders become parcels: waves, picking, packing, the carrier's pick-ups, transit, delivery, returns.

What the front has confirmed is moved on in bulk, when there is much of it or when a control event asks: a shift,
overtime, a pick-up. Until then warehouses lag behind, since nothing else of the shop looks at them. What a pick-up
collects decides what returns to the shelf, and when. All else of a parcel is worked out when the run is over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Ints
from sim.demand.trace import Trace
from sim.flow.batches import WaveStation
from sim.flow.environment import MAX_WINDOW_US
from sim.flow.jit import choose
from sim.flow.pages import pages
from sim.flow.stations import Station
from sim.flow.structs import handle
from sim.operations.collecting import (
    CANCELLED,
    RESTOCKS,
    Road,
    arrival_us,
    collect,
    is_lost,
    plan_return,
)
from sim.operations.docks import Docks
from sim.operations.front import state as fs
from sim.operations.front.flow import FrontFlow
from sim.operations.parcels import COLLECTED, PACKED, PICKED, Parcels
from sim.operations.settling import Table, close_records, settle_all, write_deliveries
from sim.operations.shipping import ship_split
from sim.orders.states import State
from sim.scenario.calendar import pick_up_times
from sim.scenario.parts.carriage import Customs
from sim.scenario.quantiles import quantile_table
from sim.scenario.schema import Scenario
from sim.scenario.tables import carriage_table, carrier_table, has_carriers

Ids = npt.NDArray[np.int32]

MANY = 1 << 14  # orders confirmed


def ready_us(f: fs.Front) -> Ints:
    """When orders can go to a warehouse: confirmed, and with their units where they may have waited for them."""
    return f.ready_us if f.reg[fs.WAITS] else f.times[:, fs.CONFIRMED]


class Warehouse:
    """One warehouse: wave, pickers, packers, and the parcels packed and waiting for the carrier."""

    def __init__(self, scenario: Scenario, trace: Trace, number: int, front: FrontFlow, parcels: Parcels) -> None:
        plan, times, fast = scenario.warehouses[number], front.state.times, front.fast
        self.number, self.docks = number, Docks(scenario, trace, number, parcels, fast)
        self.wave: WaveStation | None = None
        if plan.waves:
            came_us, gone_us = ready_us(front.state), times[:, fs.CLOSED]
            self.wave = WaveStation(plan.waves.every_us, plan.waves.capacity, came_us, gone_us, fast)
        self.pickers = Station(trace.carts["pick_us"], times, 0, fast, fs.CLOSED, parcels.picked_us)
        self.packers = Station(trace.carts["pack_us"], times, 0, fast, fs.CLOSED, parcels.packed_us)
        self._planned, self._more = [0, 0], [0, 0]  # pickers, packers

    def plan(self, team: int, servers: int) -> None:
        """From now on so many are planned to be at work; `team` 0 picks, 1 packs."""
        self._planned[team] = servers
        self._staff()

    def add(self, pickers: int, packers: int) -> None:
        """So many more (or fewer) work overtime."""
        self._more = [self._more[0] + pickers, self._more[1] + packers]
        self._staff()

    def _staff(self) -> None:
        self.pickers.servers, self.packers.servers = map(sum, zip(self._planned, self._more, strict=True))

    def backlog(self, f: fs.Front) -> int:
        """Parcels of orders confirmed and not cancelled that are not packed."""
        stations = (self.pickers, self.packers) if self.wave is None else (self.wave, self.pickers, self.packers)
        return sum(int(np.count_nonzero(f.small[each.inside, fs.STATE] != CANCELLED)) for each in stations)

    def move(self, ids: Ids, f: fs.Front, end_us: int, parcels: Parcels) -> None:
        """Take newly confirmed orders and let everything before `end_us` be picked and packed."""
        if self.wave is not None:
            self.wave.join(ids)
            ids, at_us = self.wave.release_until(end_us)
        else:
            at_us = ready_us(f)[ids]
        if len(ids):
            self.pickers.join(ids, at_us)
        for ids, at_us in self.pickers.serve_until(end_us):
            parcels.stamp_splits(PICKED, f.small, ids, self.number, at_us)
            self.packers.join(ids, at_us)
        for ids, at_us in self.packers.serve_until(end_us):
            parcels.stamp_splits(PACKED, f.small, ids, self.number, at_us)
            self.docks.put_down(f, ids, at_us)

    def release(self) -> None:
        """Give back the memory of the queues."""
        for dock in self.docks.docks:
            dock.release()
        self.pickers.release()
        self.packers.release()
        if self.wave is not None:
            self.wave.release()


class Delivery:
    """All warehouses and what follows them."""

    def __init__(self, scenario: Scenario, trace: Trace, front: FrontFlow) -> None:
        self._front, self._fast, self._plans = front, front.fast, scenario.warehouses
        self._caught_up_us = 0
        self.overtime: list[tuple[int, int, int, int]] = []  # (time_us, warehouse, row, backlog) of those called
        self._rows, self._several = carrier_table(scenario), has_carriers(scenario)
        times = (pick_up_times(scenario, scenario.warehouses[row.warehouse], row.carrier) for row in self._rows)
        self.parcels = Parcels(trace.orders, sum(map(len, times)))
        self.houses = [
            Warehouse(scenario, trace, number, front, self.parcels) for number in range(len(scenario.warehouses))
        ]
        self._road = _road(scenario, trace, self.parcels)
        self._collect = choose(collect, self._fast)

    def plan(self, number: int, team: int, servers: int, now_us: int) -> None:
        """From now on so many are planned to be at work in a warehouse; `team` 0 picks, 1 packs."""
        self.follow(now_us)
        self.houses[number].plan(team, servers)

    def decide_overtime(self, number: int, row: int, now_us: int) -> bool:
        """Whether the backlog of a warehouse calls for one of its rows of overtime, which then begins."""
        self.follow(now_us)
        plan = self._plans[number].overtime[row]
        backlog = self.houses[number].backlog(self._front.state)
        if backlog > plan.backlog:
            self.houses[number].add(plan.pickers, plan.packers)
            self.overtime.append((now_us, number, row, backlog))
        return backlog > plan.backlog

    def end_overtime(self, number: int, row: int, now_us: int) -> None:
        """Those who worked overtime go home."""
        self.follow(now_us)
        plan = self._plans[number].overtime[row]
        self.houses[number].add(-plan.pickers, -plan.packers)

    @property
    def carried(self) -> list[int]:
        """By row of carriers: parcels that were in time for a pick-up and found no room."""
        return [dock.carried for house in self.houses for dock in house.docks.docks]

    def catch_up(self, end_us: int) -> int:
        """Follow the front where it has confirmed so much that queues would grow long; otherwise lag behind."""
        if self._front.state.reg[fs.CONFIRMED_TAIL] > MANY:
            self.follow(end_us)
        return end_us

    def follow(self, now_us: int) -> None:
        """Move everything that the front, which is there already, has confirmed, and all that waits, up to now."""
        while self._caught_up_us < now_us:
            self._caught_up_us = min(now_us, self._caught_up_us + MAX_WINDOW_US)
            self._move(self._caught_up_us)

    def _move(self, end_us: int) -> None:
        orders, houses = self._front.newly_confirmed()
        for k in np.flatnonzero(houses == fs.SPLIT).tolist() if len(orders) else []:
            self._split(int(orders[k]))
        for house in self.houses:
            house.move(self._of_house(orders, houses, house.number), self._front.state, end_us, self.parcels)

    def _split(self, order: int) -> None:
        f = self._front.state
        rows = self._allocations(order)
        used = set(f.allocations[rows, 3].tolist())
        region = f.line_region[f.first[order]]
        self.parcels.split(order, [house for house in f.asked[region].tolist() if house in used])

    def _allocations(self, order: int) -> list[int]:
        f, rows = self._front.state, []
        row = int(f.split_at[order])
        while row < f.reg[fs.ALLOCATED] and f.allocations[row, 0] == order:
            rows.append(row)
            row += 1
        return rows

    def _of_house(self, orders: Ids, houses: fs.U8, number: int) -> Ids:
        if not len(orders):
            return orders
        mine = houses == number
        for k in np.flatnonzero(houses == fs.SPLIT).tolist() if self.parcels.of_split else []:
            mine[k] = number in self.parcels.of_split[int(orders[k])]
        chosen: Ids = orders[mine]
        return chosen

    def pick_up(self, carrier: int, capacity: int, now_us: int) -> None:
        """A carrier (by row) comes to its warehouse: parcels leave, and what will return is known."""
        self.follow(now_us)
        house = self._rows[carrier].warehouse
        first = next(number for number, row in enumerate(self._rows) if row.warehouse == house)
        front = self._front
        orders = self.houses[house].docks.pick_up(carrier - first, now_us, capacity, front.handle, front.state)
        if not len(orders):
            return
        self._make_room(len(orders))
        number = self.parcels.begin_pick_up(now_us, carrier)
        self._collect(front.handle, handle(self._road, self._fast), orders, carrier, now_us, number)
        for order in self.parcels.split_among(orders, front.state.small):
            self._collect_split(order, house, now_us, number)
        self._put_back()

    def _make_room(self, orders: int) -> None:
        """Give the road room for the returns of one pick-up."""
        if orders > len(self._road.restock_id):
            self._road = self._road._replace(
                restock_id=np.empty(2 * orders, dtype=np.int32), restock_at=np.empty(2 * orders, dtype=np.int64)
            )

    def _put_back(self) -> None:
        """Plan the returns that the pick-up has settled."""
        count = int(self._road.reg[RESTOCKS])
        self._road.reg[RESTOCKS] = 0
        self._front.plan_restocks(self._road.restock_id[:count], self._road.restock_at[:count])

    def _collect_split(self, order: int, house: int, now_us: int, number: int) -> None:
        """One more parcel of a split order is collected; with the last one its end is known."""
        parcels, f, road = self.parcels, self._front.state, self._road
        stamps = parcels.split_stamps
        stamps[order, house][COLLECTED:] = now_us, number
        ship_split(f, self._allocations(order), house)
        houses = parcels.of_split[order]
        if any(stamps[order, other][COLLECTED] == 0 for other in houses):
            f.small[order, fs.STATE] = int(State.PARTIALLY_SHIPPING)
            return
        f.small[order, fs.STATE] = int(State.IN_TRANSIT)
        by = [parcels.carrier_of(order, other) for other in houses]
        lost = {other for k, other in enumerate(houses) if is_lost(f, road, order, k, by[k])}
        for row in self._allocations(order):
            if int(f.allocations[row, 3]) in lost:
                f.allocations[row, 3] = -1 - f.allocations[row, 3]  # not put back on the shelf by a return
        end_us = max(
            arrival_us(f, road, order, k, by[k], stamps[order, other][COLLECTED]) for k, other in enumerate(houses)
        )
        plan_return(f, road, order, end_us, len(lost) == len(houses))

    def settle(self, horizon_us: int) -> tuple[dict[str, npt.NDArray[Any]], int]:
        """When all is over: the parcels, and how many were collected. Gives back the memory of the queues."""
        front = self._front
        for house in self.houses:
            house.release()
        spent = ("pick_up", "restock_id", "restock_at")
        self._road = self._road._replace(**{name: getattr(self._road, name)[:0].copy() for name in spent})
        choose(close_records, self._fast)(front.handle, horizon_us)
        columns = self.parcels.table(
            front.handle, front.confirmed - len(self.parcels.of_split), self._fast, self._several
        )
        rows = len(columns["order"])
        columns |= {"arrived_us": np.full(rows, -1, dtype=np.int64), "lost": pages(rows, np.uint8)}
        road, table = handle(self._road, self._fast), self._table(columns)
        return columns, choose(settle_all, self._fast)(front.handle, road, table)

    def _table(self, columns: dict[str, npt.NDArray[Any]]) -> Table:
        named = {name: column for name, column in columns.items() if name != "picked_us"}
        return handle(Table(**{"carrier": columns["warehouse"], **named}), self._fast)

    def delivered_us(self, columns: dict[str, npt.NDArray[Any]]) -> Ints:
        """When each order was delivered, -1 not, of the parcels that `settle` gave."""
        delivered_us = np.full(len(self._front.state.times), -1, dtype=np.int64)
        choose(write_deliveries, self._fast)(self._table(columns), delivered_us)
        return delivered_us


def _road(scenario: Scenario, trace: Trace, parcels: Parcels) -> Road:
    """The road at time 0."""
    terms, after = carriage_table(scenario), scenario.after_sales
    takes_back = after.late_cancels == "return"
    borders = any(each.customs is not None for row in terms for each in row)
    shape = len(terms) * borders, len(scenario.regions)
    customs = [[each.customs or Customs() for each in row] for row in terms] if borders else []
    names = ("transit_u32", "loss_u32", "after_u32", "back_u32", "restock")
    return Road(
        reg=np.array([0, scenario.horizon_us, after.return_window_us, borders, takes_back], dtype=np.int64),
        lead=np.array([[quantile_table(each.lead_time) for each in row] for row in terms]),
        loss=np.array([[round(each.lost * 2**32) for each in row] for row in terms], dtype=np.int64),
        held=np.array([[round(each.held * 2**32) for each in row] for row in customs], np.int64).reshape(shape),
        customs=np.array([[quantile_table(each.delay) for each in row] for row in customs], np.int64).reshape(
            *shape, 1025
        ),
        return_delay=quantile_table(after.return_delay),
        return_transit=quantile_table(after.return_transit),
        **{name: np.require(trace.carts[name], requirements=["C", "W"]) for name in names},
        pick_up=parcels.pick_up,
        restock_id=np.empty(1024, dtype=np.int32),
        restock_at=np.empty(1024, dtype=np.int64),
    )
