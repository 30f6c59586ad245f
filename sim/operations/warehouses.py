"""Confirmed orders become parcels: waves, picking, packing, the carrier's pick-ups, transit, delivery, returns.

A flow behind the front: whatever the front has confirmed before the end of a window is moved on in bulk. Pick-ups are
control events; what they collect decides everything that follows, so arrivals and returns are known there and then.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.demand.trace import Trace
from sim.flow.batches import WaveStation, take_batch
from sim.flow.jit import choose
from sim.flow.stations import Station
from sim.flow.structs import handle
from sim.operations import front_state as fs
from sim.operations.collecting import RESTOCKS, Road, collect, settle
from sim.operations.front import FrontFlow
from sim.operations.parcels import Parcels
from sim.operations.shipping import ship_split
from sim.orders.states import State
from sim.scenario.quantiles import quantile_table
from sim.scenario.schema import Scenario
from sim.scenario.tables import lane_table

Ids = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]
CANCELLED = int(State.CANCELLED)


class Warehouse:
    """One warehouse: wave, pickers, packers, and the parcels packed and waiting for the carrier."""

    def __init__(self, scenario: Scenario, trace: Trace, number: int, times: Times, fast: bool) -> None:
        plan = scenario.warehouses[number]
        self.number, self._cut_off_us = number, plan.cut_off_us
        self.wave = (
            WaveStation(plan.waves.every_us, plan.waves.capacity, times[:, fs.CLOSED], fast) if plan.waves else None
        )
        self.pickers = Station(trace.carts["pick_us"], times, 0, fast, fs.CLOSED)
        self.packers = Station(trace.carts["pack_us"], times, 0, fast, fs.CLOSED)
        self._ids: list[Ids] = []
        self._ats: list[Times] = []
        self.carried = 0

    def move(self, ids: Ids, at_us: Times, end_us: int, parcels: Parcels) -> None:
        """Take newly confirmed orders and let everything before `end_us` be picked and packed."""
        if self.wave is not None:
            self.wave.join(ids, at_us)
            ids, at_us = self.wave.release_until(end_us)
        if len(ids):
            self.pickers.join(ids, at_us)
        ids, at_us = self.pickers.serve_until(end_us)
        if len(ids):
            parcels.picked_us[parcels.numbers(ids, self.number)] = at_us
            self.packers.join(ids, at_us)
        ids, at_us = self.packers.serve_until(end_us)
        if len(ids):
            parcels.packed_us[parcels.numbers(ids, self.number)] = at_us
            self._ids.append(ids)
            self._ats.append(at_us)

    def release(self) -> None:
        """Give back the memory of the queues."""
        self._ids, self._ats = [], []
        for station in (self.pickers, self.packers):
            station.release()

    def pick_up(self, now_us: int, capacity: int, small: fs.U8) -> Ids:
        """The carrier comes: returns the orders whose parcels it takes, first packed first."""
        if not self._ids:
            return np.empty(0, dtype=np.int32)
        ids, at_us = np.concatenate(self._ids), np.concatenate(self._ats)
        gone = small[ids, fs.STATE] == CANCELLED
        limit = min(now_us - 1, now_us - self._cut_off_us)
        taken, ids, at_us, left = take_batch(ids, at_us, gone, limit, capacity)
        self.carried += left
        self._ids, self._ats = ([ids], [at_us]) if len(ids) else ([], [])
        return taken


class Delivery:
    """All warehouses and what follows them."""

    def __init__(self, scenario: Scenario, trace: Trace, front: FrontFlow, fast: bool) -> None:
        self._front, self._fast = front, fast
        self.parcels = Parcels(trace.orders)
        self.delivered_us = np.full(trace.orders, -1, dtype=np.int64)
        times = front.state.times
        self.houses = [Warehouse(scenario, trace, number, times, fast) for number in range(len(scenario.warehouses))]
        self._road = _road(scenario, trace, self.parcels, self.delivered_us)
        self._collect = choose(collect, fast)
        self._settle = choose(settle, fast)

    @property
    def carried(self) -> int:
        """Parcels that were in time for a pick-up and found no room."""
        return sum(house.carried for house in self.houses)

    def release(self) -> None:
        """Give back the memory of queues, which only running needs; the parcels keep their stamps."""
        nothing = np.empty(0, dtype=np.int64)
        self._road = self._road._replace(collected_us=nothing, arrived_us=nothing, lost=np.empty(0, dtype=np.uint8))
        for house in self.houses:
            house.release()

    def catch_up(self, end_us: int) -> None:
        """Move everything that the front has confirmed, and all that waits, up to `end_us`."""
        f = self._front.state
        orders = self._front.newly_confirmed()
        houses = f.small[orders, fs.HOUSE]
        split = orders[houses == fs.SPLIT].tolist()
        for order in split:
            self._split(order)
        for house in self.houses:
            mine = orders[houses == house.number] if not split else self._of_house(orders, houses, house.number)
            house.move(mine, f.times[mine, fs.CONFIRMED], end_us, self.parcels)

    def _split(self, order: int) -> None:
        f = self._front.state
        rows = self._allocations(order)
        used = set(f.allocations[rows, 3].tolist())
        region = f.line_region[f.first[order]]
        self.parcels.split(order, [house for house in f.nearest[region].tolist() if house in used])

    def _allocations(self, order: int) -> list[int]:
        f, rows = self._front.state, []
        row = int(f.answers[order, fs.ALLOCATION])
        while row < f.reg[fs.ALLOCATED] and f.allocations[row, 0] == order:
            rows.append(row)
            row += 1
        return rows

    def _of_house(self, orders: Ids, houses: fs.U8, number: int) -> Ids:
        mine = houses == number
        for k in np.flatnonzero(houses == fs.SPLIT).tolist():
            mine[k] = (int(orders[k]), number) in self.parcels.number
        chosen: Ids = orders[mine]
        return chosen

    def pick_up(self, house: int, now_us: int, capacity: int) -> None:
        """The carrier comes to a warehouse: parcels leave, and their arrival is known."""
        f = self._front.state
        orders = self.houses[house].pick_up(now_us, capacity, f.small)
        if not len(orders):
            return
        parcels = self.parcels.numbers(orders, house)
        self._make_room(len(orders))
        self._collect(self._front.handle, handle(self._road, self._fast), orders, parcels, house, now_us)
        for order in orders[parcels >= self.parcels.orders].tolist():
            self._collect_split(order, house)
        self._put_back()

    def _make_room(self, orders: int) -> None:
        """Point the road to the parcels as they are now, and give it room for the returns of one pick-up."""
        parcels, road = self.parcels, self._road
        self._road = road._replace(collected_us=parcels.collected_us, arrived_us=parcels.arrived_us, lost=parcels.lost)
        if orders > len(road.restock_id):
            self._road = self._road._replace(
                restock_id=np.empty(2 * orders, dtype=np.int32), restock_at=np.empty(2 * orders, dtype=np.int64)
            )

    def _put_back(self) -> None:
        """Plan the returns that the pick-up has settled."""
        count = int(self._road.reg[RESTOCKS])
        self._road.reg[RESTOCKS] = 0
        self._front.plan_restocks(self._road.restock_id[:count], self._road.restock_at[:count])

    def _collect_split(self, order: int, house: int) -> None:
        """One more parcel of a split order is collected; with the last one its end is known."""
        parcels, f = self.parcels, self._front.state
        numbers = parcels.of_split[order]
        ship_split(f, self._allocations(order), house)
        if (parcels.collected_us[numbers] < 0).any():
            f.small[order, fs.STATE] = int(State.PARTIALLY_SHIPPING)
            return
        for row in self._allocations(order):
            if parcels.lost[parcels.number[order, int(f.allocations[row, 3])]]:
                f.allocations[row, 3] = -1 - f.allocations[row, 3]  # not put back on the shelf by a return
        end_us, lost = int(parcels.arrived_us[numbers].max()), bool(parcels.lost[numbers].all())
        self._settle(self._front.handle, handle(self._road, self._fast), order, end_us, lost)


def _road(scenario: Scenario, trace: Trace, parcels: Parcels, delivered_us: Times) -> Road:
    """The road at time 0."""
    lanes = lane_table(scenario)
    names = ("transit_u32", "loss_u32", "after", "after_u32", "back_u32", "restock")
    return Road(
        reg=np.array([0, scenario.horizon_us, scenario.after_sales.return_window_us], dtype=np.int64),
        lead=np.array([[quantile_table(lane.lead_time) for lane in row] for row in lanes]),
        loss=np.array([[round(lane.lost * 2**32) for lane in row] for row in lanes], dtype=np.int64),
        return_delay=quantile_table(scenario.after_sales.return_delay),
        return_transit=quantile_table(scenario.after_sales.return_transit),
        **{name: np.require(trace.carts[name], requirements=["C", "W"]) for name in names},
        collected_us=parcels.collected_us,
        arrived_us=parcels.arrived_us,
        lost=parcels.lost,
        delivered_us=delivered_us,
        restock_id=np.empty(1024, dtype=np.int32),
        restock_at=np.empty(1024, dtype=np.int64),
    )
