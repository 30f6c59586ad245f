"""What became of a simulation's objectives (`slos:`). Of several replications one is met where it is met in all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.reports.blocks import Cells
from sim.reports.words import SLO_WORDS, duration, percent, plural


def met(summary: Mapping[str, Any], path: str = "slos_met") -> bool | None:
    """Whether an objective, by default all of them, is met in every replication that can tell; None where none can."""
    found = summary["intervals"].get(path)
    return None if found is None else found["mean"] == 1


def verdicts(summary: Mapping[str, Any]) -> list[Cells]:
    """Each objective with the shares of replication 0 and, of several, in how many it is met."""
    return [_verdict(summary, number, slo) for number, slo in enumerate(summary["metrics"].get("slos", []))]


def _verdict(summary: Mapping[str, Any], number: int, slo: Mapping[str, Any]) -> Cells:
    path = f"slos.{number}.met"
    goal = f"{slo['endpoint']} p{slo['percentile']:g} <= {duration(slo['at_most_us'])}"
    told = ["no requests", ""]
    if slo["requests"]:
        failed = f"{percent(slo['failed_share'])} failed (at most {percent(slo['errors_share'])})"
        told = [f"{percent(slo['within_share'])} within", failed]
    many = [_number(summary["intervals"].get(path))] if summary["replications"] > 1 else []
    return [SLO_WORDS[met(summary, path)], goal, *told, *many]


def _number(found: Mapping[str, Any] | None) -> str:
    """`met in 2 of 8 replications`, of those that can tell."""
    return f"met in {round(found['mean'] * found['n'])} of {plural(found['n'], 'replication')}" if found else ""
