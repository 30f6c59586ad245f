"""Locust as a child process: started with a plan, told when to begin, ended with us."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sim.errors import InvalidMeasurement

#: Seconds for the workers to load their plan, and at least from the start signal to the replay's time 0.
READY_WITHIN_S = 60.0
LEAD_S = 0.25
#: Seconds that a replay which should be over may take longer before it is ended.
OVERTIME_S = 30.0
#: Seconds for Locust to shut down when all its workers have said their last word.
LEAVE_S = 10.0
_POLL_S = 0.1
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """Let the kernel end this child when its parent is killed, so that nobody goes on loading a target unwatched."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


class Generator:
    """The Locust processes of one replay. `plan` is what they read; its folder takes what they write."""

    def __init__(self, folder: Path, plan: dict[str, Any], workers: int) -> None:
        self.folder = folder
        self.workers = workers
        self._process: subprocess.Popen[bytes] | None = None
        self._plan = folder / "plan.json"
        self._plan.write_text(json.dumps(plan, indent=1))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start Locust and wait until every worker is ready. Raises InvalidMeasurement where one does not come."""
        arguments = [sys.executable, "-m", "locust", "-f", str(Path(__file__).parent / "replay" / "driver.py")]
        arguments += ["--headless", "--only-summary", "--users", str(self.workers), "--loglevel", "WARNING"]
        arguments += among_processes(self.workers) if self.workers > 1 else []
        root = str(Path(__file__).resolve().parent.parent)
        paths = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
        # The user's own defaults for Locust, such as a run time, would change what is measured.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
        with (self.folder / "locust.log").open("wb") as log:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**inherited, "LIVERUSH_PLAN": str(self._plan), "PYTHONSAFEPATH": "1", "PYTHONPATH": paths},
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        self._wait_for_all()

    def begin(self, at_unix_us: int) -> None:
        """Tell the workers when the replay's time 0 is."""
        beside = self.folder / "start.tmp"
        beside.write_text(json.dumps({"at_unix_us": at_unix_us}))
        beside.rename(self.folder / "start.json")

    def wait(self, until_s: float, each: Callable[[], None]) -> bool:
        """Wait for the end, calling `each` now and then; returns whether it ended by itself before `until_s`.

        Locust's master waits for a worker that was killed; nobody waits for it once the last word of each is there.
        """
        assert self._process is not None
        leave_s = until_s
        while self._process.poll() is None:
            each()
            now_s = time.monotonic()
            if now_s > leave_s:
                return leave_s < until_s
            if leave_s == until_s and all(path.exists() for path in self._last_words()):
                leave_s = min(until_s, now_s + LEAVE_S)
            time.sleep(_POLL_S)
        each()
        return True

    def _last_words(self) -> Iterator[Path]:
        return (self.folder / f"worker-{worker}.json" for worker in range(self.workers))

    def stop(self) -> None:
        """End all processes: first asked, then made to."""
        if self._process is None:
            return
        for number, patience_s in ((signal.SIGINT, 10.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            if self._process.poll() is not None and number != signal.SIGKILL:
                break
            self._signal(number)
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue
        self._signal(signal.SIGKILL)  # workers that outlived their master

    def said(self) -> str:
        """The end of Locust's own log, on one line."""
        log = self.folder / "locust.log"
        return " ".join(log.read_text(errors="replace").split())[-500:] if log.exists() else ""

    def _wait_for_all(self) -> None:
        until = time.monotonic() + READY_WITHIN_S
        while not all((self.folder / f"ready-{worker}").exists() for worker in range(self.workers)):
            assert self._process is not None
            if self._process.poll() is not None:
                raise InvalidMeasurement(f"the load generator ended before it was ready: {self.said()}")
            if time.monotonic() > until:
                raise InvalidMeasurement(f"the load generator was not ready in {READY_WITHIN_S:g} s: {self.said()}")
            time.sleep(_POLL_S / 2)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def among_processes(workers: int) -> list[str]:
    """Locust's options for that many workers under a master on a port that no other run uses."""
    port = str(free_port())  # a master that cannot have its port leaves workers that wait for it for ever
    where = ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]
    return ["--processes", str(workers), *where]


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
