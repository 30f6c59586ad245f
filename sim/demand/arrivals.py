"""Arrivals at a rate that changes: a Poisson process whose rate is made of straight lines between knots.

Arrivals come from the inverse of the cumulative rate (Çinlar 1975, Introduction to Stochastic Processes, 4.7): given
their number, they are uniform in cumulative rate. On a straight line the inverse needs a square root and no more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sim.arrays import Floats, Ints
from sim.scenario.units import US_PER_S


@dataclass(frozen=True)
class RateCurve:
    """Knots `times_us` (int64[n], never falling; twice the same time: a step) and rates there (float64[n], >= 0).

    The rate is 0 outside the knots. Raises ValueError for knots that do not fit.
    """

    times_us: Ints
    per_s: Floats

    def __post_init__(self) -> None:
        if self.times_us.shape != self.per_s.shape or self.times_us.ndim != 1 or len(self.times_us) < 2:
            raise ValueError("a rate curve needs two or more knots, each with a time and a rate")
        if np.any(np.diff(self.times_us) < 0):
            raise ValueError("the knots of a rate curve are in order of time")
        if not np.all(np.isfinite(self.per_s)) or np.any(self.per_s < 0):
            raise ValueError("rates are finite and not negative")


def curve(knots: Sequence[tuple[float, float]]) -> RateCurve:
    """A curve from pairs (time_us, rate per second)."""
    times, rates = zip(*knots, strict=True)
    return RateCurve(np.array(times, np.int64), np.array(rates, np.float64))


def held(knots: Sequence[tuple[int, float]], from_us: int, to_us: int) -> RateCurve:
    """A curve over [from_us, to_us] that keeps the first and last knot's rate outside the knots."""
    inside = [(time, rate) for time, rate in knots if from_us <= time <= to_us]
    ends = [(from_us, _before(knots, from_us)), *inside, (to_us, _after(knots, to_us))]
    return curve(ends)


def _before(knots: Sequence[tuple[int, float]], time_us: int) -> float:
    return float(np.interp(time_us, [k[0] for k in knots], [k[1] for k in knots]))


def _after(knots: Sequence[tuple[int, float]], time_us: int) -> float:
    at_end = [rate for time, rate in knots if time == time_us]
    return at_end[-1] if at_end else _before(knots, time_us)


def sampled(per_s: Callable[[float], float], from_us: int, to_us: int, knots: int) -> RateCurve:
    """A curve through `knots` equally spaced points of any function of time (us) -> rate per second."""
    times = np.rint(np.linspace(from_us, to_us, knots)).astype(np.int64)
    return RateCurve(times, np.array([per_s(float(t)) for t in times]))


def sinusoid(base_per_s: float, swing_per_s: float, period_us: float, from_us: int, to_us: int) -> RateCurve:
    """base + swing sin(2 pi t / period) with 2,000 knots a period: relative error of the mean below 1e-6."""
    knots = max(2, math.ceil((to_us - from_us) / period_us * 2000) + 1)
    return sampled(lambda t: base_per_s + swing_per_s * math.sin(2 * math.pi * t / period_us), from_us, to_us, knots)


def cumulative(rates: RateCurve) -> Floats:
    """Expected number of arrivals up to each knot, float64[n], 0 at the first."""
    middle = (rates.per_s[1:] + rates.per_s[:-1]) / 2
    parts = middle * np.diff(rates.times_us) / US_PER_S
    return np.concatenate(([0.0], np.cumsum(parts)))


def expected_count(rates: RateCurve) -> float:
    """Expected number of arrivals over the whole curve (exact)."""
    return float(cumulative(rates)[-1])


def arrivals(rng: np.random.Generator, rates: RateCurve) -> Ints:
    """One draw of the process: sorted times in whole microseconds, int64[N]."""
    level = cumulative(rates)
    number = int(rng.poisson(level[-1]))
    return place(rates, level, np.sort(rng.random(number)))


def place(rates: RateCurve, level: Floats, uniform: Floats) -> Ints:
    """The times at which the cumulative rate `level` reaches `uniform` (in [0, 1)) of its total; order is kept."""
    aim = uniform * level[-1]
    line = np.clip(np.searchsorted(level, aim, side="right") - 1, 0, len(level) - 2)
    over = aim - level[line]
    width_us = np.diff(rates.times_us)
    safe_us = np.maximum(width_us, 1)
    start = rates.per_s[:-1] / US_PER_S
    slope = np.diff(rates.per_s) / safe_us / US_PER_S
    first = start[line]
    root = np.sqrt(np.maximum(first * first + 2 * slope[line] * over, 0.0))
    # 2 y / (a + sqrt(a^2 + 2 b y)) solves a t + b t^2 / 2 = y without cancellation.
    below = first + root
    into_us = np.divide(2 * over, below, out=np.zeros_like(over), where=below > 0)
    into_us = np.minimum(np.floor(into_us), safe_us[line] - 1)
    return np.asarray(rates.times_us[line] + into_us.astype(np.int64))
