"""The audience of a live room: Mt/G/inf. Viewers enter as a Poisson process and stay independently of each other.

The number present at t is Poisson with mean m(t) = integral of rate(u) P(S > t - u) du (Eick, Massey and Whitt 1993,
Operations Research 41(4):731-742). Where the rate is a straight line, integrating by parts leaves the restricted mean
W and its integral V of the stay (`laws`): from knot a to b with slope k,
rate(a) W(t-a) - rate(b) W(t-b) + k (V(t-a) - V(t-b)). So m(t) is exact for every law of stay.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sim.arrays import Floats, Ints
from sim.demand.arrivals import RateCurve
from sim.demand.drawing import chosen, draw_us, tabulate
from sim.demand.laws import Law, Mixture
from sim.scenario.units import US_PER_S


def mean_present(rates: RateCurve, stay: Law, grid_us: npt.ArrayLike) -> Floats:
    """Expected viewers present at each time of `grid_us`, same shape; `stay` in microseconds."""
    grid = np.asarray(grid_us, np.float64)
    times = rates.times_us.astype(np.float64)
    per_us = rates.per_s / US_PER_S
    width = np.diff(times)
    slope = np.divide(np.diff(per_us), width, out=np.zeros_like(width), where=width > 0)
    # Collect the terms of each knot: W(t-u) x (rate after - rate before) + V(t-u) x (slope after - slope before).
    step = np.diff(np.concatenate(([0.0], per_us, [0.0])))
    step_weight = np.zeros_like(per_us)
    step_weight[0], step_weight[-1] = step[0], step[-1]
    jump = width == 0
    step_weight[1:][jump] += np.diff(per_us)[jump]
    bend = np.diff(np.concatenate(([0.0], slope, [0.0])))
    present = np.zeros_like(grid)
    for time, w, v in zip(times, step_weight, bend, strict=True):
        later = grid > time
        ages = (grid[later] - time).tobytes()
        if w != 0:
            present[later] += w * _restricted_mean(stay, ages)
        if v != 0:
            present[later] += v * _restricted_area(stay, ages)
    return np.maximum(present, 0.0)


@lru_cache(maxsize=16)
def _restricted_mean(stay: Law, ages: bytes) -> Floats:
    """W at float64 `ages`. Shows of one shape ask for the same again and again, whenever they are and whoever comes."""
    return stay.restricted_mean(np.frombuffer(ages))


@lru_cache(maxsize=16)
def _restricted_area(stay: Law, ages: bytes) -> Floats:
    """V at float64 `ages`."""
    return stay.restricted_area(np.frombuffer(ages))


def draw_stays(rng: np.random.Generator, stay: Law, size: int) -> Ints:
    """`size` stays in whole microseconds, int64."""
    if not isinstance(stay, Mixture):
        return draw_us(rng, tabulate(stay), size)
    first = chosen(rng, stay.share, size)
    stays = draw_us(rng, tabulate(stay.second), size)
    stays[first] = draw_us(rng, tabulate(stay.first), int(first.sum()))
    return stays


def present_counts(enter_us: Ints, leave_us: Ints, grid_us: npt.ArrayLike) -> Ints:
    """How many have entered at or before each time of `grid_us` and leave after it, int64."""
    grid = np.asarray(grid_us, np.int64)
    entered = np.searchsorted(np.sort(enter_us), grid, side="right")
    left = np.searchsorted(np.sort(leave_us), grid, side="right")
    return np.asarray(entered - left, np.int64)
