"""From workers' files to tables: merged, sorted, named, and nothing lost but what was torn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from loadtests import measuring
from loadtests.records import RECORD, Endpoint, Outcome
from loadtests.schedule import VIEW
from sim.measure.sampler import EngineUse, ProcessUse, Sample
from tests.load.made_records import measured_of, note_of, records_of, schedule_of, write_worker

START = 1_700_000_000_000_000


class Seen:
    """Stands in for a sampler that has run."""

    def __init__(self, *rows: Sample, started_unix_us: int = START - 1_000_000) -> None:
        self.started_unix_us = started_unix_us
        self._rows = list(rows)

    def rows(self) -> list[Sample]:
        return self._rows


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A folder with the files of two workers, whose lists of reasons differ."""
    odd = records_of([1_000, 3_000, 9_000], outcome=Outcome.REFUSED, reason=[1, 2, 1], worker=1)
    even = records_of([8_000, 2_000], outcome=Outcome.REFUSED, reason=[1, 0])
    write_worker(tmp_path, 0, even, ["", "LIMIT_REACHED"], note_of(planned=2))
    write_worker(tmp_path, 1, odd, ["", "sold_out", "LIMIT_REACHED"], note_of(planned=3))
    (tmp_path / "plan.json").write_text(json.dumps({"client_timeout_us": 5_000_000, "target": "x"}))
    (tmp_path / "start.json").write_text(json.dumps({"at_unix_us": START}))
    return tmp_path


def test_workers_are_merged_by_due_time_with_one_list_of_reasons(raw: Path) -> None:
    found = measuring.collect(raw, workers=2)
    assert found.records["due_us"].tolist() == [1_000, 2_000, 3_000, 8_000, 9_000]
    told = [found.reasons[number] for number in found.records["reason"]]
    assert told == ["sold_out", "", "LIMIT_REACHED", "LIMIT_REACHED", "sold_out"]
    assert found.notes == [note_of(planned=2), note_of(planned=3)]
    assert (found.torn, found.started_unix_us, found.timeout_us) == (0, START, 5_000_000)


def test_twins_that_both_wait_for_the_other_have_failed(tmp_path: Path) -> None:
    """Of cart 0 one was answered; of cart 1, which a time-out met besides, none."""
    records = records_of([0, 0, 0, 0, 9_000], outcome=[Outcome.OK, *[Outcome.IN_PROGRESS] * 3, Outcome.TIMEOUT])
    records["cart"] = [0, 0, 1, 1, 1]
    write_worker(tmp_path, 0, records, [""], None)
    found = measuring.collect(tmp_path, workers=1).records
    assert found["outcome"][found["cart"] == 0].tolist() == [Outcome.OK, Outcome.IN_PROGRESS]
    assert found["outcome"][found["cart"] == 1].tolist() == [Outcome.ERROR, Outcome.ERROR, Outcome.TIMEOUT]


def test_a_torn_last_record_is_dropped_and_counted(raw: Path) -> None:
    path = raw / "requests-1.bin"
    path.write_bytes(path.read_bytes()[:-1])
    found = measuring.collect(raw, workers=2)
    assert (len(found.records), found.torn) == (4, 1)


def test_a_worker_that_was_killed_leaves_what_it_had_measured(raw: Path) -> None:
    killed = {"worker": 1, "complete": False, "ended": "killed"}  # as the process beside it writes
    (raw / "worker-1.json").write_text(json.dumps(killed))
    found = measuring.collect(raw, workers=3)
    assert found.notes == [note_of(planned=2), None, None]
    assert len(found.records) == 5


def test_more_reasons_than_a_byte_can_number_end_as_other(tmp_path: Path) -> None:
    for worker in range(2):
        codes = ["", *(f"code_{worker}_{number}" for number in range(254))]
        records = records_of([0] * 255, outcome=Outcome.REFUSED, reason=np.arange(255), worker=worker)
        write_worker(tmp_path, worker, records, codes, None)
    found = measuring.collect(tmp_path, workers=2)
    told = [found.reasons[number] for number in found.records["reason"]]
    assert (len(found.reasons), told.count("other"), told.count("")) == (256, 254, 2)
    assert told.count("code_0_253") == 1


def test_an_empty_folder_is_an_empty_measurement(tmp_path: Path) -> None:
    found = measuring.collect(tmp_path, workers=1)
    assert (len(found.records), found.notes, found.timeout_us) == (0, [None], 0)
    measuring.write_tables(tmp_path, found, schedule_of([]), Seen())  # type: ignore[arg-type]
    assert pq.read_table(tmp_path / "requests.parquet").num_rows == 0
    assert pq.read_table(tmp_path / "engine.parquet").num_rows == 0


