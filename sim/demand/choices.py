"""Choosing among a few things with given weights, many rows at once, by whole-number comparison only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Ints

ALL = 1 << 32
_NO_WEIGHT = "options need weights of 0 or more, and one above 0"


@dataclass(frozen=True)
class ChoiceTable:
    """Groups of options. `ends` holds, group after group, (group << 32) + the cumulative share of each option x 2^32.

    `firsts[g]` is the place of group g's first option; weights may have any scale.
    """

    ends: npt.NDArray[np.uint64]
    firsts: Ints

    def pick(self, group: npt.NDArray[Any] | int, uniform: npt.NDArray[np.uint32]) -> Ints:
        """The option (0, 1 ... within the group) that each row's uniform number falls on, int64[rows]."""
        key = (np.asarray(group).astype(np.uint64) << np.uint64(32)) + uniform
        return np.asarray(np.searchsorted(self.ends, key, side="right") - self.firsts[group], np.int64)


def choice_table(groups: Sequence[Sequence[float]] | npt.NDArray[np.float64]) -> ChoiceTable:
    """A table from each group's weights. Raises ValueError for a group without weight or with a negative one."""
    if isinstance(groups, np.ndarray):
        return _even_table(groups)
    ends = [(g << 32) + cut for g, weights in enumerate(groups) for cut in _cuts(weights)]
    firsts = list(accumulate((len(weights) for weights in groups), initial=0))
    return ChoiceTable(np.array(ends, np.uint64), np.array(firsts[:-1], np.int64))


def _even_table(weights: npt.NDArray[np.float64]) -> ChoiceTable:
    """The same for thousands of groups of as many options: weights [groups, options]."""
    groups, options = weights.shape
    sums = np.cumsum(weights, axis=1)
    if not (sums[:, -1] > 0).all() or (weights < 0).any():
        raise ValueError(_NO_WEIGHT)
    cuts = np.rint(sums / sums[:, -1:] * ALL).astype(np.uint64)
    ends = cuts + (np.arange(groups, dtype=np.uint64) << np.uint64(32))[:, None]
    return ChoiceTable(ends.reshape(-1), np.arange(groups) * options)


def _cuts(weights: Sequence[float]) -> list[int]:
    sums = list(accumulate(weights))
    if not sums or sums[-1] <= 0 or min(weights) < 0:
        raise ValueError(_NO_WEIGHT)
    # The last sum over itself is exactly 1: an option of weight 0 at the end never wins the last number.
    return [round(part / sums[-1] * ALL) for part in sums]


def geometric_weights(mean: float, most: int) -> list[float]:
    """P(1), P(2) ... P(most) of a geometric number whose excess over `most` counts as `most`, with this mean."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _capped_mean(middle, most) < mean else (low, middle)
    powers = [low**k for k in range(most)]
    return [power * (1 - low) for power in powers[:-1]] + [powers[-1]]


def _capped_mean(q: float, most: int) -> float:
    return math.fsum(q**k for k in range(most))


def below(count: int, uniform: npt.NDArray[np.uint32]) -> Ints:
    """`uniform` turned into evenly chosen whole numbers in [0, count), int64."""
    return ((uniform.astype(np.uint64) * np.uint64(count)) >> np.uint64(32)).astype(np.int64)
