"""docs/run-directory.md on load runs, held to what the reports read and to what a replay writes."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from loadtests import harness, verdict
from loadtests.options import LoadOptions
from loadtests.records import Endpoint, Outcome
from loadtests.targets.base import AuditResult
from sim.reports import page
from sim.scenario import load_scenario
from sim.scenario.parts.system import Slo
from tests.load.made_records import measured_of, records_of, schedule_of
from tests.paths import DOCS
from tests.reports.load_runs import ENDPOINTS, OUTCOMES, write_load_run

DOCUMENT = DOCS / "run-directory.md"
TABLES = ("requests", "intended", "server", "engine")


def rows(heading: str) -> list[list[str]]:
    """Cells of the tables under a heading."""
    part = DOCUMENT.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_load_run(tmp_path_factory.mktemp("told") / "run", "nothing")
    page.write(made)
    return made


@pytest.mark.parametrize("table", TABLES)
def test_the_document_tells_every_column_that_reports_read(directory: Path, table: str) -> None:
    told = {code(row[0])[0] for row in rows(f"{table}.parquet")}
    assert set(pq.read_schema(directory / f"{table}.parquet").names) == told


def test_the_document_tells_every_endpoint_and_outcome() -> None:
    cells = {code(row[0])[0]: row[3] for row in rows("requests.parquet")}
    assert ENDPOINTS == tuple(one.name.lower() for one in Endpoint)
    assert OUTCOMES == tuple(one.name.lower() for one in Outcome)
    for column, names in (("endpoint", ENDPOINTS), ("outcome", OUTCOMES)):
        assert all(re.search(rf"\b{name}\b", cells[column]) for name in names)


@pytest.fixture(scope="module")
def replayed() -> dict[str, Any]:
    """The summary of a replay, of what was measured by hand, as the harness puts it together."""
    due = np.arange(100) * 1_000
    slo = Slo.model_validate({"endpoint": "checkout", "percentile": 99, "at_most": "1s", "errors": 0.01})
    schedule = schedule_of(due)
    told = {"from_us": 0, "until_us": 60, "fingerprint": "0f", "trace_carts": 100}
    schedule.header.update(told)
    scenario = load_scenario(DOCUMENT.parents[1] / "scenarios" / "minimal.yaml", [])
    head = harness._head(LoadOptions(scenario, Path()), schedule, dt.datetime.now(dt.UTC))
    found = verdict.summarise(measured_of(records_of(due)), schedule, [slo], AuditResult({"S1": 1}, {}, ()))
    return {**head, **found, "ladder": [verdict.rung(1.0, found)]}


def keys_of(value: Any) -> set[str]:
    """All keys of a summary, however deep; what is named by endpoints, rules, packages and the like only as such."""
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    if not isinstance(value, dict):
        return set()
    inner = {key: one for key, one in value.items() if key not in ("versions", "machine", "checked")}
    return set(value) | set().union(*map(keys_of, inner.values()))


def test_the_document_tells_every_key_of_the_summary_and_no_other(replayed: dict[str, Any]) -> None:
    table = rows("summary.json of a load run")
    top = {key.split(".")[0] for row in table for key in code(row[0])}
    of_endpoints = set(replayed["endpoints"]["checkout"])
    assert set(replayed) | of_endpoints == top
    nested = {key for row in table for cell in row for key in code(cell)}
    assert keys_of(replayed) - {"checkout"} <= nested | {"endpoint", "journey"} | top


def test_the_runs_that_reports_are_tested_with_have_the_keys_of_a_replay(
    replayed: dict[str, Any], tmp_path: Path
) -> None:
    made = json.loads((write_load_run(tmp_path / "run", "ladder") / "summary.json").read_text("utf-8"))
    assert set(made) == set(replayed)
    for key in ("verdict", "rates", "lag", "generator", "audit", "target", "trace", "planned"):
        assert set(made[key]) == set(replayed[key]), key
    assert set(made["endpoints"]["checkout"]) == set(replayed["endpoints"]["checkout"])
    for part in ("checkout", "journey"):
        assert set(made["buyers"][part]) == set(replayed["buyers"][part]), part
    assert set(made["slos"][0]) == set(replayed["slos"][0])
    assert set(made["ladder"][0]) == set(replayed["ladder"][0])


def test_the_document_tells_every_file_of_a_report(directory: Path) -> None:
    told = {code(row[0])[0] for row in rows("A load run")} | {"scenario.yaml"}
    assert {path.name for path in directory.iterdir() if path.suffix != ".png"} <= told
