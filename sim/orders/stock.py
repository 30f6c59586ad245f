"""Units of one SKU, in two phases: a hold is first placed, then either committed or let go.

`reserved = held + committed + releasing`, `available = on_hand - reserved >= 0`. Units let go (expired, cancelled) are
`releasing` until the next sweep makes them available again. Every step checks the identity, so that a mistake of ours
stops here rather than as an oversold order.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from sim.errors import Defect


class Phase(IntEnum):
    """Where the units of an order line stand."""

    HELD = 1
    COMMITTED = 2
    RELEASING = 3
    RELEASED = 4
    SHIPPED = 5


class Stock(msgspec.Struct, frozen=True, gc=False):
    """Units of one SKU; a value, replaced by every step."""

    sku_id: int
    on_hand: int
    held: int = 0
    committed: int = 0
    releasing: int = 0
    version: int = 1

    @property
    def reserved(self) -> int:
        return self.held + self.committed + self.releasing

    @property
    def available(self) -> int:
        return self.on_hand - self.held - self.committed - self.releasing


def hold(stock: Stock, units: int) -> Stock:
    """Reserve `units` for an order that is not paid yet. Raises Defect where fewer are available."""
    on_hand, held, committed, releasing = stock.on_hand, stock.held + units, stock.committed, stock.releasing
    after = Stock(stock.sku_id, on_hand, held, committed, releasing, stock.version + 1)  # the hot path: `_step`
    if held < 0 or held + committed + releasing > on_hand:
        raise _broken(stock, after)
    return after


def commit(stock: Stock, units: int) -> Stock:
    """Make held units the paid order's own."""
    return _step(stock, held=-units, committed=units)


def let_go(stock: Stock, units: int, phase: Phase) -> Stock:
    """Mark the units of an ended order, `HELD` or `COMMITTED`, as releasing. Raises Defect for another phase."""
    if phase == Phase.HELD:
        return _step(stock, held=-units, releasing=units)
    if phase != Phase.COMMITTED:  # let go once already: another order's units would go
        raise Defect(f"{phase.name} units of SKU {stock.sku_id} cannot be let go")
    return _step(stock, committed=-units, releasing=units)


def release(stock: Stock, units: int) -> Stock:
    """Make releasing units available again: the sweep."""
    return _step(stock, releasing=-units)


def ship(stock: Stock, units: int) -> Stock:
    """Take committed units out of the warehouse."""
    return _step(stock, on_hand=-units, committed=-units)


def add(stock: Stock, units: int) -> Stock:
    """Receive, restock or (negative) write off units."""
    return _step(stock, on_hand=units)


def _step(stock: Stock, *, on_hand: int = 0, held: int = 0, committed: int = 0, releasing: int = 0) -> Stock:
    after = Stock(
        stock.sku_id,
        stock.on_hand + on_hand,
        stock.held + held,
        stock.committed + committed,
        stock.releasing + releasing,
        stock.version + 1,
    )
    if after.held < 0 or after.committed < 0 or after.releasing < 0 or after.available < 0:
        raise _broken(stock, after)
    return after


def _broken(stock: Stock, after: Stock) -> Defect:
    return Defect(f"stock of SKU {stock.sku_id} would break its identity: {stock} -> {after}")
