"""Hypothesis strategies for small scenarios with their traces; a failing one shrinks to few carts and few features."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from sim.demand.trace import Trace
from sim.scenario.schema import Scenario
from tests.oracle.cases import FEATURES, MODES, make_case

MOST_CARTS = 40


@dataclass(frozen=True)
class Small:
    """What makes a case; its repr is all that is needed to make it again."""

    seed: int
    mode: str
    features: frozenset[str]
    carts: tuple[int, ...]

    def make(self) -> tuple[Scenario, Trace]:
        """The scenario and the trace."""
        return make_case(self.seed, self.features, self.mode, self.carts)


def _small(seed: int, mode: str, on: dict[str, bool], carts: list[int]) -> Small:
    return Small(seed, mode, frozenset(name for name, is_on in on.items() if is_on), tuple(carts))


def cases(most_carts: int = MOST_CARTS) -> st.SearchStrategy[Small]:
    """Two features in three are on; a third of the cases counts in ticks of 1 us, so that ties abound."""
    switches = st.fixed_dictionaries({name: st.sampled_from((False, True, True)) for name in FEATURES})
    few = st.lists(st.integers(0, 2**16), min_size=1, max_size=8)
    many = st.lists(st.integers(0, 2**16), min_size=min(20, most_carts), max_size=most_carts)
    return st.builds(_small, st.integers(0, 2**32), st.sampled_from(MODES), switches, st.one_of(few, many))
