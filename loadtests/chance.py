"""What chance explains: how often a share that is allowed would show so many, or so few, requests over a limit."""

from __future__ import annotations

import math

#: What would be so in fewer than one replay in twenty is not put down to chance.
RARELY = 0.05


def are_too_many(over: int, requests: int, share: float) -> bool:
    """Whether so many are over that, were that share of all requests, it would rarely be so."""
    return over > 0 and 1 - _at_most(over - 1, requests, share) < RARELY


def are_few_enough(over: int, requests: int, share: float) -> bool:
    """Whether so few are over that, were that share of all requests, it would rarely be so."""
    return _at_most(over, requests, share) < RARELY


def _at_most(over: int, requests: int, share: float) -> float:
    """The binomial law's probability of at most so many; by logarithms, as its factors are beyond floats."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return float(over >= requests)
    inside, beyond, ways = math.log(share), math.log1p(-share), math.lgamma(requests + 1)
    logs = (
        ways - math.lgamma(k + 1) - math.lgamma(requests - k + 1) + k * inside + (requests - k) * beyond
        for k in range(over + 1)
    )
    return min(1.0, math.fsum(map(math.exp, logs)))
