"""Children of the benchmarks: jobs that answer in JSON, and commands of which only time is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.paths import ROOT

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
JOB_LIMIT_S = 900


class JobFailed(Exception):
    """A child that ended with an error; holds the end of what it said."""


@dataclass
class Bench:
    """One call of the benchmarks: its folder, what it compiled and the traces that it made."""

    folder: Path
    command: str
    _traces: dict[tuple[str, float], dict[str, Any]] = field(default_factory=dict)

    def trace(self, scenario: str, factor: float = 1) -> tuple[str, dict[str, Any]]:
        """The folder of a trace and what it took to make it; made once."""
        directory = self.folder / f"{scenario}-{factor:g}"
        if (scenario, factor) not in self._traces:
            directory.mkdir()
            made = self.job("make_trace", scenario=scenario, factor=factor, directory=str(directory))
            self._traces[scenario, factor] = made
        return str(directory), self._traces[scenario, factor]

    def job(self, name: str, *, cache: Path | None = None, **options: Any) -> dict[str, Any]:
        """Run a job of `tests.bench.jobs` in a fresh process; `cache`: of compiled code, instead of the call's own."""
        env = environment(cache or self.folder / "compiled") | dict.fromkeys(ONE_THREAD, "1")
        arguments = [sys.executable, "-m", "tests.bench.jobs", name, json.dumps(options)]
        done = subprocess.run(
            arguments, cwd=ROOT, env=env, capture_output=True, text=True, timeout=JOB_LIMIT_S, check=False
        )
        if done.returncode:
            raise JobFailed(f"{name} {options} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return figures


def back_memory(size_bytes: int) -> None:
    """Let a process touch memory and end, so that what the next one gets is backed.

    A virtual machine may be given its memory only at the first touch. That took 3.4 s a GiB on the machine of the
    committed figures, against 0.3 s for memory that was touched before: the host's time, not the model's.
    """
    touch = f"import numpy; numpy.ones({size_bytes // 8})"
    subprocess.run([sys.executable, "-c", touch], check=True, timeout=JOB_LIMIT_S)


@contextmanager
def open_bench(command: str) -> Iterator[Bench]:
    """A bench whose folder is removed when all is done."""
    with tempfile.TemporaryDirectory(prefix="liverush-bench-") as folder:
        yield Bench(Path(folder), command)


def environment(cache: Path) -> dict[str, str]:
    """Of a child: this checkout first, and this cache of compiled code."""
    kept = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    return kept | {"PYTHONPATH": str(ROOT), "LIVERUSH_CACHE": str(cache)}


def timed_command(arguments: list[str], env: dict[str, str], folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds of a `liverush` command."""
    program = Path(sys.executable).with_name("liverush")
    call = [str(program), *arguments] if program.exists() else [sys.executable, "-c", _MAIN, *arguments]
    cpu, wall = _children_cpu_s(), time.perf_counter()
    done = subprocess.run(call, cwd=folder, env=env, capture_output=True, text=True, timeout=JOB_LIMIT_S, check=False)
    wall = time.perf_counter() - wall
    if done.returncode:
        raise JobFailed(f"liverush {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return wall, _children_cpu_s() - cpu


_MAIN = "from sim.cli import main; main()"


def _children_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system
