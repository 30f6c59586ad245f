"""Orders that waited for stock, as the columns of an outcome tell them. Where none may wait the columns are absent."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Column, Ints
from sim.operations.carts import CartChunk
from sim.operations.outcome import WAITING_COLUMNS, Outcome
from sim.scenario.units import US_PER_H


def waiting_column(orders: dict[str, Column], name: str, rows: slice) -> Ints:
    """One of WAITING_COLUMNS for these orders; -1 throughout where no order may wait."""
    assert name in WAITING_COLUMNS
    if name in orders:
        return orders[name][rows]
    return np.full(len(orders["placed_us"][rows]), -1, np.int64)


class Waits:
    """Counts the orders of an outcome that waited, a chunk at a time."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._served, self._longest_us, self._waited_us = 0, 0, 0

    def add(self, chunk: CartChunk) -> npt.NDArray[np.bool_]:
        """Count the orders of one chunk; returns which of them waited, bool[carts]."""
        orders = self._outcome.orders
        if "promised_us" not in orders:
            return np.zeros(len(chunk), np.bool_)
        allocated_us = orders["allocated_us"][chunk.orders]
        wait_us = (allocated_us - orders["placed_us"][chunk.orders])[allocated_us >= 0]
        self._served += len(wait_us)
        self._waited_us += int(wait_us.sum())
        self._longest_us = max(self._longest_us, int(wait_us.max(initial=0)))
        return np.asarray(orders["promised_us"][chunk.orders] >= 0)

    def metrics(self) -> dict[str, Any]:
        """Result `waits` of a run, where orders may wait."""
        if "promised_us" not in self._outcome.orders:
            return {}
        mean_h = self._waited_us / self._served / US_PER_H if self._served else None
        return {
            "waits": {
                "orders_served": self._served,
                "mean_h": mean_h,
                "longest_h": self._longest_us / US_PER_H if self._served else None,
                "waiting_units": int(self._outcome.stock["waited_for"].sum()),
            }
        }


def taken_us(orders: dict[str, Column], rows: slice) -> Ints:
    """When each order took its units out of what is available, -1 never, int64[rows]."""
    placed_us = orders["placed_us"][rows]
    if "promised_us" not in orders:
        return placed_us
    return np.where(orders["promised_us"][rows] >= 0, orders["allocated_us"][rows], placed_us)


def clock_start_us(orders: dict[str, Column], rows: slice) -> Ints:
    """From when the time to dispatch counts: the payment, or what was promised to one who waits if that is later.

    TikTok Shop US counts the dispatch of a pre-order from its release date (MODELS 5.3). int64[rows], -1 not paid.
    """
    paid_us = orders["paid_us"][rows]
    if "promised_us" not in orders:
        return paid_us
    return np.where(paid_us >= 0, np.maximum(paid_us, orders["promised_us"][rows]), -1)
