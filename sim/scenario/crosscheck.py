"""Checks that need several parts of a scenario at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sim.scenario.nodes import Path
from sim.scenario.schema import Scenario


class Finding(NamedTuple):
    """Something wrong between parts: where it is, what it is and what is allowed (`found` None: the value there)."""

    path: Path
    message: str
    allowed: str = ""
    found: str | None = None


def crosscheck(scenario: Scenario) -> Iterator[Finding]:
    """Every finding."""
    yield from ()
