"""Orders that waited for stock, as the columns of an outcome tell them. Where none may wait the columns are absent."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.operations.outcome import WAITING_COLUMNS

Column = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]


def waiting_column(orders: dict[str, Column], name: str, rows: slice) -> Ints:
    """One of WAITING_COLUMNS for these orders; -1 throughout where no order may wait."""
    assert name in WAITING_COLUMNS
    if name in orders:
        return orders[name][rows]
    return np.full(len(orders["placed_us"][rows]), -1, np.int64)


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
