"""Two strategies met by the same buyers: paired differences and ratios, with how sure they are.

Replication r of both strategies has the same random numbers, so the differences by replication are independent of each
other and vary far less than either strategy does (Law, Simulation Modeling and Analysis, 5th ed., sections 10.2, 11.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sim.arrays import Floats
from sim.stats.intervals import LEVEL, Interval, mean, t_interval, t_quantile, variance


class Percent(NamedTuple):
    """By how many percent of the base another mean differs; None where the base may be 0 or values are too few."""

    mean: float | None
    low: float | None
    high: float | None


def differences(base: Sequence[float], other: Sequence[float]) -> Floats:
    """`other - base` by replication, float[n]; raises ValueError for different lengths."""
    if len(base) != len(other):
        raise ValueError("paired values come in equal numbers")
    return np.asarray(other, np.float64) - np.asarray(base, np.float64)


def paired_interval(
    base: Sequence[float], other: Sequence[float], level: float = LEVEL, *, critical: float | None = None
) -> Interval:
    """The mean of `other - base` with Student's interval; `critical` replaces the t quantile (`sim.stats.best`)."""
    found = differences(base, other)
    plain = t_interval(found.tolist(), level)
    if critical is None or plain.low is None:
        return plain
    half = critical * math.sqrt(variance(found.tolist()) / len(found))
    return Interval(plain.mean, plain.mean - half, plain.mean + half, plain.n)


def percent_of_base(
    base: Sequence[float], other: Sequence[float], level: float = LEVEL, *, critical: float | None = None
) -> Percent:
    """`100 (mean of other / mean of base - 1)` with Fieller's interval, in percent of the size of the base.

    Fieller (1954, J. R. Stat. Soc. B 16:175-185): all ratios q for which the mean of `other - q base` may be 0. It
    holds 0 % exactly where the paired t interval holds 0, so that two ways of telling never differ. A negative base is
    told in percent of its size: plus is better. Nothing is told where the base itself may be 0.
    Raises ValueError for unequal numbers of values.
    """
    n, a, b = len(base), mean(base), mean(other)
    if len(other) != n:
        raise ValueError("paired values come in equal numbers")
    if a == 0:
        return Percent(None, None, None)
    sign, point = math.copysign(1, a), b / a
    if n < 2:
        return Percent(sign * 100 * (point - 1), None, None)
    t = t_quantile((1 + level) / 2, n - 1) if critical is None else critical
    cov = np.cov(np.asarray(base, np.float64), np.asarray(other, np.float64)) * t * t / n
    lead, middle, last = a * a - cov[0, 0], a * b - cov[0, 1], b * b - cov[1, 1]
    if lead <= 0:
        return Percent(None, None, None)
    root = math.sqrt(max(0.0, middle * middle - lead * last))
    ends = sorted(sign * 100 * ((middle + side * root) / lead - 1) for side in (-1, 1))
    return Percent(sign * 100 * (point - 1), ends[0], ends[1])
