"""`liverush load` as its users meet it: a real engine, real Locust, a verdict; and what is wrong, in a line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from loadtests.records import read_acks
from tests.paths import ROOT

QUICK = ("--from", "119m", "--for", "60s", "--speed", "15", "--share", "0.3", "--tail", "7s", "--no-figures")


def _liverush(folder: Path, *arguments: str, timeout_s: float = 90) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sim.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def _left_behind(folder: Path) -> list[str]:
    """Processes that were started for a run in `folder` and are still there."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        if str(folder) in command:
            found.append(command)
    return found


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("load")
    done = _liverush(folder, "load", "evening_show", *QUICK, "--json")
    assert done.returncode in (0, 1, 4), done.stderr  # a busy machine may miss an objective or be too slow to be valid
    summary = json.loads(done.stdout)
    return folder / summary["directory"], summary


def test_a_replay_ends_with_a_clean_audit_and_nothing_unsent(loaded: tuple[Path, dict[str, Any]]) -> None:
    _directory, summary = loaded
    assert summary["verdict"]["audit"] == "clean"
    assert summary["dropped"] == 0
    assert not summary["incomplete"]
    checkout = summary["endpoints"]["checkout"]
    assert checkout["ok"] > 0
    assert checkout["errors"] == checkout["timeouts"] == 0
    assert summary["endpoints"]["confirmation"]["ok"] > 0
    assert {"S1", "S3", "M1", "O1", "O2", "T1"} <= set(summary["audit"]["checked"])


def test_every_planned_arrival_is_a_request_with_its_stamps(loaded: tuple[Path, dict[str, Any]]) -> None:
    directory, summary = loaded
    table = pq.read_table(directory / "requests.parquet").to_pydict()
    first = [
        due
        for due, endpoint, attempt in zip(table["due_us"], table["endpoint"], table["attempt"], strict=True)
        if attempt == 1 and endpoint in ("view", "refresh", "quote", "checkout")
    ]
    twins = summary["endpoints"]["checkout"]["replayed"]
    assert summary["planned"]["arrivals"] <= len(first) <= summary["planned"]["arrivals"] + max(twins, 50)
    assert all(sent >= due for sent, due in zip(table["sent_us"], table["due_us"], strict=True))
    assert all(done >= sent for sent, done in zip(table["sent_us"], table["done_us"], strict=True))


def test_carts_have_the_traces_numbers_and_journeys_end_with_their_last_step(
    loaded: tuple[Path, dict[str, Any]],
) -> None:
    directory, summary = loaded
    acknowledged = {ack.cart for ack in read_acks(directory / "raw") if ack.kind == "PLACED"}
    table = pq.read_table(directory / "requests.parquet", columns=["cart", "endpoint", "outcome"]).to_pylist()
    placed = {row["cart"] for row in table if row["endpoint"] == "checkout" and row["outcome"] in ("ok", "replayed")}
    assert placed == acknowledged
    last = [summary["endpoints"].get(name, {}) for name in ("confirmation", "cancel")]
    done = sum(row.get("ok", 0) + row.get("replayed", 0) for row in last)
    assert 0 < summary["buyers"]["journey"]["carts"] == done <= summary["buyers"]["journey"]["planned"]


def test_without_figures_there_is_what_a_continuous_integration_reads(
    loaded: tuple[Path, dict[str, Any]],
) -> None:
    directory, _summary = loaded
    assert (directory / "junit.xml").is_file()
    assert (directory / "summary.md").is_file()
    assert not (directory / "report.html").exists()


def test_nothing_is_left_running_and_no_secret_is_written(loaded: tuple[Path, dict[str, Any]]) -> None:
    directory, _summary = loaded
    assert _left_behind(directory.parent) == []
    for path in directory.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".log", ".yaml", ".html"):
            assert "whsec_" not in path.read_text(errors="replace")


def test_an_interrupted_replay_keeps_what_was_measured(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sim.cli", "load", "evening_show", "--for", "40s", "--share", "0.2", "--no-figures"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "offered" in line:
            break
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    said, _errors = process.communicate(timeout=60)
    assert process.returncode == 130, said
    (directory,) = (tmp_path / "results" / "runs").glob("evening_show-load-*")
    summary = json.loads((directory / "summary.json").read_text())
    assert summary["incomplete"]
    assert summary["sent"] > 0
    assert "INCOMPLETE" in said
    assert _left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nothing",), "no file and no shipped scenario"),
        (("flash_drop", "--from", "19d"), "no checkout falls into"),
        (("flash_drop", "--ladder", "1,x"), "--ladder"),
        (("flash_drop", "--secret", "NO_SUCH_VARIABLE"), "the environment has no NO_SUCH_VARIABLE"),
        (("flash_drop", "--target", "nowhere:Shop"), "nowhere"),
        (("flash_drop", "--url", "http://192.0.2.1"), "--allow-host"),
        (("flash_drop", "--url", "http://127.0.0.1:9"), "127.0.0.1"),
        (("flash_drop", "--trace", "missing.csv"), "no such file"),
        (("flash_drop", "--as", "missing"), "no run directory"),
        (("flash_drop", "--abort-on", "whatever"), "abort"),
        (("flash_drop", "--max-orders", "10"), "--max-orders"),
        (("flash_drop", "--max-per-s", "nan"), "--max-per-s"),
        (("flash_drop", "--max-per-s", "inf"), "--max-per-s"),
        (("flash_drop", "--share", "nan"), "--share"),
        (("flash_drop", "--client-timeout", "0s"), "too short"),
        (("flash_drop", "--twins", "1.5"), "--twins"),
        (("flash_drop", "--speed", "nan"), "--speed"),
        (("flash_drop", "--target-option", "url=http://192.0.2.1"), "--url"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    done = _liverush(tmp_path, "load", *arguments)
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("liverush:")]
    assert len(lines) == 1
    assert complaint in lines[0]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("summary.json"))
