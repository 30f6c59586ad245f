"""What a function made of the last scenarios, kept: replications and strategies ask for the same again and again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from sim.scenario.schema import Scenario

_T = TypeVar("_T")
#: As many as a study has strategies, as a rule: they take turns.
_KEPT = 8


def of_last(function: Callable[[Scenario], _T]) -> Callable[[Scenario], _T]:
    """`function`, which gives the very same object when it is asked about one of the last few scenarios again.

    Scenarios never change; nor may what is given.
    """
    last = deque[tuple[Scenario, _T]](maxlen=_KEPT)

    @wraps(function)
    def kept(scenario: Scenario) -> _T:
        for known, made in tuple(last):
            if known is scenario:
                return made
        made = function(scenario)
        last.append((scenario, made))
        return made

    return kept
