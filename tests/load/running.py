"""Replays by Locust in processes of their own, against the plain server: for tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loadtests.generator import among_processes
from loadtests.schedule import Schedule
from tests.paths import ROOT

LEAD_S = 0.5


@contextlib.contextmanager
def plain_server(*tls: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Serve; yields the process and its port."""
    arguments = [sys.executable, "-m", "tests.load.plain_server", *map(str, tls)]
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


class LocustRun:
    """One replay: started when it is made, begun by `begin`; everything it leaves is in `folder`."""

    def __init__(
        self,
        folder: Path,
        schedule: Schedule,
        url: str,
        *,
        workers: int = 1,
        target: str = "tests.load.fakes:Plain",
        **plan: Any,
    ) -> None:
        self.folder = folder
        self.workers = workers
        folder.mkdir(parents=True, exist_ok=True)
        schedule.write(folder / "schedule.npz")
        (folder / "state.json").write_text(json.dumps({"url": url}))
        told = {
            "schedule": str(folder / "schedule.npz"),
            "state": str(folder / "state.json"),
            "folder": str(folder),
            "target": target,
            "workers": workers,
            **plan,
        }
        (folder / "plan.json").write_text(json.dumps(told))
        arguments = [
            sys.executable,
            "-m",
            "locust",
            "-f",
            str(ROOT / "loadtests" / "replay" / "driver.py"),
            "--headless",
        ]
        arguments += ["--only-summary", "--users", str(workers), "--loglevel", "WARNING"]
        arguments += ["--json-file", str(folder / "locust")]
        arguments += among_processes(workers) if workers > 1 else []
        environment = {**os.environ, "LIVERUSH_PLAN": str(folder / "plan.json"), "PYTHONPATH": str(ROOT)}
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                arguments, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def begin(self) -> float:
        """Wait until all are ready and say when to begin; returns that instant by time.time()."""
        until = time.monotonic() + 30
        while not all((self.folder / f"ready-{worker}").exists() for worker in range(self.workers)):
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < until, self.log()
            time.sleep(0.01)
        at_s = time.time() + LEAD_S
        (self.folder / "start.tmp").write_text(json.dumps({"at_unix_us": round(at_s * 1e6)}))
        (self.folder / "start.tmp").rename(self.folder / "start.json")
        return at_s

    def end(self, timeout_s: float = 40) -> int:
        """Wait for the end; returns the exit code."""
        try:
            return self.process.wait(timeout_s)
        finally:
            self.process.kill()
            self.process.wait()

    def word(self, worker: int = 0) -> dict[str, Any]:
        """A worker's last word."""
        path = self.folder / f"worker-{worker}.json"
        until = time.monotonic() + 5
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.01)
        told: dict[str, Any] = json.loads(path.read_text())
        return told

    def log(self) -> str:
        """What Locust said."""
        return (self.folder / "log").read_text(errors="replace")
