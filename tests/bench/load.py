"""The load generator: requests a CPU second beside Locust's FastHttpUser, and how late it sends.

Both are asked in turn, of the same server, with Locust's standard request events fired. Ours is the replay's whole
user class: schedule, pacing, journeys, records on disk. It is given more arrivals than anyone can send, so that it is
as busy as FastHttpUser's 50 users; CPU seconds count, as the server and others need the machine too. Over HTTPS both
have opened their connections before the measurement: a TLS handshake costs as much as some 20 requests.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from loadtests.records import Outcome, read_records
from loadtests.schedule import VIEW, Schedule
from tests.bench.process import Bench, JobFailed
from tests.bench.rows import Target, make_row
from tests.load.made_schedules import even_schedule, schedule_of
from tests.load.running import LocustRun, plain_server
from tests.load.shop import certificates
from tests.paths import ROOT

RATIO = Target("client_ratio", 5, at_least=True)
LAG = Target("lag_p99_us", 1_000)
ROUNDS, USERS = 5, 50
GOAL = Target("client_ratio", 5, at_least=True, goal=True)
#: More than anyone can send, or over HTTPS the server answer; how many; and connections opened beforehand.
OFFERED_PER_S, REQUESTS = {"http": 60_000, "https": 25_000}, 75_000
WARM = {"http": 50, "https": 1_000}
LAG_PER_S, LAG_LENGTH_S, LAG_RUNS, SEED = 2_500, 8, 3, 20_261_111
LAG_PERCENTILES = (50, 90, 99, 99.9, 100)


def load_client(bench: Bench) -> list[dict[str, Any]]:
    """Requests a CPU second of the replay against FastHttpUser, over HTTP and HTTPS."""
    schemes = ("http", "https") if certificates.available() else ("http",)
    return [_client_row(bench, scheme) for scheme in schemes]


def load_lag(bench: Bench) -> list[dict[str, Any]]:
    """How much later than due requests are sent, at 2,500 a second with Poisson gaps.

    Where others use the machine too, lag is mostly the time that the generator waits for a CPU, which is told as well.
    """
    lags, waited = [], []
    with plain_server() as (_, port):
        for number in range(LAG_RUNS):
            schedule = poisson_schedule(LAG_PER_S, LAG_LENGTH_S, SEED + number)
            records, word = _replay(bench.folder / f"lag-{number}", schedule, f"http://127.0.0.1:{port}")
            lag_us = records["sent_us"] - records["due_us"]
            waited.append(word["waited_us"] / word["wall_us"])
            lags.append([float(np.percentile(lag_us, percent)) for percent in LAG_PERCENTILES])
    best = min(lags, key=lambda lag: lag[2])
    told = {f"p{percent:g}": value for percent, value in zip(LAG_PERCENTILES, best, strict=True)}
    repeats = {"lag_p99_us": [lag[2] for lag in lags], "share_of_time_without_cpu": waited}
    case = f"{LAG_PER_S:,}/s Poisson for {LAG_LENGTH_S} s, the best of {LAG_RUNS}"
    return [make_row("load_lag", case, bench.command, (LAG,), lag_p99_us=best[2], lag_us=told, repeats=repeats)]


def poisson_schedule(rate_per_s: float, seconds: float, seed: int) -> Schedule:
    """Views at random instants."""
    rng = np.random.default_rng(seed)
    due = np.sort(rng.integers(0, round(seconds * 1e6), rng.poisson(rate_per_s * seconds))).tolist()
    return schedule_of([(at, VIEW, number) for number, at in enumerate(due)], [{}] * len(due))


def _client_row(bench: Bench, scheme: str) -> dict[str, Any]:
    ours, theirs, cpu_s = [], [], 0.0
    with _server(bench.folder, scheme) as (url, ca_file):
        schedule = even_schedule(OFFERED_PER_S[scheme], REQUESTS / OFFERED_PER_S[scheme], VIEW)
        for number in range(ROUNDS):
            theirs.append(_fast_user(url))
            folder = bench.folder / f"client-{scheme}-{number}"
            records, word = _replay(folder, schedule, url, ca_file=ca_file, warm=WARM[scheme])
            if np.count_nonzero(records["outcome"] == Outcome.OK) != REQUESTS:
                raise JobFailed(f"{scheme}: not every request was answered: {word}")
            cpu_s += word["cpu_us"] / 1e6
            ours.append(REQUESTS / (word["cpu_us"] / 1e6))
    ratios = [mine / their for mine, their in zip(ours, theirs, strict=True)]
    return make_row(
        "load_client",
        f"{scheme}, median of {ROUNDS} pairs",
        bench.command,
        (RATIO if scheme == "http" else GOAL,),
        cpu_seconds=cpu_s,
        requests_per_cpu_s=median(ours),
        client_ratio=median(ratios),
        repeats={"ours_per_cpu_s": ours, "fast_http_user_per_cpu_s": theirs, "client_ratio": ratios},
    )


@contextlib.contextmanager
def _server(folder: Path, scheme: str) -> Iterator[tuple[str, str]]:
    if scheme == "http":
        with plain_server() as (_, port):
            yield f"http://127.0.0.1:{port}", ""
        return
    authority, certificate, key = certificates.make(folder)
    with plain_server(certificate, key) as (_, port):
        yield f"https://localhost:{port}", str(authority)


def _replay(folder: Path, schedule: Schedule, url: str, **plan: Any) -> tuple[Any, dict[str, Any]]:
    run = LocustRun(folder, schedule, url, **plan)
    run.begin()
    if run.end(60):
        raise JobFailed(run.log()[-2000:])
    word = run.word()
    if not word["complete"]:
        raise JobFailed(f"the replay was not complete: {word}")
    return read_records(folder), word


def _fast_user(url: str) -> float:
    """Requests a CPU second of FastHttpUser; it verifies no certificates."""
    arguments = [sys.executable, "-m", "locust", "-f", str(ROOT / "tests" / "bench" / "fast_user.py"), "--headless"]
    arguments += ["--only-summary", "-u", str(USERS), "-r", str(USERS), "--loglevel", "ERROR"]
    environment = {**os.environ, "BENCH_URL": url, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60, check=False)
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not told or not told[0]["requests"]:
        raise JobFailed(f"FastHttpUser told nothing:\n{done.stderr[-2000:]}")
    return float(told[0]["requests"] / told[0]["cpu_s"])
