"""Runs: the same whatever the workers, whole or nothing, and files that agree with each other."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from sim import cli
from sim.cli.progress import stages
from sim.experiments import simulate as experiment
from sim.experiments import tables as experiment_tables
from sim.experiments.columns import FILES
from sim.experiments.simulate import RunPlan, RunResult, run
from sim.experiments.summary import intervals
from sim.scenario.fingerprint import scenario_fingerprint
from sim.scenario.load import Loaded, load_scenario
from tests.experiments import show


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return show.load(tmp_path_factory.mktemp("scenario"), "payment.pays=0.8")


@pytest.fixture(scope="module")
def done(loaded: Loaded, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    out = tmp_path_factory.mktemp("runs")
    return run(loaded.scenario, RunPlan(), out, written=loaded.written, overrides=["payment.pays=0.8"])


@pytest.fixture(scope="module")
def three(loaded: Loaded, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(loaded.scenario, RunPlan(3, workers=1), tmp_path_factory.mktemp("three"))


def told(directory: Path, file: str) -> Any:
    return json.loads((directory / file).read_text(encoding="utf-8"))


def test_the_summary_returned_is_the_one_written(done: RunResult) -> None:
    assert told(done.directory, "summary.json") == json.loads(json.dumps(done.summary))


def test_the_small_show_meets_what_these_tests_are_about(done: RunResult) -> None:
    metrics = done.summary["metrics"]
    assert metrics["orders_paid"] > 50
    assert metrics["refusals_by_reason"]["SOLD_OUT"] > 0
    assert metrics["orders_second_choice"] > 0
    assert metrics["orders_split"] > 0


def test_orders_add_up_to_the_summary(done: RunResult) -> None:
    table, metrics = pq.read_table(done.directory / "orders.parquet"), done.summary["metrics"]
    assert table.num_rows == metrics["intents"]
    states = {row["values"]: row["counts"] for row in pc.value_counts(table["state"].cast("string")).to_pylist()}
    assert states == {name: count for name, count in metrics["orders_by_state"].items() if count}
    assert table.num_rows - table["paid_us"].null_count == metrics["orders_paid"]
    assert pc.sum(table["captured_minor"]).as_py() == metrics["captured_minor"]
    assert pc.sum(table["refunded_minor"]).as_py() == metrics["refunded_minor"]
    assert pc.sum(table["gross_minor"]).as_py() == metrics["contribution"]["gross_sales_minor"]
    assert pc.sum(table["parcels"]).as_py() == metrics["parcels"]["made"]


def test_other_tables_add_up_to_the_summary(done: RunResult) -> None:
    metrics = done.summary["metrics"]
    sums = {
        file: {name: pc.sum(table[name]).as_py() for name in names if (table := pq.read_table(done.directory / file))}
        for file, names in {
            "contents.parquet": ("intents", "placed", "refused", "paid", "gmv_minor", "captured_minor"),
            "skus.parquet": ("units_placed", "units_paid", "on_hand_units", "gross_minor"),
            "hours.parquet": ("packed", "collected", "arrived", "lost"),
            "pickups.parquet": ("collected",),
        }.items()
    }
    shows, skus, hours = (sums[f"{name}.parquet"] for name in ("contents", "skus", "hours"))
    assert shows["gmv_minor"] == metrics["gmv_minor"]
    assert shows["captured_minor"] == metrics["captured_minor"]
    assert shows["intents"] == metrics["intents"]
    assert [shows[name] for name in ("placed", "refused", "paid")] == [
        metrics[f"orders_{name}"] for name in ("placed", "refused", "paid")
    ]
    assert skus["units_placed"] == metrics["units_placed"]
    assert skus["on_hand_units"] == metrics["stock"]["on_hand_units"]
    assert skus["gross_minor"] == metrics["contribution"]["gross_sales_minor"]
    assert hours == {name: metrics["parcels"][name] for name in hours}
    assert sums["pickups.parquet"]["collected"] == metrics["parcels"]["collected"]


def test_the_scenario_as_run_reads_back_to_the_same(done: RunResult, loaded: Loaded) -> None:
    again = load_scenario(done.directory / "scenario.yaml")
    fingerprint = scenario_fingerprint(loaded.scenario)
    assert scenario_fingerprint(again) == fingerprint == told(done.directory, "run.json")["scenario_fingerprint"]


def test_every_value_says_whose_it_is(done: RunResult) -> None:
    rows = {row["path"]: row for row in told(done.directory, "provenance.json")}
    assert rows["payment.pays"]["origin"] == "yours"
    assert rows["payment.tries"]["origin"] == "default"
    text = (done.directory / "scenario.yaml").read_text(encoding="utf-8")
    assert "tries: 3  # default" in text
    assert "pays: 80 %  # --set" in text


def test_the_same_run_writes_the_same_bytes(loaded: Loaded, done: RunResult, tmp_path: Path) -> None:
    again = run(loaded.scenario, RunPlan(), tmp_path, written=loaded.written)
    assert again.directory.name == done.directory.name
    for path in sorted(done.directory.iterdir()):
        if path.name != "run.json":
            assert (again.directory / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_first_replication_is_the_run_of_one(done: RunResult, three: RunResult) -> None:
    assert three.summary["metrics"] == done.summary["metrics"]
    assert three.directory.name != done.directory.name


def test_results_do_not_depend_on_the_number_of_workers(loaded: Loaded, three: RunResult, tmp_path: Path) -> None:
    spread = run(loaded.scenario, RunPlan(3, workers=2), tmp_path)
    assert spread.summary == three.summary


def test_replications_differ_and_have_intervals(three: RunResult) -> None:
    paid = three.summary["intervals"]["orders_paid"]
    assert paid["n"] == 3
    assert paid["low"] < paid["mean"] < paid["high"]
    assert three.summary["intervals"]["slos.0.met"]["n"] == 3


def test_another_seed_is_another_run(loaded: Loaded, done: RunResult, tmp_path: Path) -> None:
    other = run(loaded.scenario, RunPlan(seed=7), tmp_path)
    assert other.directory.name != done.directory.name
    assert other.summary["metrics"] != done.summary["metrics"]
    assert told(other.directory, "run.json")["seed"] == 7


def test_figures_are_drawn_from_a_directory_that_is_all_there(loaded: Loaded, tmp_path: Path) -> None:
    seen: list[str] = []
    run(loaded.scenario, RunPlan(), tmp_path, draw=lambda folder: seen.extend(p.name for p in folder.iterdir()))
    assert {"run.json", "summary.json", "orders.parquet", "scenario.yaml"} <= set(seen)


def test_intervals_end_where_no_mean_can_be() -> None:
    """Student's interval of 0.9 and 1 is 0.315 to 1.585."""
    found = intervals([{"ldr_share": share, "orders_paid": 10 * share, "fee_minor": share} for share in (0.9, 1.0)])
    assert found["ldr_share"] == {"mean": 0.95, "low": pytest.approx(0.315, abs=0.001), "high": 1.0, "n": 2}
    assert found["orders_paid"]["high"] == pytest.approx(15.85, abs=0.01)
    assert intervals([{"orders_paid": 1}, {"orders_paid": 9}])["orders_paid"]["low"] == 0
    low = intervals([{"fee_minor": 1}, {"fee_minor": 9}])["fee_minor"]["low"]
    assert low is not None
    assert low < 0


