"""The parcels of confirmed orders, as columns.

An order served by one warehouse has one parcel, and the parcel has the order's number. A split order has one for each
of its warehouses; those have numbers from `orders` on, in the order of confirmation, nearest warehouse first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.operations import front_state as fs

_STAMPS = ("picked_us", "packed_us", "collected_us", "arrived_us")


class Parcels:
    """Stamps (int64 us, -1: not yet) by parcel number; for split orders also order and warehouse."""

    def __init__(self, orders: int) -> None:
        self.orders = orders
        self.picked_us = np.full(orders, -1, dtype=np.int64)
        self.packed_us = np.full(orders, -1, dtype=np.int64)
        self.collected_us = np.full(orders, -1, dtype=np.int64)
        self.arrived_us = np.full(orders, -1, dtype=np.int64)
        self.lost = np.zeros(orders, dtype=np.uint8)
        self.split_order: list[int] = []
        self.split_house: list[int] = []
        self.number: dict[tuple[int, int], int] = {}  # (split order, warehouse) -> parcel
        self.of_split: dict[int, list[int]] = {}  # split order -> its parcels
        self._used = orders

    def split(self, order: int, houses: list[int]) -> None:
        """Make the parcels of a split order."""
        self.of_split[order] = []
        for house in houses:
            self.number[order, house] = self._used
            self.of_split[order].append(self._used)
            self.split_order.append(order)
            self.split_house.append(house)
            self._used += 1
            if self._used > len(self.lost):
                self._grow()

    def _grow(self) -> None:
        extra = max(64, (self._used - self.orders))
        for name in _STAMPS:
            setattr(self, name, np.concatenate([getattr(self, name), np.full(extra, -1, dtype=np.int64)]))
        self.lost = np.concatenate([self.lost, np.zeros(extra, dtype=np.uint8)])

    def numbers(self, orders: npt.NDArray[np.int32], house: int) -> npt.NDArray[np.int32]:
        """The parcels of these orders in one warehouse."""
        if not self.number:
            return orders
        number = self.number
        return np.array([number.get((order, house), order) for order in orders.tolist()], dtype=np.int32)

    def columns(self, f: fs.Front) -> dict[str, npt.NDArray[Any]]:
        """The table of `sim.operations.outcome.PARCEL_COLUMNS`, sorted by order, then nearest warehouse first.

        Takes the stamps apart column by column, so that they are never held twice: call it once, at the end.
        """
        made = np.zeros(self._used, dtype=np.bool_)
        made[: self.orders] = (f.times[:, fs.CONFIRMED] >= 0) & (f.small[:, fs.HOUSE] != fs.SPLIT)
        made[self.orders :] = True
        order = np.flatnonzero(made[: self.orders]).astype(np.int32)
        house = f.small[order, fs.HOUSE].astype(np.int16)
        sort: slice | npt.NDArray[np.int64] = slice(None)
        if self.split_order:
            order = np.concatenate([order, np.array(self.split_order, dtype=np.int32)])
            house = np.concatenate([house, np.array(self.split_house, dtype=np.int16)])
            sort = np.argsort(order, kind="stable")
        table: dict[str, npt.NDArray[Any]] = {"order": order[sort], "warehouse": house[sort]}
        for name in (*_STAMPS, "lost"):
            table[name] = getattr(self, name)[: self._used][made][sort]
            setattr(self, name, table[name][:0].copy())
        return table
