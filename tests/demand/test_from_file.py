"""The user's own curve as a trace: what it says is what is sent, and what is wrong is told with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim.demand.from_file import trace_from_file
from sim.demand.trace import BUY, VIEW
from sim.errors import ScenarioError, UsageError
from sim.scenario import load_scenario
from sim.scenario.schema import Scenario
from sim.scenario.units import US_PER_S
from tests.paths import SCENARIOS


@pytest.fixture(scope="module")
def drop() -> Scenario:
    return load_scenario(SCENARIOS / "flash_drop.yaml", [])


def test_rows_are_sent_as_they_stand(drop: Scenario, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("time,sku,quantity,kind\n0.5,sneaker,1,view\n2.25,sneaker,3,buy\n1,sneaker,1,buy\n")
    trace = trace_from_file(path, drop, 1)
    assert trace.lines["time_us"].tolist() == [500_000, 1_000_000, 2_250_000]
    assert trace.lines["kind"].tolist() == [VIEW, BUY, BUY]
    assert trace.lines["quantity"].tolist() == [1, 1, 3]
    assert trace.lines["cart"].tolist() == [0, 0, 1]
    assert trace.orders == 2
    assert np.all(trace.carts["go_u32"] == 0)


def test_a_ramp_is_a_straight_line_and_times_may_have_units(drop: Scenario, tmp_path: Path) -> None:
    path = tmp_path / "ramp.csv"
    path.write_text("time,per_s\n0,0\n1m 40s,200\n100,50\n120s,50\n")
    trace = trace_from_file(path, drop, 7)
    counts = np.histogram(trace.lines["time_us"] / US_PER_S, [0, 50, 100, 120])[0]
    for count, expected in zip(counts, (2_500, 7_500, 1_000), strict=True):
        assert count == pytest.approx(expected, abs=5 * expected**0.5)
    assert trace.header["length_us"] == 120 * US_PER_S


def test_rates_become_as_many_arrivals(drop: Scenario, tmp_path: Path) -> None:
    path = tmp_path / "rates.parquet"
    pq.write_table(pa.table({"time": [0.0, 10.0, 10.0, 20.0], "per_s": [100.0, 100.0, 1000.0, 1000.0]}), path)
    trace = trace_from_file(path, drop, 7)
    times = trace.lines["time_us"]
    slow, quick = np.count_nonzero(times < 10 * US_PER_S), np.count_nonzero(times >= 10 * US_PER_S)
    assert slow == pytest.approx(1000, abs=5 * 1000**0.5)
    assert quick == pytest.approx(10_000, abs=5 * 10_000**0.5)
    assert int(times.max()) < 20 * US_PER_S
    assert trace.fingerprint() == trace_from_file(path, drop, 7).fingerprint()
    assert trace.fingerprint() != trace_from_file(path, drop, 8).fingerprint()


def test_every_wrong_row_is_told_with_its_line(drop: Scenario, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("time,sku,quantity,kind\n1,boot,1,buy\n2,sneaker,0,buy\n-1,sneaker,1,look\n")
    with pytest.raises(ScenarioError) as caught:
        trace_from_file(path, drop, 1)
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4, 4]
    assert "sneaker" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("when,what\n1,2\n", "these are not the columns"),
        ("time,per_s\n0,5\n0,6\n", "buys nothing"),
        ("time,per_s\n0,5\n", "two rows or more"),
        ("time,per_s\n5,5\n4s,6\n", "3: time: times never fall; found '4s'"),
        ("time,per_s\n0,5\n5x,6\n", r"3: time: a time from the start; found '5x'; allowed: .*1m 30s"),
        ("time,sku\n-1,sneaker\n", "allowed: 0 or more, in seconds"),
        ("time,per_s\n0,-5\n1,6\n", "arrivals a second; found .*; allowed: 0 or more"),
        ("time,per_s\n0,0\n1,0\n", "buys nothing"),
        ("time,per_s\n0,1e8\n100,0\n", "max_rows"),
        ("time,per_s\n0,abc\n8,0\n", "arrivals a second; found .*; allowed: 0 or more"),
        ("time,per_s\n0,\n8,0\n", "arrivals a second; found .*; allowed: 0 or more"),
        ("time,per_s\nnan,5\n8,0\n", "a time from the start; found"),
        ("time,per_s\n0,5\ninf,0\n", "a time from the start; found"),
        ("time,per_s\n0,1e30\n8,0\n", "arrivals a second; found .*; allowed: 0 or more"),
        ("time,per_s,time\n0,5,1\n8,0,2\n", "the column time twice"),
        ("time,sku,sku\n0,sneaker,sneaker\n", "the column sku twice"),
    ],
)
def test_a_curve_that_makes_no_sense_is_refused(drop: Scenario, tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "curve.csv"
    path.write_text(text)
    with pytest.raises((ScenarioError, UsageError), match=complaint):
        trace_from_file(path, drop, 1)


def test_a_file_that_is_not_there_or_no_table_is_refused_in_a_line(drop: Scenario, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        trace_from_file(tmp_path / "nothing.csv", drop, 1)
    (tmp_path / "junk.parquet").write_bytes(b"junk")
    with pytest.raises(UsageError, match=r"junk\.parquet"):
        trace_from_file(tmp_path / "junk.parquet", drop, 1)
