"""Emergency orders: a faster, dearer supplier when what is available runs low (Moinzadeh & Nahmias 1988)."""

from __future__ import annotations

from sim.operations.replenishment import Item, Process


def emergency(item: Item, level: int, up_to: int) -> Process:
    """Whenever available units, with what the emergency supplier owes, fall to `level`, lift them to `up_to`."""
    while True:
        yield item.emergency_threshold(level)
        if item.level(emergency=True) <= level:
            item.order_in_emergency(up_to)
