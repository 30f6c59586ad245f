"""(r,Q): when the position falls to r, order Q, or as many times Q as lift it above r (Hadley & Whitin 1963)."""

from __future__ import annotations

from sim.operations.replenishment import Item, Process


def r_q(item: Item, r: int, Q: int) -> Process:
    """Wait for the crossing of r, whenever that is."""
    while True:
        yield item.threshold(r)
        if item.position <= r:
            item.order(((r - item.position) // Q + 1) * Q)
