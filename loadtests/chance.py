"""What chance explains: how often a share that is allowed would show so many, or so few, requests over a limit."""

from __future__ import annotations

from sim.special import special

#: What would be so in fewer than one replay in twenty is not put down to chance.
RARELY = 0.05


def are_too_many(over: int, requests: int, share: float) -> bool:
    """Whether so many are over that, were that share of all requests, it would rarely be so."""
    return over > 0 and 1 - _at_most(over - 1, requests, share) < RARELY


def are_few_enough(over: int, requests: int, share: float) -> bool:
    """Whether so few are over that, were that share of all requests, it would rarely be so."""
    return _at_most(over, requests, share) < RARELY


def _at_most(over: int, requests: int, share: float) -> float:
    """The binomial law's probability of at most so many."""
    return float(special.bdtr(over, requests, share))
