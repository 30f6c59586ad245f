"""The front as a flow: checkout, payment and confirmation, moved in bulk; and what control events may do to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.demand.trace import Trace
from sim.flow.calendar_queue import FAR, NEAR_SIZE, grown, remove_where, schedule, shrunk
from sim.flow.jit import choose, kernel
from sim.flow.pages import moved, pages
from sim.flow.structs import handle
from sim.operations.front import state as fs
from sim.operations.front.build import LONGEST_WORK_US, build_front
from sim.operations.front.engine import void_request
from sim.operations.front.kernel import NEEDS_ROOM, advance
from sim.operations.front.orders import cancel, event_key
from sim.operations.front.waiting import units_came
from sim.scenario.schema import Scenario
from sim.scenario.tables import deal_table

SPARE_BLOCKS, SPARE_ENTRIES = 1 << 14, 1 << 16  # less than this is not worth giving back


@kernel
def _void_all(f: fs.Front, keys: npt.NDArray[np.int64], now: int) -> None:
    for key in keys:
        void_request(f, int(key), now)


@kernel
def _cancel_all(f: fs.Front, orders: npt.NDArray[np.int32], reason: int, now: int) -> None:
    for order in orders:
        cancel(f, int(order), reason, now)


@kernel
def _schedule_all(
    f: fs.Front, code: int, orders: npt.NDArray[np.int32], times_us: npt.NDArray[np.int64], start: int, end: int
) -> None:
    for k in range(start, end):
        schedule(f, int(times_us[k]), event_key(code, int(orders[k]), 0))


class FrontFlow:
    """Runs the front's kernel; `state` is its arrays. `fast` chooses machine code."""

    def __init__(self, scenario: Scenario, trace: Trace, fast: bool) -> None:
        self.fast = fast
        self._set_state(build_front(scenario, trace))
        self.receipts: list[tuple[int, int, int, int]] = []  # (time_us, sku, warehouse, units) of replenishment
        self.on_crossing: Callable[[int], None] | None = None  # plans what a crossed threshold leads to at that time
        self._advance = choose(advance, fast)
        self._void_all = choose(_void_all, fast)
        self._schedule_all = choose(_schedule_all, fast)
        self._cancel_all = choose(_cancel_all, fast)
        self._units_came = choose(units_came, fast)
        self.confirmed = 0
        self.passed = {"placed": 0, "paid": 0}  # entries of these lists that were given back
        self._workers, self._out = 0, False
        self._deals_end_us = max((deal.close_us for deal in deal_table(scenario)), default=0)

    def _set_state(self, state: fs.Front) -> None:
        self.state, self.handle = state, handle(state, self.fast)

    def catch_up(self, end_us: int) -> int:
        """Let everything due before `end_us` happen, or before the microsecond after a threshold is crossed."""
        reg = self.state.reg
        reg[fs.STOP_US] = end_us
        while self._advance(self.handle) == NEEDS_ROOM:
            self._make_room()
        self._give_back()
        stop_us = int(reg[fs.STOP_US])
        if reg[fs.CROSSED]:
            self._tell_crossing(stop_us)
        return stop_us

    def _tell_crossing(self, time_us: int) -> None:
        self.state.reg[fs.CROSSED] = 0
        if self.on_crossing is not None:
            self.on_crossing(time_us)

    def newly_confirmed(self) -> tuple[npt.NDArray[np.int32], fs.U8]:
        """Orders confirmed since the last call, in order, and their warehouses. Good until the front moves on."""
        f, count = self.state, int(self.state.reg[fs.CONFIRMED_TAIL])
        f.reg[fs.CONFIRMED_TAIL] = 0
        self.confirmed += count
        if count > SPARE_ENTRIES:  # give back what was used
            fresh = {name: pages(len(f.confirmed), getattr(f, name).dtype) for name in ("confirmed", "confirmed_house")}
            self._set_state(f._replace(**fresh))
        return f.confirmed[:count], f.confirmed_house[:count]

    def set_workers(self, workers: int) -> None:
        """Change the engine's planned capacity; in force at once unless the engine is out."""
        self._workers = workers
        self.state.reg[fs.WORKERS] = 0 if self._out else workers

    def set_staff(self, staff: int) -> None:
        """Change how many confirm orders."""
        self.state.reg[fs.STAFF] = staff

    def end_outage(self) -> None:
        """The engine starts work again."""
        self._out = False
        self.set_workers(self._workers)

    def start_outage(self, crash: bool, now_us: int) -> None:
        """No work starts; a crash also loses the work in service, at workers and store."""
        self._out = True
        self.set_workers(self._workers)
        if crash:
            keys = np.array(sorted(self._lose_work()), dtype=np.int64)
            self._reserve(len(keys))
            needed = int(self.state.reg[fs.RELEASING_TAIL]) + len(keys) + fs.LIST_ROOM
            self._set_state(self.state._replace(releasing=_larger(self.state.releasing, needed)))
            self._void_all(self.handle, keys, now_us)

    def _lose_work(self) -> list[int]:
        """Take every request in service away; returns their keys (stage, order, attempt)."""
        f, reg = self.state, self.state.reg
        at_workers = remove_where(
            f, event_key(fs.WORKED, 0, 0), event_key(fs.GROUP_DONE, 0, 0), int(reg[fs.NOW]) + LONGEST_WORK_US
        )
        mask = len(f.commit_key) - 1
        at_store = [int(f.commit_key[k & mask]) for k in range(reg[fs.COMMIT_HEAD], reg[fs.COMMIT_TAIL])]
        reg[fs.BUSY], reg[fs.COMMIT_HEAD], reg[fs.GROUP_END_US] = 0, reg[fs.COMMIT_TAIL], FAR
        return [key - event_key(fs.WORKED, 0, 0) for key in at_workers] + at_store

    def cancel_all(self, orders: npt.NDArray[np.int32], reason: int, now_us: int) -> None:
        """Cancel these orders for `reason`; what is collected, or ended before, stays as it is."""
        needed = int(self.state.reg[fs.RELEASING_TAIL]) + len(orders) + fs.LIST_ROOM
        self._set_state(self.state._replace(releasing=_larger(self.state.releasing, needed)))
        self._cancel_all(self.handle, orders, reason, now_us)

    def available(self, sku: int, house: int) -> int:
        """Units that can be sold, those kept for some contents among them."""
        units = int(self.state.stock[fs.AVAILABLE, sku, house])
        if self.state.reg[fs.RESERVES]:
            kept = self.state.reserve[self.state.reserve_first[sku] : self.state.reserve_first[sku + 1]]
            units += int(kept[kept[:, fs.R_HOUSE] == house, fs.R_LEFT].sum())
        return units

    def waited_for(self, sku: int, house: int) -> int:
        """Units that orders wait for whose region asks this warehouse first."""
        return int(self.state.waiting[sku, house]) if self.state.reg[fs.WAITERS] else 0

    def low_cells(self) -> list[tuple[int, int]]:
        """Every (SKU, warehouse) whose units may be at a threshold or under, in order; (SKU, 0) with pools.

        Units kept for some contents are left out here, which can only make it seem lower.
        """
        f = self.state
        net = f.stock[fs.AVAILABLE] - f.waiting
        if f.reg[fs.WATCHED] == fs.POOLS:
            net = net.sum(axis=1, keepdims=True)
        return [(int(sku), int(house)) for sku, house in np.argwhere(net <= f.threshold[:, : net.shape[1]])]

    def receive(self, now_us: int, sku: int, house: int, units: int) -> None:
        """Ordered units arrive."""
        for field in (fs.AVAILABLE, fs.ON_HAND, fs.RECEIVED):
            self.state.stock[field, sku, house] += units
        self.receipts.append((now_us, sku, house, units))

    def release_reserve(self, rows: list[int], now_us: int) -> None:
        """What is left of one SKU in these rows of `reserve` is anybody's; who waits for it is served."""
        for kept in self.state.reserve[rows]:
            self.state.stock[fs.AVAILABLE, kept[fs.R_SKU], kept[fs.R_HOUSE]] += kept[fs.R_LEFT]
        sku = int(self.state.reserve[rows[0], fs.R_SKU])
        self.state.reserve[rows, fs.R_SIZE] = self.state.reserve[rows, fs.R_LEFT] = 0
        self.serve_waiting(sku, now_us)

    def serve_waiting(self, sku: int, now_us: int) -> None:
        """A control event has made units of a SKU available: who waits for them is served."""
        reg = self.state.reg
        if reg[fs.WAITERS] > 0:
            needed = int(reg[fs.ALLOCATED] + (reg[fs.WAITERS] + 1) * reg[fs.ROWS_A_CART])
            self._set_state(self.state._replace(allocations=_larger(self.state.allocations, needed)))
            self._units_came(self.handle, sku, now_us)
            if reg[fs.CROSSED]:
                self._tell_crossing(now_us + 1)

    def plan_restocks(self, orders: npt.NDArray[np.int32], times_us: npt.NDArray[np.int64]) -> None:
        """Returned orders whose units go back on the shelf at the given times (all after now)."""
        self._reserve(len(orders))
        self._schedule_all(self.handle, fs.RESTOCK, orders, times_us, 0, len(orders))

    def release(self) -> None:
        """Give back the memory that only running needs. The front can still be read, but not run."""
        spent = (
            "placed", "paid", "confirmed", "confirmed_house", "pool", "near", "sorted", "bins", "sizes", "slots",
            "ring_key", "ring_at", "commit_key", "commit_at", "deal_slot", "bought", "queue", "ready_us",
        )  # fmt: skip
        empty: dict[str, Any] = {name: getattr(self.state, name)[:0].copy() for name in spent}
        self._set_state(self.state._replace(**empty))

    def forget_lines(self) -> None:
        """Give back the index of the trace's lines too. The carts' stock cannot be counted after this."""
        self._set_state(self.state._replace(first=np.empty(0, dtype=np.int32)))

    def _reserve(self, events: int) -> None:
        f = self.state
        larger = grown(f, events + 64, int(f.cal[NEAR_SIZE]) + events + 64, len(f.sorted))
        if larger is not f:
            self._set_state(larger)

    def _give_back(self) -> None:
        """Give back memory whose peak is over: blocks of the calendar, and what is behind the heads of the lists."""
        f, reg = self.state, self.state.reg
        room = fs.EVENTS_A_CHECK * (3 * int(reg[fs.MAX_GROUP]) + 16)  # what the kernel wants to be free
        smaller = shrunk(f, max(room, SPARE_BLOCKS), self.fast)
        if len(f.bought) > SPARE_ENTRIES and reg[fs.NOW] >= self._deals_end_us:
            smaller = smaller._replace(bought=np.zeros(1, dtype=np.int32))  # only open deals count
        for name, head, tail in (("placed", fs.EXPIRY_HEAD, fs.PLACED_TAIL), ("paid", fs.HOLD_HEAD, fs.PAID_TAIL)):
            entries, past = getattr(f, name), int(reg[head])
            if past > max(len(entries) // 4, SPARE_ENTRIES):
                kept = moved(entries, past, int(reg[tail]), len(entries) - past)
                smaller = smaller._replace(**{name: kept})
                reg[head], reg[tail] = 0, int(reg[tail]) - past
                self.passed[name] += past
        if smaller is not f:
            self._set_state(smaller)

    def _make_room(self) -> None:
        """Enlarge whatever array the kernel has nearly filled."""
        reg = self.state.reg
        f = grown(self.state, int(reg[fs.NEED_BLOCKS]), int(reg[fs.NEED_NEAR]), int(reg[fs.NEED_SORTED]))
        reg[fs.NEED_BLOCKS] = reg[fs.NEED_NEAR] = reg[fs.NEED_SORTED] = 0
        ring_used = int(reg[fs.RING_TAIL] - reg[fs.RING_OUT])
        commit_used = int(reg[fs.COMMIT_TAIL] - reg[fs.COMMIT_HEAD])
        larger = f._replace(
            ring_key=_larger_ring(f.ring_key, int(reg[fs.RING_OUT]), ring_used),
            ring_at=_larger_ring(f.ring_at, int(reg[fs.RING_OUT]), ring_used),
            commit_key=_larger_ring(f.commit_key, int(reg[fs.COMMIT_HEAD]), commit_used),
            commit_at=_larger_ring(f.commit_at, int(reg[fs.COMMIT_HEAD]), commit_used),
            releasing=_larger(f.releasing, int(reg[fs.RELEASING_TAIL]) + fs.LIST_ROOM),
            allocations=_larger(f.allocations, _split_room(reg)),
        )
        self._set_state(larger)


def _split_room(reg: npt.NDArray[np.int64]) -> int:
    """Rows of allocations that the next events may need, if they split all their carts and all those that wait."""
    return int(reg[fs.ALLOCATED] + reg[fs.SPLIT_ROOM] + reg[fs.WAITERS] * reg[fs.ROWS_A_CART])


def _larger(array: npt.NDArray[np.int32], needed: int) -> npt.NDArray[np.int32]:
    if len(array) >= needed:
        return array
    larger = np.empty((max(needed, 2 * len(array)), *array.shape[1:]), dtype=array.dtype)
    larger[: len(array)] = array
    return larger


def _larger_ring(ring: npt.NDArray[np.int64], head: int, used: int) -> npt.NDArray[np.int64]:
    """The same ring in twice the room if it is nearly full; places keep their numbers."""
    if len(ring) - used >= fs.LIST_ROOM:
        return ring
    larger = np.empty(2 * len(ring), dtype=np.int64)
    places = np.arange(head, head + used)
    larger[places & (len(larger) - 1)] = ring[places & (len(ring) - 1)]
    return larger
