"""How a delivery is shared out among warehouses, whole units.

Equal fractile: each gets what leaves all equally safe, (units - mean) / sd being the same (Eppen & Schrage 1981).
Proportional: each gets what covers the same share of its mean demand.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

Aim = tuple[float, float]


def equal_fractile(expected: Sequence[Aim]) -> list[Aim]:
    """Centre and spread of each warehouse for `allot`, from mean and standard deviation of its demand."""
    return [(mean, sd) for mean, sd in expected]


def proportional(expected: Sequence[Aim]) -> list[Aim]:
    """The same for shares in proportion to mean demand."""
    return [(0.0, mean) for mean, _ in expected]


def allot(units: int, have: Sequence[int], aims: Sequence[Aim]) -> list[int]:
    """Units for each warehouse: one after the other to where (units there - centre) / spread is least, the first of
    equals. Warehouses with a spread of 0 get none, unless all have it: then all count alike."""
    spreads = [spread for _, spread in aims]
    if not any(spread > 0 for spread in spreads):
        aims, spreads = [(0.0, 1.0)] * len(aims), [1.0] * len(aims)
    takers = [k for k, spread in enumerate(spreads) if spread > 0]
    given = [0] * len(aims)

    def key(k: int) -> float:
        return (have[k] + given[k] - aims[k][0]) / aims[k][1]

    level = _level_before(units, have, aims, takers)
    for k in takers:
        given[k] = max(math.floor(level * aims[k][1] + aims[k][0]) - have[k] - 1, 0)
    heap = [(key(k), k) for k in takers]
    heapq.heapify(heap)
    for _ in range(units - sum(given)):
        k = heap[0][1]
        given[k] += 1
        heapq.heapreplace(heap, (key(k), k))
    return given


def _level_before(units: int, have: Sequence[int], aims: Sequence[Aim], takers: Sequence[int]) -> float:
    """A level below that at which the last unit is given (which all reach with at most a unit each more): what is
    below it need not be given unit by unit."""
    low = min((have[k] - aims[k][0]) / aims[k][1] for k in takers)
    high = max((have[k] + units - aims[k][0]) / aims[k][1] for k in takers)
    for _ in range(100):
        middle = (low + high) / 2
        needed = sum(max(middle * aims[k][1] + aims[k][0] - have[k], 0) for k in takers)
        low, high = (middle, high) if needed <= units - len(takers) else (low, middle)
    return low
