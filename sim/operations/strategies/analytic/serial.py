"""Echelon base stocks of a chain of stages (Clark & Scarf 1960; Chen & Zheng 1994, Management Science 40:1426-1443).

Stage 1 serves the customer, stage j is fed by stage j + 1 after its lead time. Echelon stock of a stage is what it and
all below it have, less backorders; its holding cost is what the stage adds. Normal demand, continuous review.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

STEPS = 4_000  # grid points over the range of the demand of all lead times
NODES = 1_601  # of the trapezoidal rule over 8 standard deviations each way; costs have corners


class Echelons(NamedTuple):
    """Echelon base stocks, stage 1 first, and the mean cost a time unit."""

    levels: tuple[float, ...]
    cost: float


def serial_levels(
    holding: Sequence[float], lead_times: Sequence[float], short: float, mean: float, sd: float
) -> Echelons:
    """The best echelon base stocks: `holding` is what a stage adds a unit and time unit, `short` a unit backordered;
    `mean`, `sd` of demand a time unit."""
    total = math.fsum(lead_times)
    far = 12 * sd * math.sqrt(total)
    grid = np.linspace(-far, mean * total + far, STEPS + 1)  # echelon stock before a lead time's demand
    nodes = np.linspace(-8, 8, NODES)
    weights = np.exp(-(nodes**2) / 2)
    weights /= weights.sum()
    below = np.zeros_like(grid)
    penalty = short + math.fsum(holding)
    levels: list[float] = []
    least = math.nan
    for hold, lead_time in zip(holding, lead_times, strict=True):
        spread = sd * math.sqrt(lead_time)
        cost = np.zeros_like(grid)
        for node, weight in zip(nodes, weights, strict=True):
            left = grid - mean * lead_time - spread * node
            passed = np.interp(left, grid, below) if levels else penalty * np.maximum(-left, 0)
            if levels:  # beyond the grid the cost below rises in a straight line
                slope = (below[1] - below[0]) / (grid[1] - grid[0])
                passed = np.where(left < grid[0], below[0] + slope * (left - grid[0]), passed)
            cost += weight * (hold * left + passed)
        best = int(np.argmin(cost))
        level, least = _vertex(grid[best - 1 : best + 2], cost[best - 1 : best + 2])
        levels.append(level)
        below = np.where(grid < level, cost, least)
    return Echelons(tuple(levels), least)


def _vertex(at: np.typing.NDArray[np.float64], values: np.typing.NDArray[np.float64]) -> tuple[float, float]:
    """The lowest point of the parabola through three points of equal distance."""
    step = at[1] - at[0]
    slope, bend = (values[2] - values[0]) / 2, values[2] - 2 * values[1] + values[0]
    return float(at[1] - step * slope / bend), float(values[1] - slope * slope / (2 * bend))
