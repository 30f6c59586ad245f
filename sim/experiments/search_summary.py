"""`summary.json` of a search: the knobs, every point that was tried, what was found and its confirmation."""

from __future__ import annotations

from typing import Any

from sim.experiments.evaluating import Point
from sim.experiments.searching import State
from sim.experiments.study_summary import plain_value
from sim.operations.punctuality import ON_TIME
from sim.scenario.parts.comparing import FOUND
from sim.scenario.studies.knobs import Knob
from sim.scenario.studies.search import Search
from sim.scenario.tables import start_utc
from sim.scenario.units import US_PER_S
from sim.stats.intervals import LEVEL, mean, t_interval

FORMAT = 1


def summary_of_search(trials: int, seed: int, state: State, confirmation: dict[str, Any] | None) -> dict[str, Any]:
    """The summary of docs/run-directory.md; `confirmation` is the summary of a study."""
    search, leader = state.search, state.leader
    scenario = search.study.scenario
    points = [_point(search, state, point) for point in state.points]
    return {
        "format": FORMAT,
        "kind": "optimise",
        "scenario": scenario.name,
        "start_utc": start_utc(scenario),
        "horizon_s": scenario.horizon_us / US_PER_S,
        "currency": scenario.reporting_currency,
        "seed": seed,
        "metric": state.goal.metric,
        "least": state.goal.least,
        "level": LEVEL,
        "start": search.start,
        "start_changes": {
            path: plain_value(value)
            for strategy in scenario.strategies
            if strategy.name == search.start
            for path, value in strategy.changes.items()
        },
        "base": state.base.strategist.name,
        "best_named": state.best_named().strategist.name,
        "knobs": [_knob(knob) for knob in search.knobs],
        "limits": [
            {"metric": limit.path, "at_most": limit.at_most, "bound": limit.bound, "text": limit.text}
            for limit in state.goal.limits
        ],
        "trials": trials,
        "tried": state.tried,
        "stopped": state.stopped,
        "points": points,
        "formulas": [
            {"name": each.name, "values": dict(each.values), "assumes": each.assumes} for each in state.answers
        ],
        "refused": [
            {"values": search.changes(codes), "reason": str(problem)} for codes, problem in state.refused[:100]
        ],
        "refused_points": len(state.refused),
        "leader": leader.number,
        "feasible": state.is_feasible(leader),
        "found": None if leader.codes is None or leader.kind == "named" else search.changes(leader.codes),
        "confirmed": None if confirmation is None else _confirmed(state, confirmation),
        "confirmation": confirmation,
    }


def _knob(knob: Knob) -> dict[str, Any]:
    ends = {"low": knob.shown(0), "high": knob.shown(knob.count - 1)}
    return {
        "path": knob.name,
        "values": knob.count,
        "unit": knob.unit,
        **({"choices": list(knob.labels)} if knob.choices else ends),
    }


def _point(search: Search, state: State, point: Point) -> dict[str, Any]:
    known = state.race.known
    n = known.replications(point)
    values = known.of(point, n)
    on_time = [each[ON_TIME] for each in values if ON_TIME in each]
    limits = {
        limit.path: _mean([each[limit.path] for each in values if limit.path in each]) for limit in state.goal.limits
    }
    return {
        "number": point.number,
        "kind": point.kind,
        "name": point.strategist.name,
        "values": None if point.codes is None else search.changes(point.codes),
        "numbers": None
        if point.codes is None
        else [knob.number(code) for knob, code in zip(search.knobs, point.codes, strict=True)],
        "replications": n,
        "mean": _mean([each[state.goal.metric] for each in values if state.goal.metric in each]),
        "gain": t_interval(state.gain_over_base(point))._asdict(),
        "on_time_share": _mean(on_time),
        "limits": limits,
        "feasible": state.goal.feasible(values),
    }


def _mean(values: list[float]) -> float | None:
    return mean(values) if values else None


def _confirmed(state: State, confirmation: dict[str, Any]) -> dict[str, Any]:
    """Whether what was found beats the named strategies that keep the limits, and keeps them too, on fresh seeds."""
    sign = -1 if state.goal.least else 1
    rivals = {point.strategist.name for point in (state.base, state.best_named()) if state.is_feasible(point)}
    better = [
        pair["told_apart"] and (sign if pair["other"] == FOUND else -sign) * pair["mean"] > 0
        for pair in confirmation["pairs"]
        if FOUND in (pair["base"], pair["other"]) and {pair["base"], pair["other"]} & rivals
    ]
    found = next(each for each in confirmation["strategies"] if each["name"] == FOUND)
    kept = []
    for limit in state.goal.limits:
        interval = found["intervals"].get(limit.path)
        kept.append(interval is None or limit.excess(interval["mean"]) <= 0)
    return {"better": all(better), "limits_kept": all(kept)}
