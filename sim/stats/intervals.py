"""Means and quantiles of independent replications, with how sure they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.95


class Interval(NamedTuple):
    """A mean and the interval around it from `n` values; `low` and `high` are None where n is below 2."""

    mean: float
    low: float | None
    high: float | None
    n: int


def mean(values: Sequence[float]) -> float:
    """The mean, summed without rounding on the way; raises ValueError for no values."""
    if not len(values):
        raise ValueError("the mean of no values")
    return math.fsum(values) / len(values)


def variance(values: Sequence[float]) -> float:
    """The sample variance (n - 1); raises ValueError for fewer than 2 values."""
    if len(values) < 2:
        raise ValueError("a variance needs at least 2 values")
    centre = mean(values)
    return math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)


def t_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Student's interval for the mean of independent, about normal values; raises ValueError for no values."""
    centre, n = mean(values), len(values)
    if n < 2:
        return Interval(centre, None, None, n)
    half = t_quantile((1 + level) / 2, n - 1) * math.sqrt(variance(values) / n)
    return Interval(centre, centre - half, centre + half, n)


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t distribution."""
    from scipy.special import stdtrit  # a tenth of the time that scipy.stats takes to import

    return float(stdtrit(degrees, probability))


def quantile(values: Sequence[float], probability: float) -> float:
    """The nearest-rank quantile: the smallest value with at least `probability` of the values at or under it.

    Raises ValueError for no values, or a probability outside of (0, 1].
    """
    if not 0 < probability <= 1:
        raise ValueError("a quantile's probability lies above 0 and up to 1")
    if not len(values):
        raise ValueError("a quantile of no values")
    rank = max(1, math.ceil(probability * len(values) * (1 - 1e-12)))
    return float(np.partition(np.asarray(values, np.float64), rank - 1)[rank - 1])


def wilson_interval(successes: int, trials: int, level: float = LEVEL) -> Interval:
    """Wilson's interval for a share of independent trials (Wilson 1927); `mean` is the plain share.

    Raises ValueError unless 0 <= successes <= trials and there are trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError("a share needs 0 <= successes <= trials and at least one trial")
    from sim.special import special

    z = float(special.ndtri((1 + level) / 2))
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), trials)
