"""A race of many noisy points: who has fallen behind gets no more replications.

All points meet the same replications, so that paired differences from the leader say early who is behind (racing:
Maron & Moore 1997, Artificial Intelligence Review 11:193-225; F-race: Birattari et al. 2002, GECCO, pp. 11-18). It
decides only where effort goes; what is found is tested on fresh replications afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

from sim.stats.intervals import t_interval

#: One-sided 95 %: a point that is in truth as good as the leader is given up at one look in twenty.
LEVEL = 0.90


def is_behind(differences: Sequence[float]) -> bool:
    """Whether a point has fallen behind: the interval of its paired differences from the leader ends at or under 0."""
    found = t_interval(differences, LEVEL)
    return found.high is not None and found.high <= 0


def is_beyond(values: Sequence[float], bound: float) -> bool:
    """Whether a mean is surely above `bound`."""
    found = t_interval(values, LEVEL)
    return found.low is not None and found.low > bound


def levels(first: int, most: int) -> list[int]:
    """After how many replications the race is looked at: `first`, twice as many, ..., `most`."""
    found = [first]
    while found[-1] < most:
        found.append(min(2 * found[-1], most))
    return found
