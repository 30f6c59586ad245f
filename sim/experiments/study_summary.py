"""`summary.json` of a study: every strategy's results, all pairs, uncertain inputs and break-evens, as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from sim.arrays import Floats
from sim.errors import UsageError
from sim.experiments.replicating import A_DRAW, FAN_POINTS, Result, runs_a_draw
from sim.experiments.summary import interval_of
from sim.scenario.shape import suggestion
from sim.scenario.studies.study import Study
from sim.scenario.studies.uncertain import Uncertain
from sim.scenario.tables import start_utc
from sim.scenario.units import US_PER_S
from sim.stats.best import Pairs, against_best, all_pairs
from sim.stats.inputs import turns, variance_parts
from sim.stats.intervals import LEVEL, mean, t_interval
from sim.stats.paired import differences, paired_interval, percent_of_base
from sim.stats.sequential import MOST, WIDENED, needed_to_separate

FORMAT = 1
METRIC = "contribution_minor"
FAN_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


def values_of(study: Study, results: Sequence[Result], metric: str = METRIC) -> list[list[float]]:
    """The metric by strategy and replication; where inputs are uncertain by strategy and draw, the mean of its runs.

    Raises UsageError where some replication has no such number.
    """
    columns = [[result["strategies"][k]["values"].get(metric) for result in results] for k in range(len(study.names))]
    refuse_unknown(results, metric)
    if not study.uncertain:
        return columns
    return [_means_of_draws(column) for column in columns]


def refuse_unknown(results: Sequence[Result], metric: str) -> None:
    """Raise UsageError where the metric is not a number of each of these replications."""
    found = [set(strategy["values"]) for result in results for strategy in result["strategies"]]
    if not all(metric in each for each in found):
        known = sorted(set.intersection(*found))
        raise UsageError(f"--metric {metric}: not a number of every replication{suggestion(metric, known)}")


def _means_of_draws(column: Sequence[float | None]) -> list[float]:
    """The mean of each draw of the uncertain inputs, of those whose runs all have a value."""
    draws = [column[first : first + A_DRAW] for first in range(0, len(column), A_DRAW)]
    whole = [[value for value in draw if value is not None] for draw in draws]
    return [mean(draw) for draw in whole if len(draw) == A_DRAW]


def half_width(values: Sequence[Sequence[float]]) -> float:
    """The widest half-width of all differences from the base, the first strategy; infinite for one value."""
    pairs = all_pairs(values)
    widths = [pairs.intervals[0, k] for k in range(1, len(values))]
    return max(math.inf if each.high is None else each.high - each.mean for each in widths)


def summary_of_study(
    study: Study,
    results: Sequence[Result],
    metric: str,
    seed: int,
    precision: dict[str, Any] | None = None,
    *,
    least: bool = False,
) -> dict[str, Any]:
    """The summary of docs/run-directory.md. `least`: less of the metric is better."""
    made = _Made(study, results, metric, least, widened=1.0 if precision is None else WIDENED)
    scenario = study.scenario
    return {
        "format": FORMAT,
        "kind": "compare",
        "scenario": scenario.name,
        "start_utc": start_utc(scenario),
        "horizon_s": scenario.horizon_us / US_PER_S,
        "currency": scenario.reporting_currency,
        "seed": seed,
        "replications": len(results),
        "traces_made": sum(result["traces"] for result in results),
        "metric": metric,
        "least": least,
        "level": LEVEL,
        "critical_value": _finite(made.pairs.critical),
        "precision": precision,
        "strategies": made.strategies(),
        "pairs": [made.pair(i, j) for i, j in combinations(range(len(study.names)), 2)],
        "uncertain": [
            {
                **dict(zip(("path", "low", "mode", "high"), (each.name, *each.texts), strict=True)),
                "unit": each.unit,
                "strategies": names,
            }
            for each, names in study.uncertain
        ],
        "fans": _fans(study, results),
    }


class _Made:
    """A study and what its replications came to."""

    def __init__(self, study: Study, results: Sequence[Result], metric: str, least: bool, widened: float) -> None:
        self.study, self.results, self.metric, self.least = study, results, metric, least
        self.values = values_of(study, results, metric)
        self.pairs = all_pairs(self.values, widened=widened)

    def strategies(self) -> list[dict[str, Any]]:
        """What each strategy came to."""
        gains = self.pairs.negated() if self.least else self.pairs  # more is better
        against = against_best(gains, len(self.study.names))
        changes = {strategy.name: strategy.changes for strategy in self.study.scenario.strategies}
        return [
            {
                "name": name,
                "changes": {path: plain_value(value) for path, value in changes.get(name, {}).items()},
                "mean": t_interval(self.values[k]).mean,
                "against_best": {key: _finite(value) for key, value in against[k]._asdict().items()},
                "may_be_best": not any(_is_behind(gains, j, k) for j in self._others(k)),
                "is_best": against[k].low == 0
                and against[k].high > 0
                and all(gains.told_apart(j, k) for j in self._others(k)),
                "intervals": self._intervals(k),
            }
            for k, name in enumerate(self.study.names)
        ]

    def _others(self, k: int) -> list[int]:
        return [j for j in range(len(self.values)) if j != k]

    def _intervals(self, k: int) -> dict[str, dict[str, Any]]:
        """By dotted path: mean, low, high and n; over draws where inputs are uncertain, those that have the number."""
        values = [result["strategies"][k]["values"] for result in self.results]
        found: dict[str, list[float]] = {}
        for path in dict.fromkeys(path for each in values for path in each):
            column = [each.get(path) for each in values]
            known = [value for value in column if value is not None]
            found[path] = _means_of_draws(column) if self.study.uncertain else known
        return {path: interval_of(path, each)._asdict() for path, each in found.items() if each}

    def pair(self, i: int, j: int) -> dict[str, Any]:
        """What strategy j has more than strategy i."""
        found, n = self.pairs.of(i, j), len(self.values[i])
        percent = percent_of_base(self.values[i], self.values[j], critical=self.pairs.critical)
        half = 0.0 if found.high is None else found.high - found.mean
        needed = needed_to_separate(found.mean, half, n) * runs_a_draw(self.study) if n > 1 else MOST + 1
        apart = self.pairs.told_apart(i, j)
        return {
            "base": self.study.names[i],
            "other": self.study.names[j],
            **found._asdict(),
            "single": paired_interval(self.values[i], self.values[j])._asdict(),
            "percent": percent._asdict(),
            "told_apart": apart,
            "needed_replications": None if apart or needed > MOST else max(needed, len(self.results) + 1),
            **(self._of_inputs(i, j) if self.study.uncertain else {}),
        }

    def _of_inputs(self, i: int, j: int) -> dict[str, Any]:
        """Chance and inputs kept apart, and break-evens, for one pair."""
        raw = [[result["strategies"][k]["values"][self.metric] for result in self.results] for k in (i, j)]
        groups = (-1 if self.least else 1) * differences(*raw).reshape(-1, A_DRAW)
        if len(groups) < 2:
            return {}
        parts = variance_parts(groups)
        means = groups.mean(axis=1)
        return {
            "chance_half_width": parts.chance_half_width,
            "inputs_share_of_variance": parts.inputs_share,
            "other_leads_in_share_of_draws": float((means > 0).mean()),
            "break_evens": self._break_evens(means, i, j),
        }

    def _break_evens(self, means: Floats, i: int, j: int) -> list[dict[str, Any]]:
        """Where one uncertain input turns a pair round. None is told of an input of which the two have different laws:
        both numbers rest on one quantile, so they move together, and there is no value that both would have."""
        strategies, names = self.study.strategies, self.study.names
        laws: dict[str, tuple[int, Uncertain]] = {}
        for k in (i, j):
            for each in strategies[k].uncertain:
                laws.setdefault(each.name, (k, each))
        two = {each.name for each in strategies[j].uncertain if laws[each.name][1].law != each.law}
        drawn = [result["strategies"] for result in self.results[::A_DRAW]]
        inputs = np.array([[each[k]["inputs"][name] for name, (k, _) in laws.items()] for each in drawn])
        modes = np.array([each.numbers[1] for _, each in laws.values()])
        found = turns(inputs, means, modes) if laws else []
        return [
            {
                "path": name,
                "at": turn.at,
                "value": each.value(turn.at),
                "leads_below": names[j] if turn.leads_below else names[i],
                "leads_above": names[i] if turn.leads_below else names[j],
            }
            for (name, (_, each)), turn in zip(laws.items(), found, strict=True)
            if turn is not None and name not in two
        ]


def _is_behind(gains: Pairs, j: int, k: int) -> bool:
    """Whether strategy k is known to be worse than strategy j."""
    high = gains.of(j, k).high
    return high is not None and high < 0


def _fans(study: Study, results: Sequence[Result]) -> dict[str, Any]:
    """Quantiles over replications of units on hand and of the backlog, by strategy, at FAN_POINTS times."""
    step = study.scenario.horizon_us / US_PER_S / (FAN_POINTS - 1)
    fans: dict[str, Any] = {"step_s": step, "shares": list(FAN_SHARES)}
    for what in ("on_hand", "backlog"):
        fans[what] = {
            name: np.quantile(
                [result["strategies"][k][what] for result in results], FAN_SHARES, axis=0, method="inverted_cdf"
            ).tolist()
            for k, name in enumerate(study.names)
        }
    return fans


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def plain_value(value: Any) -> Any:
    """A value of a strategy's changes as JSON takes it."""
    return value if isinstance(value, str | int | float | bool | None | list | dict) else str(value)
