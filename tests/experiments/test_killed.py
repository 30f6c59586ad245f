"""A run killed with a signal that nobody can catch takes its worker processes with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.experiments import show
from tests.paths import ROOT

PROCESSES = Path("/proc")
STARTED_AFTER_S, GONE_WITHIN_S = 2.0, 15.0
PROGRAM = """
from pathlib import Path
from sim.experiments.simulate import RunPlan, run
from sim.scenario.load import load_scenario
run(load_scenario(Path("small.yaml")), RunPlan(100_000, workers=2), Path("runs"))
"""
#: The same, but that nothing is sent to the workers any more: they are there and wait for work.
WITHOUT_WORK = """
import threading
import joblib
class Unsendable:
    def __reduce__(self):
        threading.Event().wait()
delayed = joblib.delayed
joblib.delayed = lambda function: lambda *_: delayed(function)(Unsendable())
"""


def parents() -> dict[int, int]:
    """The parent of every process that has not ended."""
    found = {}
    for folder in PROCESSES.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    found[int(folder.name)] = int(parent)
    return found


def offspring(root: int) -> set[int]:
    """All processes that `root` has started, and those that these have."""
    all_parents, found, size = parents(), {root}, 0
    while len(found) > size:
        size = len(found)
        found |= {process for process, parent in all_parents.items() if parent in found}
    return found - {root}


def is_worker(process: int) -> bool:
    with suppress(OSError):
        return b"popen_loky" in (PROCESSES / str(process) / "cmdline").read_bytes()
    return False


def waited(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether `condition()` came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.skipif(not PROCESSES.is_dir(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("before", [WITHOUT_WORK, ""], ids=["while they wait", "while they work"])
def test_the_workers_of_a_killed_run_end_with_it(tmp_path: Path, before: str) -> None:
    show.load(tmp_path)
    environment, program = {**os.environ, "PYTHONPATH": str(ROOT)}, before + PROGRAM
    run = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    started: set[int] = set()
    try:
        assert waited(lambda: sum(map(is_worker, offspring(run.pid))) == 2, 60)
        time.sleep(STARTED_AFTER_S)
        assert run.poll() is None
        started = offspring(run.pid)
        assert len(started) >= 2
        run.send_signal(signal.SIGKILL)
        run.wait(10)
        assert waited(lambda: not started & parents().keys(), GONE_WITHIN_S), started & parents().keys()
    finally:
        for process in {run.pid, *started} & parents().keys():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        run.wait(10)
