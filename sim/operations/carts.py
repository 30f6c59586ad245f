"""The buy lines of a trace by cart, a chunk of carts at a time, so that no temporary grows with the trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from sim.arrays import Column, Ints
from sim.demand.trace import Trace

CHUNK_ORDERS = 1 << 15


def cart_starts(cart: npt.NDArray[np.int32], count: int) -> Iterator[Ints]:
    """First entries of the carts in `cart` (of all buy lines), but that of the first, a piece at a time.

    Raises ValueError if carts are not numbered 0, 1, ... to `count` - 1 in order.
    """
    found = 1 if len(cart) else 0
    if found and int(cart[0]) != 0:
        _refuse()
    for start in range(0, max(len(cart) - 1, 0), CHUNK_ORDERS):
        steps = np.diff(cart[start : start + CHUNK_ORDERS + 1])
        starts = np.flatnonzero(steps) + start + 1
        found += len(starts)
        if found > count or int(steps.min()) < 0 or int(steps.max()) > 1:
            _refuse()
        yield starts
    if found != count:
        _refuse()


def _refuse() -> NoReturn:
    raise ValueError("the buy rows of a trace need carts numbered 0, 1, ... in order")


def first_lines(cart: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.int32]:
    """First entry of each cart, and one entry more; raises ValueError as `cart_starts` does."""
    first, found = np.zeros(count + 1, dtype=np.int32), 1
    for starts in cart_starts(cart, count):
        first[found : found + len(starts)] = starts
        found += len(starts)
    first[-1] = len(cart)
    return first


@dataclass(frozen=True)
class CartChunk:
    """Carts `first` to `stop` - 1 and their buy lines; `starts[k]` is the first line of the k-th of them."""

    first: int
    stop: int
    _lines: dict[str, Column]
    _rows: slice
    _starts: Ints | None  # None: one line a cart

    def __len__(self) -> int:
        return self.stop - self.first

    @property
    def first_line(self) -> int:
        """The number of the chunk's first line among all buy lines of the trace."""
        return int(self._rows.start)

    @property
    def orders(self) -> slice:
        """These carts in a column with one entry an order."""
        return slice(self.first, self.stop)

    def rows_in(self, order: Column) -> slice:
        """Rows of a table sorted by order that belong to these carts. (Bounds of another dtype would copy `order`.)"""
        low, high = np.searchsorted(order, np.array([self.first, self.stop], dtype=order.dtype))
        return slice(int(low), int(high))

    @property
    def starts(self) -> Ints:
        """First line of each cart, counted within the chunk, int64[carts]."""
        return np.arange(len(self)) if self._starts is None else self._starts

    def lines(self, name: str) -> Column:
        """A view of the trace column `name` of the chunk's buy lines."""
        return self._lines[name][self._rows]

    def first_of(self, name: str) -> Column:
        """The trace column `name` of each cart's first line."""
        column = self.lines(name)
        return column if self._starts is None else column[self._starts]

    def total(self, values: Column) -> Column:
        """Sum over the lines of each cart."""
        return values if self._starts is None else np.add.reduceat(values, self._starts)

    def line_counts(self) -> Ints:
        """Lines of each cart, int64[carts]."""
        if self._starts is None:
            return np.ones(len(self), np.int64)
        end = len(self.lines("cart"))
        return np.diff(np.append(self._starts, end))


class Carts:
    """Where each cart's lines stand among the buy lines of a trace."""

    def __init__(self, trace: Trace) -> None:
        self._lines = trace.buys
        self._orders = trace.orders
        self._cart = self._lines["cart"]
        for _ in cart_starts(self._cart, self._orders):
            pass  # raises where a chunk could not be found

    def __len__(self) -> int:
        return self._orders

    def chunk(self, first: int, stop: int) -> CartChunk:
        """Carts `first` to `stop` - 1."""
        low, high, starts = first, stop, None
        if len(self._cart) != self._orders:
            bounds = np.array([first, stop], dtype=self._cart.dtype)
            low, high = np.searchsorted(self._cart, bounds).tolist()
            starts = np.flatnonzero(np.diff(self._cart[low:high], prepend=-1))
        return CartChunk(first, stop, self._lines, slice(low, high), starts)

    def chunks(self, size: int = CHUNK_ORDERS) -> Iterator[CartChunk]:
        """All carts, `size` at a time, in order."""
        for first in range(0, self._orders, size):
            yield self.chunk(first, min(first + size, self._orders))


def served_lines(chunk: CartChunk, orders: dict[str, Column]) -> tuple[Column, Column]:
    """SKU and deal of each line of the chunk as placed: where a line took its second choice, that, without a deal."""
    sku, deal = chunk.lines("sku"), chunk.lines("deal")
    refused_line = orders["refused_line"][chunk.orders]
    changed = np.flatnonzero((refused_line >= 0) & (orders["placed_us"][chunk.orders] >= 0))
    if len(changed):
        row = chunk.starts[changed] + refused_line[changed]
        sku, deal = sku.copy(), deal.copy()
        sku[row], deal[row] = chunk.lines("second_sku")[row], -1
    return sku, deal
