"""The review of a run as numbers: what `liverush review --json` prints, text and page say (docs/review.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sim.errors import UsageError
from sim.reports.load_files import LoadRun, is_load
from sim.reports.review import BY
from sim.reports.review.advice import advice
from sim.reports.review.causes import Lateness, cancels, repeat_refusals, returns, second_choices, stockouts
from sim.reports.review.facts import Facts
from sim.reports.review.groups import groups, reasons, totals
from sim.reports.review.load import review_load
from sim.reports.run_files import Run

FORMAT, KIND = 1, "review"
Review = dict[str, Any]


def review(directory: Path, by: Sequence[str] = BY, zone: str = "") -> Review:
    """Everything that is told of the run in `directory`; `zone`: of the hours, by default the first region's.

    Raises UsageError where it is no run directory, or that of a study, or an older version's.
    """
    run = Run(directory)
    kind = run.summary.get("kind")
    if is_load(run.summary):
        return {"format": FORMAT, "kind": KIND, "of": "load", **review_load(LoadRun(directory), zone)}
    if kind is not None:
        raise UsageError(f"{directory} is the run directory of a {kind}; review takes one simulated or load run")
    return {"format": FORMAT, "kind": KIND, "of": "simulate", **_of_simulation(Facts(run), by, _zone(run, zone))}


def _zone(run: Run, name: str) -> ZoneInfo:
    known = run.scenario.regions[0].zone if run.scenario.regions else "UTC"
    try:
        return ZoneInfo(name or known)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"--zone {name}: no such time zone; an IANA name such as {known}") from None


def _of_simulation(facts: Facts, by: Sequence[str], zone: ZoneInfo) -> Review:
    summary, metrics = facts.run.summary, facts.run.metrics
    late = Lateness(facts)
    found = {
        "run": {key: summary[key] for key in ("scenario", "start_utc", "seed", "replications", "currency")},
        "zone": zone.key,
        "totals": totals(facts),
        "contribution_minor": metrics["contribution_minor"],
        "not_by_group": facts.not_by_order,
        "lost_to_stockouts_minor": metrics["margin_lost_to_stockouts_minor"],
        "groups": {name: groups(facts, name, zone) for name in BY},
        "refusals": reasons(facts),
        "stockouts": stockouts(facts, zone),
        "deals": metrics["deals"],
        "late_dispatch": late.dispatch(),
        "late_delivery": {**late.delivery(), "by_region": late.by_region()},
        "returns": returns(facts),
        "cancels": cancels(facts),
        "second_choices": second_choices(facts),
        "repeat_refusals": repeat_refusals(facts),
    }
    told = advice(found, facts.run)
    return {**found, "groups": {name: found["groups"][name] for name in by}, "advice": told}
