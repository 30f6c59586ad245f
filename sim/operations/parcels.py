"""The parcels of confirmed orders, as columns.

An order served by one warehouse has one parcel, whose stamps stand under the order's number. A split order has one for
each of its warehouses; those are few and kept apart, in the order of confirmation, nearest warehouse first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Ints
from sim.flow.jit import choose
from sim.flow.pages import pages
from sim.operations.front import state as fs
from sim.operations.settling import gather_rows

PICKED, PACKED, COLLECTED, PICK_UP = range(4)


class Parcels:
    """Stamps (int64 us, 0: not yet) by order, those of split orders by (order, warehouse).

    Instead of the time of collection there is the number of the pick-up, of which there are at most `pick_ups`. An
    entry of a split order in the columns by order means nothing.
    """

    def __init__(self, orders: int, pick_ups: int) -> None:
        self.picked_us = np.zeros(orders, dtype=np.int64)
        self.packed_us = np.zeros(orders, dtype=np.int64)
        self.pick_up: npt.NDArray[Any] = np.zeros(orders, dtype=np.uint16 if pick_ups < 1 << 16 else np.uint32)
        self._pick_up_us, self._pick_up_by = [-1], [-1]  # by number of the pick-up: time, carrier; 0 is none
        self.of_split: dict[int, list[int]] = {}  # split order -> its warehouses
        # (split order, warehouse) -> picked, packed, collected, number of the pick-up
        self.split_stamps: dict[tuple[int, int], list[int]] = {}

    def begin_pick_up(self, now_us: int, carrier: int) -> int:
        """The number of one more pick-up, by a row of carriers."""
        self._pick_up_us.append(now_us)
        self._pick_up_by.append(carrier)
        return len(self._pick_up_us) - 1

    def split(self, order: int, houses: list[int]) -> None:
        """Make the parcels of a split order."""
        self.of_split[order] = houses
        for house in houses:
            self.split_stamps[order, house] = [0, 0, 0, 0]

    def stamp_splits(self, which: int, small: fs.U8, ids: npt.NDArray[np.int32], house: int, at_us: Ints) -> None:
        """Stamp those of `ids` that are split, which is seldom any."""
        if self.of_split:
            for k in np.flatnonzero(small[ids, fs.HOUSE] == fs.SPLIT).tolist():
                self.split_stamps[int(ids[k]), house][which] = int(at_us[k])

    def is_packed(self, order: int) -> bool:
        """Whether all parcels of an order are packed."""
        if order in self.of_split:
            return all(self.split_stamps[order, house][PACKED] > 0 for house in self.of_split[order])
        return bool(self.packed_us[order] > 0)

    def split_among(self, ids: npt.NDArray[np.int32], small: fs.U8) -> list[int]:
        """The split orders among `ids`, in their order."""
        split: list[int] = ids[small[ids, fs.HOUSE] == fs.SPLIT].tolist() if self.of_split else []
        return split

    def places(self, ids: npt.NDArray[np.int32], small: fs.U8, house: int) -> Ints:
        """The place of a warehouse's parcel among those of its order, 0 the first or only one."""
        places = np.zeros(len(ids), np.int64)
        if self.of_split:
            for k in np.flatnonzero(small[ids, fs.HOUSE] == fs.SPLIT).tolist():
                places[k] = self.of_split[int(ids[k])].index(house)
        return places

    def carrier_of(self, order: int, house: int) -> int:
        """The row of carriers that took the parcel of a split order."""
        return self._pick_up_by[self.split_stamps[order, house][PICK_UP]]

    def table(self, handle: fs.Front, rows: int, fast: bool, several: bool) -> dict[str, npt.NDArray[Any]]:
        """Columns order, warehouse and the stamps (-1: never), sorted by order, then nearest warehouse first.

        `rows` orders have one parcel; with `several` carriers a column tells whose it is (-1: nobody's yet). Takes the
        columns apart, so that nothing is held twice: call it once, at the end.
        """
        columns: dict[str, npt.NDArray[Any]] = {
            "order": pages(rows, np.int32),
            "warehouse": pages(rows, np.int16),
            "picked_us": self.picked_us,
            "packed_us": self.packed_us,
            "collected_us": pages(rows, np.int64),
        }
        gather: Any = choose(gather_rows, fast)
        by = pages(rows if several else 0, np.int16)
        pick_ups = np.array(self._pick_up_us, dtype=np.int64), np.array(self._pick_up_by, dtype=np.int16)
        gather(handle, *columns.values(), by, self.pick_up, *pick_ups)
        if several:
            columns["carrier"] = by
        self.picked_us.resize(rows, refcheck=False)
        self.packed_us.resize(rows, refcheck=False)
        del self.picked_us, self.packed_us, self.pick_up
        return self._with_splits(columns) if self.of_split else columns

    def _with_splits(self, columns: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        stamps = np.array(list(self.split_stamps.values()), dtype=np.int64)
        stamps[stamps == 0] = -1
        keys = np.array(list(self.split_stamps), dtype=np.int64)
        more = {"order": keys[:, 0], "warehouse": keys[:, 1]} | {
            name: stamps[:, k] for k, name in enumerate(("picked_us", "packed_us", "collected_us"))
        }
        if "carrier" in columns:
            more["carrier"] = np.array(self._pick_up_by)[np.maximum(stamps[:, PICK_UP], 0)]
        for name in columns:
            columns[name] = np.concatenate([columns[name], more[name].astype(columns[name].dtype)])
        rank = np.argsort(columns["order"], kind="stable")
        for name in columns:
            columns[name] = columns[name][rank]
        return columns
