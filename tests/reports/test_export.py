"""Exports: CSV holds every row, the k6 script sends the planned number of arrivals."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.cli import run
from sim.reports.export import export_run
from sim.reports.k6 import FILE_NAME, k6_script
from sim.reports.load_files import LoadRun
from tests.paths import SCENARIOS
from tests.reports.load_runs import write_load_run
from tests.reports.synthetic import write_run


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_load_run(tmp_path_factory.mktemp("export") / "run", "good")


def steps(script: str, name: str) -> list[list[int]]:
    found = re.search(rf"const {name} = (.*);", script)
    assert found
    told: list[list[int]] = json.loads(found[1])
    return told


def test_csv_holds_every_row_of_every_table(directory: Path, tmp_path: Path) -> None:
    paths = export_run(directory, "csv", tmp_path)
    assert [path.stem for path in paths] == sorted(path.stem for path in directory.glob("*.parquet"))
    with (tmp_path / "requests.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    load = LoadRun(directory)
    assert [int(row["due_us"]) for row in rows] == load.requests["due_us"].tolist()
    assert {row["endpoint"] for row in rows} == {"view", "refresh", "quote", "checkout", "payment", "confirmation"}
    assert rows[0]["reason"] == load.reason.names[load.reason.codes[0]]


def test_csv_of_a_simulated_run_holds_its_orders(tmp_path: Path) -> None:
    simulated = write_run(tmp_path / "run", SCENARIOS / "flash_drop.yaml", 100)
    assert run(["export", str(simulated), "--to", "csv"]) == 0
    header = (simulated / "export" / "orders.csv").read_text("utf-8").splitlines()[0]
    assert '"arrived_us"' in header
    assert {path.stem for path in (simulated / "export").iterdir()} == {
        path.stem for path in simulated.glob("*.parquet")
    }


def test_a_folder_in_the_place_of_a_table_is_told(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "requests.csv").mkdir()
    assert run(["export", str(directory), "--to", "csv", "--out", str(tmp_path)]) == 2
    assert "requests.csv" in capsys.readouterr().err


def test_the_k6_script_sends_as_many_arrivals_as_were_planned(directory: Path) -> None:
    load, script = LoadRun(directory), k6_script(LoadRun(directory))
    assert "timeUnit: '100ms'" in script
    sums = {
        name: sum(length // 100 * count for length, count in steps(script, name)) for name in ("BROWSING", "CHECKOUTS")
    }
    assert sums["CHECKOUTS"] == load.intended["checkouts"].sum()
    assert sum(sums.values()) == load.intended["arrivals"].sum()
    assert "@" not in re.sub(r"[\w.]+@[\w.]+", "", script)


def test_a_long_replay_gets_longer_stages_and_loses_nothing(directory: Path) -> None:
    load = LoadRun(directory)
    load.__dict__["intended"] = {
        "bin_us": np.arange(10_000) * 100_000,
        "arrivals": np.arange(10_000) % 7 + 2,
        "checkouts": np.arange(10_000) % 3,
    }
    script = k6_script(load)
    assert "timeUnit: '2000ms'" in script
    assert sum(length // 2000 * count for length, count in steps(script, "CHECKOUTS")) == 9_999
    assert len(steps(script, "CHECKOUTS")) <= 600


def test_the_script_has_the_objectives_and_says_what_is_lost(directory: Path) -> None:
    script = k6_script(LoadRun(directory))
    assert '"http_req_duration{name:checkout}": ["p(99)<=250"]' in script
    assert "Lost on the way to k6" in script


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not there to read the script")
def test_the_script_is_javascript(directory: Path, tmp_path: Path) -> None:
    path = export_run(directory, "k6", tmp_path)[0]
    assert path.name == FILE_NAME
    module = tmp_path / "replay.mjs"
    module.write_bytes(path.read_bytes())
    done = subprocess.run(["node", "--check", str(module)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["nothing", "simulated"])
def test_what_has_no_rate_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    target: Any = tmp_path / "run"
    if kind == "nothing":
        write_load_run(target, kind)
    else:
        write_run(target, SCENARIOS / "flash_drop.yaml", 10)
    assert run(["export", str(target), "--to", "k6"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (target / "export").exists()
