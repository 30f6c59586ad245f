"""Base stock: what was sold is ordered again, so that stock and orders add up to S (Palm 1938; Karush 1957)."""

from __future__ import annotations

from sim.operations.replenishment import Item, Process
from sim.operations.strategies.s_s import s_s


def base_stock(item: Item, S: int, continuous: bool) -> Process:
    """Order up to S at each review, or after each sale: an (s,S) policy whose s is one below S."""
    return s_s(item, S - 1, S, continuous)
