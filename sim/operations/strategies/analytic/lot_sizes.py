"""Which planned shows to buy for in one order (Wagner & Whitin 1958, Management Science 5(1):89-96)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_EQUAL = 1e-9


class Lots(NamedTuple):
    """Units ordered before each period, and what ordering and holding cost."""

    units: tuple[int, ...]
    cost: float


def lot_sizes(needs: Sequence[int], fixed: float, holding: Sequence[float]) -> Lots:
    """The cheapest lots that cover known `needs` in time.

    `fixed` an order costs, `holding[t]` a unit kept from period t to t + 1. Of lots that cost the same those of later
    orders, the last one first.
    """
    count = len(needs)
    cheapest, first = [0.0] + [math.inf] * count, [0] * (count + 1)  # of the needs before a period; its last order
    for start in range(count):
        if needs[start] == 0:
            if cheapest[start] <= cheapest[start + 1] + _EQUAL:
                cheapest[start + 1], first[start + 1] = cheapest[start], start
            continue
        cost, kept = cheapest[start] + fixed, 0.0
        for end in range(start, count):
            cost += needs[end] * kept
            kept += holding[end] if end < len(holding) else 0.0
            if cost <= cheapest[end + 1] + _EQUAL:
                cheapest[end + 1], first[end + 1] = cost, start
    units, end = [0] * count, count
    while end > 0:
        units[first[end]] = sum(needs[first[end] : end])
        end = first[end]
    return Lots(tuple(units), cheapest[count])
