"""Several strategies at once: which can be told apart, and what each loses against the best.

All pairs get intervals that hold together at the level asked for, so the best may be picked by looking. Their common
factor is the quantile of the largest |t| over all pairs, simulated from normal values with the covariance found (max-t:
Hothorn, Bretz & Westfall 2008, Biometrical J. 50:346-363), so that what the common random numbers share counts; it is
never above Bonferroni's, which needs no covariance. Comparisons with the best follow from the intervals of the pairs
(Hsu 1996, Multiple Comparisons, ch. 4; with common random numbers: Yang & Nelson 1991, Operations Research 39:583-591).
For two strategies the factor is Student's quantile itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from sim.arrays import Floats
from sim.stats.intervals import LEVEL, Interval, t_quantile
from sim.stats.paired import paired_interval

DRAWS = 20_000
_SEED = 2008


class AgainstBest(NamedTuple):
    """Mean of a strategy less the best of the others: `low` <= 0 <= `high`; `low` = 0 where it is known to be best."""

    mean: float
    low: float
    high: float


class Pairs(NamedTuple):
    """All pairs `(i, j)`, i < j: the interval of `j - i`; and the factor that all of them share."""

    intervals: dict[tuple[int, int], Interval]
    critical: float

    def of(self, i: int, j: int) -> Interval:
        """The interval of strategy `j` less strategy `i`."""
        if i < j:
            return self.intervals[i, j]
        found = self.intervals[j, i]
        low, high = found.high, found.low
        return Interval(-found.mean, None if low is None else -low, None if high is None else -high, found.n)

    def negated(self) -> Pairs:
        """The same for what is better the less it is."""
        return Pairs({(i, j): self.of(j, i) for i, j in self.intervals}, self.critical)

    def told_apart(self, i: int, j: int) -> bool:
        """Whether the interval of a pair leaves 0 out."""
        found = self.of(i, j)
        return found.low is not None and found.high is not None and not found.low <= 0 <= found.high


def all_pairs(values: Sequence[Sequence[float]], draws: int = DRAWS, widened: float = 1.0) -> Pairs:
    """Simultaneous intervals for every pair of strategies; `values[strategy][replication]`, two strategies or more.

    `widened`: by what the intervals are multiplied, for a study that was stopped by its spread.
    """
    factor = critical_value(values, LEVEL, draws) * widened
    pairs = combinations(range(len(values)), 2)
    return Pairs({(i, j): paired_interval(values[i], values[j], LEVEL, critical=factor) for i, j in pairs}, factor)


def critical_value(values: Sequence[Sequence[float]], level: float = LEVEL, draws: int = DRAWS) -> float:
    """What stands for Student's quantile so that the intervals of all pairs hold together; infinite for n < 2.

    Raises ValueError for a single strategy.
    """
    columns = np.asarray(values, np.float64)
    strategies, n = columns.shape
    if strategies < 2:
        raise ValueError("a comparison needs two strategies")
    if n < 2:
        return math.inf
    pairs = strategies * (strategies - 1) // 2
    bonferroni = t_quantile(1 - (1 - level) / (2 * pairs), n - 1)
    if pairs == 1 or n <= strategies:  # a covariance of more strategies than replications says too little
        return bonferroni
    return min(bonferroni, _largest_t(np.cov(columns), n, level, draws))


def _largest_t(covariance: Floats, n: int, level: float, draws: int) -> float:
    """The `level` quantile of the largest |t| over pairs of equal means with this covariance and n replications.

    The sample covariance of n normal values is Wishart, drawn by Bartlett's decomposition: no replication is drawn.
    """
    root = _root(covariance)
    k = len(root)
    rng = np.random.default_rng(_SEED)  # the same values every time: the same data get the same interval
    means = rng.standard_normal((draws, k)) @ root.T
    lower = np.tril(rng.standard_normal((draws, k, k)), -1)
    for i in range(k):
        lower[:, i, i] = np.sqrt(rng.chisquare(n - 1 - i, draws))
    factors = root @ lower
    largest = np.zeros(draws)
    for i, j in combinations(range(k), 2):
        spread = np.square(factors[:, i] - factors[:, j]).sum(axis=1) / (n - 1)
        scale = covariance[i, i] + covariance[j, j]
        t = np.abs(means[:, i] - means[:, j]) / np.sqrt(np.maximum(spread, 1e-12 * scale + 1e-300))
        # Two strategies that always come to the same have no t at all.
        distinct = covariance[i, i] + covariance[j, j] - 2 * covariance[i, j] > 1e-12 * scale
        largest = np.maximum(largest, t) if distinct else largest
    return float(np.quantile(largest, level))


def _root(covariance: Floats) -> Floats:
    """A square root of a covariance, which may be singular."""
    found, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(found, 0.0)))


def against_best(pairs: Pairs, strategies: int) -> list[AgainstBest]:
    """Each strategy less the best of the others, all together at the level of the pairs (Hsu's constrained form)."""
    found = []
    for i in range(strategies):
        gaps = [pairs.of(j, i) for j in range(strategies) if j != i]
        low = min(-math.inf if gap.low is None else gap.low for gap in gaps)
        high = min(math.inf if gap.high is None else gap.high for gap in gaps)
        found.append(AgainstBest(min(gap.mean for gap in gaps), min(0.0, low), max(0.0, high)))
        if low > 0:
            found[-1] = AgainstBest(found[-1].mean, 0.0, found[-1].high)
    return found
