"""A server that a target starts for a run: its own process group, its log in the run's folder, and no orphans.

It holds the reading end of a pipe from us as its standard input and is told to end with that, so it ends even where
this process is killed.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sim.errors import UsageError

READY_WITHIN_S = 90.0
_POLL_S = 0.02
#: What a server gets to finish what it has acknowledged, before it is killed.
_END_WITHIN_S = 20.0
_ROOT = Path(__file__).resolve().parent.parent.parent


class ServerProcess:
    """A command that serves until its standard input ends; `log` takes what it says."""

    def __init__(self, command: Sequence[str], folder: Path, log: str) -> None:
        self._command = list(command)
        self._folder = folder
        self._log = folder / log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, wanted: Mapping[str, str], within_s: float = READY_WITHIN_S) -> dict[str, str]:
        """Start it and return what the first group of each `wanted` pattern matches in what it says.

        Raises UsageError where it ends first, or says nothing of that in time.
        """
        paths = os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if part)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env={**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": paths},
                start_new_session=True,  # a Ctrl-C is ours alone: it must outlive the last request
            )
        try:
            return self._wait(wanted, time.monotonic() + within_s)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it: asked first, then made to. Doing it twice is harmless."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(_END_WITHIN_S)

    def _wait(self, wanted: Mapping[str, str], until: float) -> dict[str, str]:
        assert self._process is not None
        while True:
            ended = self._process.poll() is not None  # looked at first: what it said last is then in the log
            said = self._log.read_text(errors="replace")
            found = {name: match[1] for name, pattern in wanted.items() if (match := re.search(pattern, said, re.M))}
            if len(found) == len(wanted):
                return found
            if ended or time.monotonic() > until:
                last = (said.strip().splitlines() or ["it said nothing"])[-1]
                raise UsageError(f"the target did not start: {last.removeprefix('liverush: ')}")
            time.sleep(_POLL_S)
