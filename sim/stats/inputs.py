"""What of a spread is chance and what comes of uncertain inputs, and where an input turns the answer round.

Every draw of the inputs is simulated several times. Of the groups so made the one-way random-effects model tells both
variances (Ankenman & Nelson 2012, Proc. Winter Simulation Conference, "A quick assessment of input uncertainty").
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sim.arrays import Floats
from sim.stats.intervals import LEVEL, t_quantile


class Parts(NamedTuple):
    """Variances of one value: by `chance` (between runs at the same inputs) and by `inputs`; and the half-width that
    chance alone leaves to the mean."""

    chance: float
    inputs: float
    chance_half_width: float

    @property
    def inputs_share(self) -> float:
        """Share of the variance of one value that comes of the inputs."""
        total = self.chance + self.inputs
        return self.inputs / total if total else 0.0


class Turn(NamedTuple):
    """Where the expected difference is 0: the input's value, and whether the difference is above 0 below it."""

    at: float
    leads_below: bool


def variance_parts(groups: Floats) -> Parts:
    """Parts of the variance of `groups[draw, run]`; raises ValueError for fewer than two draws or runs."""
    draws, runs = groups.shape
    if draws < 2 or runs < 2:
        raise ValueError("two draws of two runs are the least that tells chance from inputs")
    within = float(groups.var(axis=1, ddof=1).mean())
    between = float(groups.mean(axis=1).var(ddof=1))
    half = t_quantile((1 + LEVEL) / 2, draws * (runs - 1)) * math.sqrt(within / groups.size)
    return Parts(within, max(0.0, between - within / runs), half)


def turns(inputs: Floats, differences: Floats, modes: Floats, level: float = LEVEL) -> list[Turn | None]:
    """For each input (a column of `inputs[draw, input]`) where the difference turns round, the others at their modes.

    From the plane through the differences by least squares. Told only where the slope of the input is sure (t test,
    Bonferroni over the inputs) and the turn lies inside the values that were drawn.
    """
    draws, number = inputs.shape
    spread = inputs.std(axis=0)
    if draws < number + 3 or not np.all(spread > 0):
        return [None] * number
    design = np.column_stack([np.ones(draws), (inputs - modes) / spread])
    found, _, rank, _ = np.linalg.lstsq(design, differences, rcond=None)
    if rank < number + 1:
        return [None] * number
    free = draws - number - 1
    residual = differences - design @ found
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * float(residual @ residual) / free)
    limit = t_quantile(1 - (1 - level) / (2 * number), free)
    result: list[Turn | None] = []
    for k in range(number):
        slope, error = float(found[k + 1]), float(errors[k + 1])
        at = float(modes[k] - found[0] / slope * spread[k]) if slope else math.nan
        sure = abs(slope) > limit * error and inputs[:, k].min() <= at <= inputs[:, k].max()
        result.append(Turn(at, slope < 0) if sure else None)
    return result
