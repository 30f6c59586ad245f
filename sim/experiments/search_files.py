"""The files of a search's run directory, as docs/run-directory.md tells them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from sim.experiments.compare_files import NAME, Rows, write_results, write_table
from sim.experiments.replicating import Result
from sim.experiments.searching import State
from sim.experiments.study_summary import METRIC
from sim.measure.directory import write_json
from sim.operations.punctuality import ON_TIME
from sim.scenario.studies.search import Search
from sim.scenario.studies.study import Study
from sim.scenario.writing.as_run import write_as_run

POINTS = {
    "point": pa.int32(),
    "kind": NAME,
    "name": pa.string(),
    "replications": pa.int32(),
    "mean": pa.float64(),
    "gain": pa.float64(),
    "gain_low": pa.float64(),
    "gain_high": pa.float64(),
    "feasible": pa.bool_(),
}
EVALUATIONS = {"point": pa.int32(), "draw": pa.int32(), "metric": NAME, "value": pa.float64()}


def write_search(
    directory: Path,
    state: State,
    summary: dict[str, Any],
    confirmed: tuple[Study, Sequence[Result]] | None,
) -> None:
    """Write scenario, summary and tables into an existing directory."""
    search = state.search
    write_as_run(directory, search.study.scenario, search.study.loaded.written)
    write_json(directory / "summary.json", summary)
    about = {key: summary[key] for key in ("format", "scenario", "start_utc", "currency")}
    knobs = {knob.name: pa.string() if knob.choices else pa.float64() for knob in search.knobs}
    rows: Rows = []
    for point in summary["points"]:
        gain = point["gain"]
        head = (point["number"], point["kind"], point["name"], point["replications"], point["mean"])
        rows.append((*head, gain["mean"], gain["low"], gain["high"], point["feasible"], *_knob_values(search, point)))
    write_table(directory / "points.parquet", POINTS | knobs, rows, about)
    write_table(directory / "evaluations.parquet", EVALUATIONS, _evaluations(state), about)
    if confirmed is not None:
        study, results = confirmed
        write_results(directory, study, results, about)


def _knob_values(search: Search, point: dict[str, Any]) -> list[Any]:
    """Numbers in the unit of each knob, and choices as written; None for a strategy that stands beside the knobs."""
    if point["values"] is None:
        return [None] * len(search.knobs)
    return [
        point["values"][knob.name] if knob.choices else number
        for knob, number in zip(search.knobs, point["numbers"], strict=True)
    ]


def _evaluations(state: State) -> Rows:
    metrics = dict.fromkeys((state.goal.metric, *(limit.path for limit in state.goal.limits), METRIC, ON_TIME))
    known = state.race.known
    return [
        (point.number, draw, metric, float(values[metric]))
        for point in state.points
        for draw, values in enumerate(known.of(point, known.replications(point)))
        for metric in metrics
        if metric in values
    ]
