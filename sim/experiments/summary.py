"""`summary.json`: the metrics of the first replication and 95 % intervals over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sim.operations.timeline import Grid
from sim.scenario.schema import Scenario
from sim.scenario.tables import start_utc
from sim.scenario.units import US_PER_S
from sim.stats.intervals import Interval, t_interval

FORMAT = 1
#: What the scenario says rather than what came of it.
_GIVEN = {"percentile", "at_most_us", "errors_share", "units", "limit_share"}


def summary_of(scenario: Scenario, seed: int, grid: Grid, replications: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The summary of a run from the metrics of its replications, in order."""
    return {
        "format": FORMAT,
        "scenario": scenario.name,
        "start_utc": start_utc(scenario),
        "horizon_s": scenario.horizon_us / US_PER_S,
        "programme_end_s": grid.end_s,
        "currency": scenario.reporting_currency,
        "seed": seed,
        "replications": len(replications),
        "timeline_step_s": grid.step_s,
        "metrics": replications[0],
        "intervals": intervals(replications),
    }


def intervals(replications: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | int | None]]:
    """By dotted path: mean, low, high and n of every number; answers yes and no count as 1 and 0."""
    values: dict[str, list[float]] = {}
    for metrics in replications:
        for path, value in numbers(metrics):
            values.setdefault(path, []).append(value)
    return {path: interval_of(path, found)._asdict() for path, found in values.items()}


def interval_of(path: str, values: Sequence[float]) -> Interval:
    """Student's interval for the mean of a metric, cut off where no mean can be: it covers the mean as often.

    Only money falls below 0; no share, and no answer yes or no, exceeds 1.
    """
    found = t_interval(values)
    if found.low is None or found.high is None or path.endswith("_minor"):
        return found
    high = min(found.high, 1.0) if path.endswith(("_share", "met")) else found.high
    return found._replace(low=max(found.low, 0.0), high=high)


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number in nested metrics with its dotted path; what is null is left out."""
    if isinstance(value, dict):
        for key, element in value.items():
            if not (path and path.split(".")[0] in ("slos", "deals", "dispatch_limits") and key in _GIVEN):
                yield from numbers(element, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, element in enumerate(value):
            yield from numbers(element, f"{path}.{number}")
    elif isinstance(value, int | float):
        yield path, value