def test_the_table_of_requests_has_names_in_lower_case_and_the_targets_codes_as_they_are(raw: Path) -> None:
    found = measuring.collect(raw, workers=2)
    measuring.write_tables(raw, found, schedule_of([0] * 3), Seen())  # type: ignore[arg-type]
    table = pq.read_table(raw / "requests.parquet")
    assert {name: str(kind) for name, kind in zip(table.schema.names, table.schema.types, strict=True)} == {
        **dict.fromkeys(("due_us", "ready_us", "sent_us", "done_us"), "int64"),
        "cart": "int32",
        "status": "uint16",
        **dict.fromkeys(("endpoint", "outcome", "reason"), "dictionary<values=string, indices=int32, ordered=0>"),
        "attempt": "uint8",
        "worker": "uint8",
        "twin": "uint8",
    }
    rows = table.to_pylist()
    assert [row["reason"] for row in rows] == ["sold_out", "", "LIMIT_REACHED", "LIMIT_REACHED", "sold_out"]
    assert {(row["endpoint"], row["outcome"], row["attempt"]) for row in rows} == {("checkout", "refused", 1)}
    assert [row["worker"] for row in rows] == [1, 0, 1, 0, 1]


def test_the_table_of_requests_names_carts_as_findings_and_acknowledgements_do(tmp_path: Path) -> None:
    """Of a share of the trace no cart is in the schedule's row of its number."""
    records = records_of([0, 1_000, 2_000])
    records["cart"] = [2, -1, 0]
    measuring.write_tables(tmp_path, measured_of(records), schedule_of([0] * 3), Seen())  # type: ignore[arg-type]
    assert pq.read_table(tmp_path / "requests.parquet")["cart"].to_pylist() == [20, -1, 0]


def test_intended_arrivals_are_told_by_the_tenth_of_a_second_empty_ones_too(tmp_path: Path) -> None:
    schedule = schedule_of([0, 99_999, 100_000, 350_000])
    schedule.arrivals["kind"][0] = VIEW
    measuring.write_tables(tmp_path, measured_of(np.zeros(0, RECORD)), schedule, Seen())  # type: ignore[arg-type]
    assert pq.read_table(tmp_path / "intended.parquet").to_pydict() == {
        "bin_us": [0, 100_000, 200_000, 300_000],
        "arrivals": [2, 1, 0, 1],
        "checkouts": [1, 1, 0, 1],
    }


def test_samples_are_told_by_the_replays_seconds(tmp_path: Path) -> None:
    engine = EngineUse(3.0, None, 7.0, 8.0)
    rows = [
        Sample(0, {"http": ProcessUse(0.5, 100)}, None, None),
        Sample(2, {"store": ProcessUse(0.2, 50), "http": ProcessUse(0.6, 110)}, 0.25, engine),
    ]
    measuring.write_tables(tmp_path, measured_of(records_of([0])), schedule_of([0]), Seen(*rows))  # type: ignore[arg-type]
    assert pq.read_table(tmp_path / "server.parquet").to_pydict() == {
        "second": [-1, 1, 1],
        "process": ["http", "http", "store"],
        "cpu_share": [0.5, 0.6, 0.2],
        "rss_bytes": [100, 110, 50],
    }
    assert pq.read_table(tmp_path / "engine.parquet").to_pydict() == {
        "second": [-1, 1],
        "queue_length": [None, 3.0],
        "group_size_mean": [None, None],
        "held_units": [None, 7.0],
        "committed_units": [None, 8.0],
        "steal_share": [None, 0.25],
    }


def logged(path: Path) -> list[tuple[str, float, Any]]:
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3_600_000_000, 3))
    found = []
    with reader.input_file:
        while (one := reader.get_next_interval_histogram()) is not None:
            found.append((one.get_tag(), one.get_start_time_stamp() / 1e3 - START / 1e6, one))
    return found


def test_the_latency_log_holds_checkouts_and_confirmations_by_second(tmp_path: Path) -> None:
    checkouts = records_of(np.arange(2_000) * 1_000, 1_000 + np.arange(2_000) * 7)
    confirmed = records_of([500_000, 1_500_000], 9_000, endpoint=Endpoint.CONFIRMATION)
    views = records_of([0], 1, endpoint=Endpoint.VIEW)
    measured = measured_of(np.concatenate([views, checkouts, confirmed]))
    measuring.write_tables(tmp_path, measured, schedule_of([0] * 2_000), Seen())  # type: ignore[arg-type]
    found = logged(tmp_path / "latency.hlog")
    assert [(tag, second, one.get_total_count()) for tag, second, one in found] == [
        ("checkout", 0, 1_000),
        ("confirmation", 0, 1),
        ("checkout", 1, 1_000),
        ("confirmation", 1, 1),
    ]
    assert found[0][2].get_value_at_percentile(50) == pytest.approx(1_000 + 499 * 7, rel=0.001)
