"""Whole replays by Locust in processes of their own: what is sent, measured and kept, whatever happens."""

from __future__ import annotations

import collections
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from loadtests.generator import free_port
from loadtests.records import MISSED, Endpoint, Outcome, read_acks, read_records
from loadtests.schedule import PLACE, VIEW
from tests.load.made_schedules import even_schedule, schedule_of
from tests.load.running import LocustRun, plain_server
from tests.paths import ROOT


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[subprocess.Popen[str], str]]:
    with plain_server() as (process, port):
        yield process, f"http://127.0.0.1:{port}"


def locust_totals(folder: Path) -> dict[str, int]:
    told = json.loads((folder / "locust.json").read_text())
    return {entry["name"]: entry["num_requests"] for entry in told}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_workers_records_are_the_trace_with_nothing_twice_or_missing_and_so_are_locusts_totals(
    tmp_path: Path, server: tuple[Any, str], workers: int
) -> None:
    count = 400
    arrivals = [(at * 2_500, PLACE if at % 4 == 0 else VIEW, at // 2) for at in range(count)]
    run = LocustRun(tmp_path, schedule_of(arrivals, [{}] * (count // 2)), server[1], workers=workers)
    run.begin()
    assert run.end() == 0, run.log()
    records = read_records(tmp_path)
    of_trace = np.isin(records["endpoint"], [Endpoint.VIEW, Endpoint.CHECKOUT])
    sent = collections.Counter(
        (int(row["due_us"]), PLACE if row["endpoint"] == Endpoint.CHECKOUT else VIEW, int(row["cart"]))
        for row in records[of_trace]
    )
    assert sent == collections.Counter(arrivals)
    assert set(records["outcome"]) == {Outcome.OK}
    assert {int(row["worker"]) for row in records} == set(range(workers))
    assert all(row["cart"] % workers == row["worker"] for row in records)
    by_name = collections.Counter(Endpoint(row["endpoint"]).name.lower() for row in records)
    assert locust_totals(tmp_path) == dict(by_name)
    assert by_name["confirmation"] == count // 4
    assert collections.Counter(ack.kind for ack in read_acks(tmp_path)) == dict.fromkeys(
        ("PLACED", "PAID", "CONFIRMED"), count // 4
    )
    words = [run.word(worker) for worker in range(workers)]
    assert [(word["complete"], word["ended"]) for word in words] == [(True, "done")] * workers
    assert sum(word["planned"] for word in words) == sum(word["sent"] for word in words) == count
    assert all(word["clock_steps"] == [] and word["cpu_us"] > 0 for word in words)
    progress = [json.loads(line) for line in (tmp_path / "progress-0.jsonl").read_text().splitlines()]
    assert [line["second"] for line in progress] == list(range(1, len(progress) + 1))


def test_a_server_that_stands_still_for_two_seconds_is_told_as_such(
    tmp_path: Path, server: tuple[subprocess.Popen[str], str]
) -> None:
    """At 500/s for 6 s, a third of the arrivals meet the stall and wait 2 s to 0 s: p99 is 2 s less 3 % of that."""
    rate, length_s, stall_s = 500, 6.0, 2.0
    run = LocustRun(tmp_path, even_schedule(rate, length_s, VIEW), server[1])
    at_s = run.begin()
    time.sleep(max(0.0, at_s + 2 - time.time()))
    os.kill(server[0].pid, signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        time.sleep(stall_s)
    finally:
        os.kill(server[0].pid, signal.SIGCONT)
        stalled_s = time.monotonic() - stopped
    assert run.end() == 0, run.log()
    records = read_records(tmp_path)
    assert len(records) == rate * length_s
    assert set(records["outcome"]) == {Outcome.OK}
    response_s = (records["done_us"] - records["due_us"]) / 1e6
    theory_s = stalled_s * (1 - 0.01 * length_s / stalled_s)
    assert np.percentile(response_s, 99) == pytest.approx(theory_s, rel=0.05)
    assert np.percentile(response_s, 50) < 0.1
    lag_us = records["sent_us"] - records["due_us"]
    assert lag_us.min() >= 0
    assert np.percentile(lag_us, 90) < 100_000  # the generator went on sending


def test_an_interrupt_keeps_what_was_measured(tmp_path: Path, server: tuple[Any, str]) -> None:
    run = LocustRun(tmp_path, even_schedule(300, 20, PLACE), server[1])
    run.begin()
    time.sleep(1.5)
    os.kill(run.process.pid, signal.SIGINT)
    assert run.end(10) == 0, run.log()
    word, records = run.word(), read_records(tmp_path)
    assert (word["complete"], word["ended"], word["planned"]) == (False, "interrupted", 6000)
    assert 100 < word["sent"] < 3000
    assert np.count_nonzero(records["endpoint"] == Endpoint.CHECKOUT) == word["sent"]
    assert len(list(read_acks(tmp_path))) > 100
    assert "Traceback" not in run.log()


def test_a_generator_that_is_killed_leaves_what_it_had_sent_and_a_word_that_says_so(
    tmp_path: Path, server: tuple[Any, str]
) -> None:
    run = LocustRun(tmp_path, even_schedule(300, 20, VIEW), server[1])
    run.begin()
    time.sleep(1.5)
    run.process.kill()
    run.end()
    assert run.word() == {"worker": 0, "complete": False, "ended": "killed"}
    assert len(read_records(tmp_path)) > 100


def test_a_broken_rule_ends_the_replay_early_and_is_named(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    rules = ["checkout.p99>10s over 1s", "errors>50% over 1s"]
    run = LocustRun(tmp_path, even_schedule(200, 20, VIEW), url, abort_on=rules)
    run.begin()
    assert run.end(15) == 0, run.log()
    word, records = run.word(), read_records(tmp_path)
    assert (word["complete"], word["ended"]) == (False, "abort")
    assert word["abort"] == "errors>50% over 1s: 100.0% over 1 s"
    assert "cannot connect" in word["examples"]["view: HttpFailed"]
    assert len(records)
    assert np.isin(records["outcome"], MISSED).all()


def test_without_a_plan_there_is_one_line_that_says_what_is_missing() -> None:
    arguments = [sys.executable, "-m", "locust", "-f", "loadtests/replay/driver.py", "--headless"]
    environment = {name: value for name, value in os.environ.items() if name != "LIVERUSH_PLAN"}
    done = subprocess.run(
        arguments, cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "LIVERUSH_PLAN names no plan" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_imports_nothing_heavy() -> None:
    code = (
        "import locust, sys; import loadtests.replay.worker, loadtests.targets.reference;"
        "print(sorted({'pyarrow', 'numba', 'scipy', 'matplotlib', 'simpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_worker_whose_records_are_lost_ends_and_is_not_waited_for(tmp_path: Path, server: tuple[Any, str]) -> None:
    """The process that writes them is killed: no last word is said, and nobody must wait for one."""
    run = LocustRun(tmp_path, even_schedule(300, 20, VIEW), server[1])
    run.begin()
    time.sleep(1)
    scribes = [
        one for one in psutil.Process(run.process.pid).children(recursive=True) if "scribe" in str(one.cmdline())
    ]
    assert len(scribes) == 1
    scribes[0].kill()
    run.end()
    assert not (tmp_path / "worker-0.json").exists()
