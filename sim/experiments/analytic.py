"""Answers that formulas give to what a search looks for, as points to be tried beside those that it proposes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sim.scenario.search import Search

#: By dotted path, values in the units of the knobs.
Answer = Mapping[str, float]
#: Each formula: its name, and what it says of a search; empty where it says nothing of its knobs.
FORMULAS: Sequence[tuple[str, Callable[[Search], Answer]]] = ()


def answers(search: Search) -> list[tuple[str, Answer]]:
    """The answers of all formulas that say something of the search's knobs."""
    found = [(name, formula(search)) for name, formula in FORMULAS]
    turned = {knob.name for knob in search.knobs if not knob.choices}
    return [(name, answer) for name, answer in found if turned & set(answer)]
