"""docs/run-directory.md tells every file, column and key of a run directory, and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim.experiments.columns import FILES
from sim.experiments.simulate import RunPlan, RunResult, run
from sim.orders.states import Reason, State
from tests.experiments import show
from tests.paths import DOCS

DOCUMENT = DOCS / "run-directory.md"
#: What makes a summary tell all that it can.
EVERYTHING = (
    "allocation.otherwise=wait",
    "dispatch.policy=tiktok_us_2026_03",
    "warehouses.south.carriers=[{name: post}, {name: swift}]",
    "warehouses.north.overtime=[{at: '12:00', backlog: 1, pickers: 1, packers: 1, length: 1h}]",
)
UNITS = ("_us", "_s", "_minor", "_units", "_share")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    loaded = show.load(tmp_path_factory.mktemp("scenario"), *EVERYTHING)
    return run(loaded.scenario, RunPlan(), tmp_path_factory.mktemp("runs"), written=loaded.written)


def sections() -> dict[str, list[list[str]]]:
    """The rows of all tables under each heading of the document, as lists of cells."""
    found: dict[str, list[list[str]]] = {"": []}
    heading = ""
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:].strip()
            found[heading] = []
        elif line.startswith("|") and not re.match(r"\|[-|]+\|$", line):
            found[heading].append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def type_name(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return "string"
    return {"double": "float64"}.get(str(kind), str(kind))


@pytest.mark.parametrize("file", list(FILES))
def test_the_document_tells_every_column_and_its_type(file: str, done: RunResult) -> None:
    told = [(code(row[0])[0], row[1]) for row in sections()[file] if code(row[0])]
    schema = pq.read_schema(done.directory / file)
    assert told == [(field.name, type_name(field.type)) for field in schema]


@pytest.mark.parametrize("file", list(FILES))
def test_the_document_tells_the_unit_at_the_end_of_a_name(file: str) -> None:
    for row in sections()[file]:
        for unit in (unit for unit in UNITS if code(row[0]) and code(row[0])[0].endswith(unit)):
            assert row[2] == unit.removeprefix("_"), row


def test_the_document_tells_every_file_and_no_other(done: RunResult) -> None:
    told = {code(row[0])[0] for row in sections()[""] if code(row[0])}
    assert told - {"*.png", "report.html", "policy/"} == {path.name for path in done.directory.iterdir()}


def test_the_document_tells_every_key_of_the_run_record(done: RunResult) -> None:
    told = [key for row in sections()["run.json"] for key in code(row[0])]
    assert sorted(told) == sorted(json.loads((done.directory / "run.json").read_text(encoding="utf-8")))


def test_the_document_tells_every_key_of_the_summary(done: RunResult) -> None:
    told: set[str] = set()
    for row in sections()["summary.json"]:
        keys = code(row[0])
        stem = keys[0].rpartition(".")[0] if keys else ""
        told |= {stem + key if key.startswith(".") else key for key in keys}
    told = {path.replace("<STATE>", "*").replace("<REASON>", "*") for path in told}
    told = {path.replace("response.<endpoint>", "response.*") for path in told} - {"contribution.<line>_minor"}
    lines = {key for key in told if f"contribution.{key}" in {path for path, _ in leaves(done.summary["metrics"])}}
    found = {generic(path) for path, _ in leaves(done.summary["metrics"])} | set(done.summary)
    assert {path for path in found if not path.startswith("contribution.")} == told - lines
    assert {f"contribution.{key}" for key in lines} == {path for path in found if path.startswith("contribution.")}


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, part in value.items() for leaf in leaves(part, f"{path}.{key}" if path else key)]
    return [(path, value)]


def generic(path: str) -> str:
    """`orders_by_state.PAID` -> `orders_by_state.*`, `response.checkout.p50_us` -> `response.*.p50_us`."""
    names = {*State.__members__, *Reason.__members__, "checkout", "payment", "confirmation"}
    parts = path.split(".")
    return ".".join(part if n == 0 or part not in names else "*" for n, part in enumerate(parts))


@pytest.mark.parametrize(
    ("file", "column", "encoding", "compression"),
    [
        ("orders.parquet", "order", "DELTA_BINARY_PACKED", "ZSTD"),
        ("orders.parquet", "buyer", "DELTA_BINARY_PACKED", "ZSTD"),
        ("orders.parquet", "paid_us", "DELTA_BINARY_PACKED", "UNCOMPRESSED"),
        ("orders.parquet", "sku", "RLE_DICTIONARY", "ZSTD"),
        ("orders.parquet", "gross_minor", "RLE_DICTIONARY", "ZSTD"),
        ("parcels.parquet", "collected_us", "RLE_DICTIONARY", "ZSTD"),
    ],
)
def test_columns_are_encoded_as_is_short_and_quick(
    done: RunResult, file: str, column: str, encoding: str, compression: str
) -> None:
    group = pq.read_metadata(done.directory / file).row_group(0)
    chunks = {group.column(k).path_in_schema: group.column(k) for k in range(group.num_columns)}
    assert encoding in chunks[column].encodings
    assert ("RLE_DICTIONARY" in chunks[column].encodings) == (encoding == "RLE_DICTIONARY")
    assert chunks[column].compression == compression


def test_every_file_carries_start_and_currency(done: RunResult) -> None:
    for file in FILES:
        meta = json.loads(pq.read_schema(done.directory / file).metadata[b"liverush"])
        assert meta == {
            "format": 1,
            "scenario": "small",
            "start_utc": "2026-06-01T10:00:00+00:00",
            "currency": "GBP",
        }
