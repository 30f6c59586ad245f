"""docs/run-directory.md on load runs, held to what the reports read and to what a replay writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from loadtests.records import Endpoint, Outcome
from sim.reports import page
from tests.reports.load_runs import ENDPOINTS, OUTCOMES, write_load_run

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "run-directory.md"
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


def test_the_document_tells_every_key_of_the_summary(directory: Path) -> None:
    summary = json.loads((directory / "summary.json").read_text("utf-8"))
    told = {key.split(".")[0] for row in rows("summary.json of a load run") for key in code(row[0])}
    assert set(summary) - {"run_id"} <= told
    nested = {key for row in rows("summary.json of a load run") for cell in row[:2] for key in code(cell)}
    assert set(summary["verdict"]) | set(summary["slos"][0]) | set(summary["endpoints"]["view"]) <= nested
    assert set(summary["lag"]) | set(summary["audit"]) | set(summary["generator"]) <= nested


def test_the_document_tells_every_file_of_a_report(directory: Path) -> None:
    told = {code(row[0])[0] for row in rows("A load run")} | {"scenario.yaml"}
    assert {path.name for path in directory.iterdir() if path.suffix != ".png"} <= told
