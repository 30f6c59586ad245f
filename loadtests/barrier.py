"""A barrier for users of plain Locust: all wait until everybody is there, then all go at one instant, in all processes.

Each process tells how many wait there; who counts (the master, or the one process) sends the instant to all.
"""

from __future__ import annotations

import time
from typing import Any

import gevent
from gevent.event import AsyncResult

WAITING, GO = "liverush-barrier-waiting", "liverush-barrier-go"
#: From "all are there" to "go": the message must have come everywhere.
LEAD_S = 0.3
_TELL_S = 0.1


class Barrier:
    """One barrier of a run. `expected`: users in all processes; after `within_s` those who are there go."""

    def __init__(self, runner: Any, expected: int, within_s: float) -> None:
        self._runner = runner
        self._expected = expected
        self._within_s = within_s
        self._here = 0
        self._there: dict[int, int] = {}
        self._go: AsyncResult = AsyncResult()
        self._counts = not hasattr(runner, "master_host")  # a worker knows its master's host
        if self._counts:
            runner.register_message(WAITING, self._told)
            gevent.spawn(self._late)
        if not self._counts or hasattr(runner, "worker_index"):
            runner.register_message(GO, self._released)
            gevent.spawn(self._tell)

    def wait(self) -> None:
        """Wait until all are released."""
        self._here += 1
        at_s = self._go.get()
        gevent.sleep(max(0.0, at_s - time.time()))

    def _tell(self) -> None:
        told = -1
        while not self._go.ready():
            if told != self._here:
                told = self._here
                index = getattr(self._runner, "worker_index", 0)
                self._runner.send_message(WAITING, {"worker": index, "waiting": told})
            gevent.sleep(_TELL_S)

    def _told(self, environment: Any, msg: Any) -> None:
        self._there[msg.data["worker"]] = msg.data["waiting"]
        if sum(self._there.values()) >= self._expected:
            self._release()

    def _late(self) -> None:
        gevent.sleep(self._within_s)
        self._release()

    def _release(self) -> None:
        if not self._go.ready():
            at_s = time.time() + LEAD_S
            if not hasattr(self._runner, "worker_index"):  # a master: it has no users of its own
                self._go.set(at_s)
            self._runner.send_message(GO, {"at_s": at_s})

    def _released(self, environment: Any, msg: Any) -> None:
        if not self._go.ready():
            self._go.set(msg.data["at_s"])
