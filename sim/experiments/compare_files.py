"""The files of a study's run directory, as docs/run-directory.md tells them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sim.experiments.replicating import Result
from sim.measure.directory import write_json
from sim.scenario.studies.study import Study
from sim.scenario.writing.as_run import write_as_run

NAME = pa.dictionary(pa.int32(), pa.string())
RESULTS = {"strategy": NAME, "replication": pa.int32(), "metric": NAME, "value": pa.float64()}
MONEY = {"strategy": NAME, "replication": pa.int32(), "line": NAME, "amount_minor": pa.int64()}
INPUTS = {"strategy": NAME, "replication": pa.int32(), "input": NAME, "number": pa.float64(), "value": pa.string()}
_LINE = "contribution."
Rows = list[tuple[Any, ...]]


def write_study(directory: Path, study: Study, results: Sequence[Result], summary: dict[str, Any]) -> None:
    """Write scenario, summary and tables into an existing directory."""
    write_as_run(directory, study.scenario, study.loaded.written)
    write_json(directory / "summary.json", summary)
    write_results(directory, study, results, summary)


def write_results(directory: Path, study: Study, results: Sequence[Result], summary: dict[str, Any]) -> None:
    """Write the tables of a study: what every strategy came to, line by line, and the inputs that were drawn."""
    about = {key: summary[key] for key in ("format", "scenario", "start_utc", "currency")}
    values: Rows = []
    money: Rows = []
    for result in results:
        for name, found in zip(study.names, result["strategies"], strict=True):
            r = result["replication"]
            values += [(name, r, path, value) for path, value in found["values"].items()]
            lines = ((path, value) for path, value in found["values"].items() if path.startswith(_LINE))
            money += [(name, r, path.removeprefix(_LINE), int(value)) for path, value in lines]
            money.append((name, r, "contribution_minor", int(found["values"]["contribution_minor"])))
    write_table(directory / "results.parquet", RESULTS, values, about)
    write_table(directory / "money.parquet", MONEY, money, about)
    if study.uncertain:
        drawn = [
            (strategy.name, result["replication"], each.name, number, str(each.value(number)))
            for result in results
            for strategy, found in zip(study.strategies, result["strategies"], strict=True)
            for each in strategy.uncertain
            for number in (found["inputs"][each.name],)
        ]
        write_table(directory / "inputs.parquet", INPUTS, drawn, about)


def write_table(path: Path, types: dict[str, pa.DataType], rows: Rows, about: dict[str, Any]) -> None:
    """Write rows as a Parquet file; `about` goes into its metadata."""
    schema = pa.schema(list(types.items()), metadata={b"liverush": json.dumps(about).encode()})
    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    arrays = [
        pa.array(list(column), pa.string()).dictionary_encode() if kind == NAME else pa.array(list(column), kind)
        for column, kind in zip(columns, types.values(), strict=True)
    ]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path, compression="zstd")
