"""(s,S): where the position is at or under s, order up to S (Scarf 1960)."""

from __future__ import annotations

from sim.operations.replenishment import Item, Process


def s_s(item: Item, s: int, S: int, continuous: bool) -> Process:
    """Look at each review, or whenever the position falls to s."""
    while True:
        yield item.threshold(s) if continuous else item.review()
        if item.position <= s:
            item.order(S - item.position)
