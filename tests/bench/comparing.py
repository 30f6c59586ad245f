"""The benchmark `compare`: four strategies of `mega_live`, twenty replications each, on two cores, set-up included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.process import Bench, JobFailed, environment
from tests.bench.rows import Target, make_row

SECONDS = Target("seconds", 60)
FEWER = "fewer pickers"
STRATEGIES = ("today", "lean stock", "waveless", FEWER)
REPLICATIONS, WORKERS, LIMIT_S = 20, 2, 900
#: Runs the command and tells its wall time, CPU time and the memory of its largest process.
_PROGRAM = """
import json, os, resource, subprocess, sys, time
wall = time.perf_counter()
code = subprocess.run([sys.executable, "-c", "from sim.cli import main; main()", *sys.argv[1:]],
                      stdout=subprocess.DEVNULL).returncode
wall = time.perf_counter() - wall
used = resource.getrusage(resource.RUSAGE_CHILDREN)
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"code": code, "wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak": peak}))
"""


def compare_mega(bench: Bench) -> list[dict[str, Any]]:
    """The study with an empty cache of compiled code, and again with the code compiled."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as name:
        folder = Path(name)
        return [_row(bench, case, _measured(folder, case)) for case in ("nothing compiled yet", "compiled code kept")]


def _measured(folder: Path, case: str) -> dict[str, Any]:
    arguments = ["compare", "mega_live", "--replications", str(REPLICATIONS), "--workers", str(WORKERS)]
    arguments += ["--strategy", f"{FEWER}=warehouses.eindhoven.pickers=3"]
    arguments += ["--only", ",".join(STRATEGIES), "--out", str(folder / case.replace(" ", "-"))]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments],
        cwd=folder,
        env=environment(folder / "cache"),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode or json.loads(done.stdout)["code"]:
        raise JobFailed(f"liverush {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


def _row(bench: Bench, case: str, ran: dict[str, Any]) -> dict[str, Any]:
    return make_row(
        "compare",
        f"mega_live, {len(STRATEGIES)} strategies x {REPLICATIONS}, {WORKERS} workers, {case}",
        bench.command,
        (SECONDS,),
        seconds=ran["wall"],
        cpu_seconds=ran["cpu"],
        peak_rss_bytes=ran["peak"],
        parts={"cores": os.cpu_count()},
    )
