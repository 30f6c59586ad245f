"""Parcels that are packed and wait for their carrier, a dock each; what finds no room goes to the next carrier's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.arrays import Ints
from sim.demand.trace import Trace
from sim.flow.batches import take_batch
from sim.flow.jit import choose
from sim.flow.pages import moved, pages
from sim.operations.collecting import CARRIER_USE, FURTHER_USE, find_cancelled
from sim.operations.front import state as fs
from sim.operations.parcels import Parcels
from sim.scenario.freight import asked_carriers, carriage_of
from sim.scenario.parts.logistics import Warehouse
from sim.scenario.quantiles import derived_u32s
from sim.scenario.schema import Scenario

Ids = npt.NDArray[np.int32]


class Dock:
    """Parcels of one carrier, first packed first."""

    def __init__(self, fast: bool) -> None:
        self._find_cancelled = choose(find_cancelled, fast)
        self._ids: Ids = np.empty(0, dtype=np.int32)
        self._ats: Ints = np.empty(0, dtype=np.int64)
        self._packed = 0
        self.carried = 0

    def put_down(self, ids: Ids, at_us: Ints) -> None:
        """Parcels are packed, after all that were packed before."""
        count, packed = self._packed, self._packed + len(ids)
        if packed > len(self._ids):
            self._ids, self._ats = moved(self._ids, 0, count, 2 * packed), moved(self._ats, 0, count, 2 * packed)
        self._ids[count:packed], self._ats[count:packed] = ids, at_us
        self._packed = packed

    def merge(self, ids: Ids, at_us: Ints) -> None:
        """Parcels come from another carrier's dock; each takes its place by the time it was packed, then by number."""
        ids = np.concatenate((self._ids[: self._packed], ids))
        at_us = np.concatenate((self._ats[: self._packed], at_us))
        rank = np.lexsort((ids, at_us))
        self._ids, self._ats, self._packed = ids[rank], at_us[rank], len(ids)

    def pick_up(self, limit_us: int, capacity: int, handle: fs.Front) -> tuple[Ids, int]:
        """The carrier takes what was packed by `limit_us`: (orders taken, how many found no room); first packed first.

        Those that found no room are then the first of the dock.
        """
        ids, at_us = self._ids[: self._packed], self._ats[: self._packed]
        gone = pages(int(np.searchsorted(at_us, limit_us, side="right")), np.uint8)
        self._find_cancelled(handle, ids[: len(gone)], gone)
        taken, ids, at_us, left = take_batch(ids, at_us, gone.view(np.bool_), limit_us, capacity)
        self.carried += left
        self._packed = len(ids)
        self._ids, self._ats = moved(ids, 0, len(ids), len(ids)), moved(at_us, 0, len(ids), len(ids))
        return taken, left

    def take_first(self, count: int) -> tuple[Ids, Ints]:
        """Take the first parcels away: (orders, times)."""
        ids, at_us = self._ids[:count].copy(), self._ats[:count].copy()
        self._ids, self._ats = self._ids[count : self._packed].copy(), self._ats[count : self._packed].copy()
        self._packed -= count
        return ids, at_us

    def release(self) -> None:
        """Give back the memory of the queue."""
        self._ids, self._ats, self._packed = self._ids[:0].copy(), self._ats[:0].copy(), 0


class Docks:
    """The docks of one warehouse: one, or one for each of its carriers, and who gets a parcel."""

    def __init__(self, scenario: Scenario, trace: Trace, number: int, parcels: Parcels, fast: bool) -> None:
        plan = scenario.warehouses[number]
        self.cut_off_us = plan.cut_off_us
        self.docks = [Dock(fast) for _ in plan.carriers or (None,)]
        self._choice = _Choice(scenario, trace, number, parcels) if plan.carriers else None

    def put_down(self, f: fs.Front, ids: Ids, at_us: Ints) -> None:
        """Parcels are packed: each goes to the dock of the carrier that is its first choice."""
        if self._choice is None:
            self.docks[0].put_down(ids, at_us)
            return
        first = self._choice.first(f, ids)
        for carrier, dock in enumerate(self.docks):
            mine = first == carrier
            if mine.any():
                dock.put_down(ids[mine], at_us[mine])

    def pick_up(self, carrier: int, now_us: int, capacity: int, handle: fs.Front, f: fs.Front) -> Ids:
        """A carrier comes: returns the orders whose parcels it takes; for the others the next one's dock."""
        taken, left = self.docks[carrier].pick_up(min(now_us - 1, now_us - self.cut_off_us), capacity, handle)
        if left and self._choice is not None and len(self.docks) > 1:
            ids, at_us = self.docks[carrier].take_first(left)
            following = self._choice.after(f, ids, carrier)
            for other in np.unique(following).tolist():
                self.docks[other].merge(ids[following == other], at_us[following == other])
        return taken


class _Choice:
    """Which carrier gets a parcel first, and which is asked after which: by region, in a ring."""

    def __init__(self, scenario: Scenario, trace: Trace, number: int, parcels: Parcels) -> None:
        self._number, self._parcels = number, parcels
        plan = scenario.warehouses[number]
        terms = carriage_of(scenario, number)
        self._loss_u32 = trace.carts["loss_u32"]
        self._limits = _limits(plan) if plan.carrier_choice == "share" else None
        ring = [asked_carriers(scenario, plan, [row[r] for row in terms]) for r in range(len(scenario.regions))]
        self._first = np.array([order[0] for order in ring], np.int64)
        self._after = np.array(
            [[order[(order.index(c) + 1) % len(order)] for c in range(len(order))] for order in ring]
        )

    def first(self, f: fs.Front, ids: Ids) -> npt.NDArray[np.int64]:
        """The first choice of each order's parcel."""
        if self._limits is None:
            return np.asarray(self._first[f.line_region[f.first[ids]]])
        uniforms, places = self._loss_u32[ids], self._parcels.places(ids, f.small, self._number)
        for place in np.unique(places[places > 0]).tolist():
            further = places == place
            uniforms[further] = derived_u32s(uniforms[further], FURTHER_USE + place)
        return np.asarray(np.searchsorted(self._limits, derived_u32s(uniforms, CARRIER_USE), side="right"))

    def after(self, f: fs.Front, ids: Ids, carrier: int) -> npt.NDArray[np.int64]:
        """Who is asked after `carrier`."""
        return np.asarray(self._after[f.line_region[f.first[ids]], carrier])


def _limits(plan: Warehouse) -> npt.NDArray[np.int64]:
    """Ends of the carriers' shares in 32-bit uniforms, all but the last."""
    total = np.cumsum([carrier.share for carrier in plan.carriers])
    return np.asarray(np.rint(total[:-1] * 2**32), np.int64)
