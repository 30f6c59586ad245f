"""What a function made of the last scenario, kept: replications and strategies ask for the same again and again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from sim.scenario.schema import Scenario

_T = TypeVar("_T")


def of_last(function: Callable[[Scenario], _T]) -> Callable[[Scenario], _T]:
    """`function`, which gives the very same object as long as it is asked about the very same scenario.

    Scenarios never change; nor may what is given.
    """
    last: tuple[Scenario, _T] | None = None

    @wraps(function)
    def kept(scenario: Scenario) -> _T:
        nonlocal last
        known = last
        if known is None or known[0] is not scenario:
            known = last = scenario, function(scenario)
        return known[1]

    return kept
