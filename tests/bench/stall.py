"""Coordinated omission: what our replay and Locust's own users say of a server that stands still for two seconds.

Both are told to make 500 requests a second for 18 s. A ninth of them falls into the stall and waits between 2 s and
nothing, so the truth is simple: p99 is the stall less 9 % of it. Linux only: it reads /proc.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from loadtests.records import Outcome, read_records
from loadtests.schedule import VIEW
from tests.bench.process import Bench, JobFailed
from tests.bench.rows import Target, make_row
from tests.load.made_schedules import even_schedule
from tests.load.running import LocustRun, plain_server
from tests.paths import ROOT

PER_S, USER_PER_S, LENGTH_S, STALL_AFTER_S, STALL_S = 500, 10, 18, 8, 2.0
PERCENTILES = (50, 90, 99, 99.9)
ERROR = Target("largest_error", 0.05)


def load_stall(bench: Bench) -> list[dict[str, Any]]:
    """The p99 that our replay reports against theory, and what Locust's own users report of the same."""
    with plain_server() as (server, port):
        ours, told = _replayed(bench, server, f"http://127.0.0.1:{port}")
    with plain_server() as (server, port):
        theirs = _paced_users(server, f"http://127.0.0.1:{port}")
    theory_ms = told["stalled_s"] * 1e3 * (1 - 0.01 * LENGTH_S / told["stalled_s"])
    error = ours["p99"] / theory_ms - 1
    row = make_row(
        "load_stall",
        f"{PER_S}/s for {LENGTH_S} s, of which the server stands still for {STALL_S:g} s",
        bench.command,
        (ERROR,),
        errors={"p99": error},
        largest_error=abs(error),
        response_ms={"theory": {"p99": theory_ms}, "replay": ours, "locust_constant_throughput": theirs},
    )
    return [row]


def _replayed(bench: Bench, server: subprocess.Popen[str], url: str) -> tuple[dict[str, float], dict[str, float]]:
    run = LocustRun(bench.folder / "stall", even_schedule(PER_S, LENGTH_S, VIEW), url)
    at_s = run.begin()
    stalled_s = _stand_still(server, at_s + STALL_AFTER_S)
    if run.end(60):
        raise JobFailed(run.log()[-2000:])
    records = read_records(bench.folder / "stall")
    answered = records[records["outcome"] == Outcome.OK]
    response_ms = (answered["done_us"] - answered["due_us"]) / 1e3
    found = {f"p{percent:g}": float(np.percentile(response_ms, percent)) for percent in PERCENTILES}
    return {"planned": PER_S * LENGTH_S, "sent": len(answered), **found}, {"stalled_s": stalled_s}


def _paced_users(server: subprocess.Popen[str], url: str) -> dict[str, float]:
    """What Locust itself reports: its percentiles are rounded to two digits."""
    users = str(PER_S // USER_PER_S)
    arguments = [sys.executable, "-m", "locust", "-f", str(ROOT / "tests" / "bench" / "paced_user.py"), "--headless"]
    arguments += ["-u", users, "-r", users, "--run-time", f"{LENGTH_S}s", "--stop-timeout", "5", "--json"]
    with _locust(arguments, url) as process:
        begun_s = _first_request(server)
        _stand_still(server, begun_s + STALL_AFTER_S)
        output, errors = process.communicate(timeout=60)
    try:
        told = json.loads(output)[0]
    except (ValueError, IndexError) as error:
        raise JobFailed(f"Locust told nothing:\n{errors[-2000:]}") from error
    counts = {float(ms): int(count) for ms, count in told["response_times"].items()}
    found = {f"p{percent:g}": _percentile(counts, percent) for percent in PERCENTILES}
    return {"planned": PER_S * LENGTH_S, "sent": int(told["num_requests"]), **found}


@contextmanager
def _locust(arguments: list[str], url: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "BENCH_URL": url, "BENCH_PER_S": str(USER_PER_S), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _percentile(counts: dict[float, int], percent: float) -> float:
    """The value under which lie `percent` of the counted ones."""
    values = np.array(sorted(counts))
    below = np.cumsum([counts[value] for value in values])
    return float(values[np.searchsorted(below, below[-1] * percent / 100)])


def _first_request(server: subprocess.Popen[str]) -> float:
    """When the server begins to be busy, by time.time()."""
    until, idle = time.monotonic() + 30, _cpu_ticks(server.pid)
    while time.monotonic() < until:
        time.sleep(0.05)
        if _cpu_ticks(server.pid) > idle + 2:
            return time.time()
    raise JobFailed("Locust's users sent nothing")


def _cpu_ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _stand_still(server: subprocess.Popen[str], at_s: float) -> float:
    """Stop the server at an instant for STALL_S; returns for how long it really stood still."""
    time.sleep(max(0.0, at_s - time.time()))
    os.kill(server.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        time.sleep(STALL_S)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    return time.monotonic() - stopped
