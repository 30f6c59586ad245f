"""The audit: whether the tables show anything oversold, lost or charged twice. One snapshot, any time, any size."""

from __future__ import annotations

import msgspec

from sim.engine.audit.queries import MEANINGS, checks
from sim.engine.audit.sums import SUM_QUERIES, Sums, sums
from sim.engine.resources import Instant, instant
from sim.engine.stores.store import Store

#: Findings that are told of each invariant; all are counted.
MOST_FINDINGS = 100
#: What a loaded machine may be late with a sweep.
LAG_US = 5_000_000
#: Later than any order: none is asked for its key.
_NEVER_US = 1 << 62


class Finding(msgspec.Struct, frozen=True):
    """Something that breaks an invariant: the id of an order, SKU, deal or currency, and what was found."""

    id: str
    found: str


class Invariant(msgspec.Struct, frozen=True):
    """What came of one invariant. `findings` are the first of the violations."""

    name: str
    meaning: str
    checked: int
    violations: int
    findings: tuple[Finding, ...]


class AuditReport(msgspec.Struct, frozen=True):
    """Whether all invariants hold, what breaks them, and what all adds up to. `grace_us`: how late a sweep may be."""

    clean: bool
    at: Instant
    grace_us: int
    invariants: tuple[Invariant, ...]
    sums: Sums

    def broken(self) -> dict[str, Invariant]:
        """The invariants that do not hold, by name."""
        return {invariant.name: invariant for invariant in self.invariants if invariant.violations}


async def audit(
    store: Store,
    now_us: int,
    sweep_us: int = 1_000_000,
    *,
    lag_us: int = LAG_US,
    keyed_since_us: int = _NEVER_US,
) -> AuditReport:
    """Check every invariant on one snapshot of the store.

    Orders that two sweeps have passed by count as late; those placed after `keyed_since_us` must have their key.
    """
    grace_us = 2 * sweep_us + lag_us
    asked = checks(now_us, grace_us, keyed_since_us)
    populations = list(dict.fromkeys(check.population for check in asked))
    answers = await store.select_all([*SUM_QUERIES, *populations, *(_first_of(check.violations) for check in asked)])
    summed, answers = answers[: len(SUM_QUERIES)], answers[len(SUM_QUERIES) :]
    sizes = {population: int(rows[0][0]) for population, rows in zip(populations, answers, strict=False)}
    found: dict[str, list[list[tuple[object, ...]]]] = {name: [] for name in MEANINGS}
    checked = dict.fromkeys(MEANINGS, 0)
    for check, rows in zip(asked, answers[len(populations) :], strict=True):
        found[check.invariant].append(rows)
        checked[check.invariant] += sizes[check.population]
    invariants = tuple(_invariant(name, checked[name], found[name]) for name in MEANINGS)
    clean = not any(invariant.violations for invariant in invariants)
    return AuditReport(clean, instant(now_us), grace_us, invariants, sums(summed))


def _first_of(violations: str) -> str:
    """The query of the first violations, each with the number of all."""
    return f"SELECT id, found, COUNT(*) OVER () FROM ({violations}) AS v ORDER BY id LIMIT {MOST_FINDINGS}"


def _invariant(name: str, checked: int, found: list[list[tuple[object, ...]]]) -> Invariant:
    violations = sum(int(str(rows[0][2])) for rows in found if rows)
    findings = tuple(Finding(str(row[0]), str(row[1])) for rows in found for row in rows)
    return Invariant(name, MEANINGS[name], checked, violations, findings[:MOST_FINDINGS])
