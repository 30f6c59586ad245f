"""One question of the audit, and the words in which it is put."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True)
class Check:
    """One question: the invariant it belongs to, a query that counts what is looked at, one of what is wrong."""

    invariant: str
    population: str
    violations: str


def count(table: str) -> str:
    """The query of how many rows a table has."""
    return f"SELECT COUNT(*) FROM {table}"


def name(kind: type[IntEnum], column: str) -> str:
    """An expression that is the name of a state rather than its number."""
    cases = " ".join(f"WHEN {member.value} THEN '{member.name}'" for member in kind)
    return f"CASE {column} {cases} ELSE 'unknown' END"