def test_intervals_leave_out_what_is_unknown_and_what_the_scenario_says() -> None:
    found = intervals([{"a": 1, "b": None, "slos": [{"at_most_us": 5, "met": True}]}, {"a": 3, "b": 2.0, "slos": []}])
    assert set(found) == {"a", "b", "slos.0.met"}
    assert (found["a"]["mean"], found["a"]["n"], found["b"]["n"]) == (2.0, 2, 1)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (OSError(errno.ENOSPC, "Error writing bytes to file. Detail: ..."), 2, "OUT: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "some/file"), 2, "OUT: Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_run_that_fails_says_so_in_one_line_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    error: BaseException,
    code: int,
    text: str,
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(experiment, "write_tables", fail)
    show.load(tmp_path)
    arguments = ["simulate", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "runs"), "--no-figures"]
    assert cli.run(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip() == f"liverush: {text}".replace("OUT", str(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_a_table_that_fails_ends_the_others_and_the_run(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_args: object) -> dict[str, object]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(experiment_tables, "timeline", full)
    with pytest.raises(OSError, match="No space left on device"):
        run(loaded.scenario, RunPlan(), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


def test_every_stage_table_and_replication_is_told_and_they_are_as_many_as_was_said(
    loaded: Loaded, tmp_path: Path
) -> None:
    steps: list[str] = []
    totals: set[int] = set()

    def tell(what: str, of: int) -> None:
        steps.append(what)
        totals.add(of)

    run(loaded.scenario, RunPlan(2, workers=1), tmp_path, draw=lambda _: None, tell=tell)
    first = ["demand", "operations", "results", *["writing"] * len(FILES)]
    assert steps == [*first, "replications", "figures"]
    assert totals == {len(steps)}


def test_the_progress_bar_moves_with_every_step_and_ends_full() -> None:
    moved: list[tuple[str, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "rich.progress.Progress.update",
            lambda _self, _task, **to: moved.extend([(to["description"], to["total"])] * to["advance"]),
        )
        with stages(shown=True) as tell:
            tell("demand", 2)
            tell("figures", 2)
    assert moved == [("demand", 2), ("figures", 2)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_killed_run_leaves_no_half_run_directory(tmp_path: Path, name: str, code: int) -> None:
    show.load(tmp_path)
    program = f"""
import os, signal, sys
from sim import cli
from sim.experiments import simulate as experiment
def simulate(*_, **__):
    assert [name for name in os.listdir("runs") if name.startswith(".partial-")]
    os.kill(os.getpid(), signal.{name})
    signal.pause()
experiment.simulate = simulate
cli.main(["simulate", "small.yaml", "--out", "runs", "--no-figures"])
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, len(ended.stderr.strip().splitlines())) == (code, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.yaml"]


def test_json_prints_the_summary_and_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show.load(tmp_path)
    arguments = ["simulate", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "runs"), "--no-figures", "--json"]
    assert cli.run(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    directory = Path(printed.pop("directory"))
    assert told(directory, "summary.json") == printed


def test_a_show_that_nobody_watches_still_gives_a_whole_run(tmp_path: Path) -> None:
    nobody = ["programme.broadcasts[0].entries[0].per_min=0", "programme.broadcasts[0].entries[1].per_min=0"]
    scenario = show.load(tmp_path, *nobody, "programme.videos=[]").scenario
    done = run(scenario, RunPlan(), tmp_path / "runs")
    assert done.summary["metrics"]["intents"] == 0
    assert pq.read_table(done.directory / "orders.parquet").num_rows == 0
    assert pq.read_table(done.directory / "contents.parquet").num_rows == 1
