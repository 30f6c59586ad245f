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

PROCESSES = Path("/proc")
ROOT = Path(__file__).resolve().parents[2]
GONE_WITHIN_S = 15
PROGRAM = """
from pathlib import Path
from sim.experiments.simulate import run
from sim.scenario.load import load_scenario
run(load_scenario(Path("small.yaml")), replications=100_000, workers=2, out=Path("runs"))
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
@pytest.mark.parametrize("after_s", [0.0, 2.0], ids=["while they start", "while they work"])
def test_the_workers_of_a_killed_run_end_with_it(tmp_path: Path, after_s: float) -> None:
    show.load(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    started: set[int] = set()
    try:
        assert waited(lambda: sum(map(is_worker, offspring(run.pid))) == 2, 60)
        time.sleep(after_s)
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
