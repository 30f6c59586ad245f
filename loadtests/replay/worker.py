"""One worker's replay: its part of the schedule, sent on time, measured, and ended."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import msgspec
import numpy as np

from loadtests import schedule as sc
from loadtests.replay.client import HttpClient
from loadtests.replay.following import Follower
from loadtests.replay.journey import LOOKS, Journeys
from loadtests.replay.pacing import Pacer
from loadtests.replay.plan import ReplayPlan, time_is_over_us
from loadtests.replay.recorder import Recorder
from loadtests.replay.steps import Fire, Steps
from loadtests.replay.watching import Watch
from loadtests.schedule import Schedule, read_schedule
from loadtests.targets.base import HttpFailed
from loadtests.targets.loading import load_target
from sim.arrays import Ints

#: Rows made into Python's own numbers in one go: a tenth of a millisecond.
_ROWS = 1024
_POLL_S, _FLUSH_S = 0.02, 0.2
_CUT_WITHIN_S = 2.0


class Worker:
    """Loaded when it is made; `run` sends. `end` may be called at any time, from any greenlet."""

    def __init__(self, plan: ReplayPlan, worker: int, fire: Fire) -> None:
        self._plan = plan
        self._worker = worker
        self._schedule = read_schedule(Path(plan.schedule))
        self._target = load_target(plan.target)
        state = msgspec.json.decode(Path(plan.state).read_bytes())
        self._target.attach(state)
        self._http = HttpClient(
            state["url"],
            run_id=plan.run_name,
            timeout_s=plan.client_timeout_us / 1e6,
            ca_file=plan.ca_file,
            max_connections=plan.connections,
        )
        self._part, self.left_out = part_of(self._schedule, worker, plan.workers, self._target.steps)
        self._recorder = Recorder(plan.path, worker)
        self._pacer = Pacer()
        self._steps = Steps(self._http, self._pacer, self._recorder, fire)
        self._follower = Follower(self._target, self._steps, plan.follow_us, plan.patience_us)
        self._journeys = Journeys(plan, self._schedule, self._target, self._steps, self._follower)
        self._watch = Watch(plan, self._steps, self._schedule.arrivals["due_us"][self._part], self._abort)
        self._word: dict[str, Any] = {}
        self._ended = ""
        self._began = self._closed = self._overtime = False

    @property
    def why(self) -> str:
        """Why it ended early, empty where it did not."""
        return self._ended

    def prepare(self) -> None:
        """Open the first connections and put aside what the garbage collector need not look at; then it is ready."""
        try:
            self._http.warm(self._plan.warm)
        except HttpFailed as error:
            self._word["warm"] = str(error)
        self._watch.warm_up()
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        (self._plan.path / f"ready-{self._worker}").touch()

    def run(self, at_unix_us: int) -> None:
        """Send everything from an instant on; returns when all is done, time is up or `end` was called."""
        if self._ended:
            return
        self._began = True
        self._pacer.begin(time.monotonic_ns() // 1000 + at_unix_us - time.time_ns() // 1000)
        self._steps.epoch_s = at_unix_us / 1e6
        helpers = [gevent.spawn(self._flush), gevent.spawn(self._watch.run)]
        if "follow" in self._target.steps:
            helpers.append(gevent.spawn(self._follower.run))
        try:
            self._pacer.feed(_stream(self._schedule, self._part), self._journeys.launch)
            self._wait()
        finally:
            self._pacer.close()
            self._word |= {"sent": self._journeys.launched, "unfinished": self._journeys.alive}
            self._journeys.cut(overtime=self._overtime)
            gevent.killall(helpers, block=False)
            self._let_end()
            self._word |= self._watch.told()
            self._word |= {"unpaid": self._journeys.unpaid, "examples": self._steps.examples}

    def end(self, why: str) -> None:
        """End early, soon. Nothing more is sent from now on, even where it takes this process long to come to it."""
        self._ended = self._ended or why
        self._pacer.close()

    def close(self) -> None:
        """Hand over the rest of what was measured, with a last word; the second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._http.close()
        http = self._http
        self._recorder.close(
            {
                "worker": self._worker,
                "complete": not self._ended and self._began and not self._overtime,
                "ended": self._ended or ("overtime" if self._overtime else "done"),
                "overtime": self._overtime,
                "planned": len(self._part),
                "left_out": self.left_out,
                "requests": self._recorder.count,
                "connections": http.opened,
                "most_connections": http.most_open,
                "dropped": http.dropped,
                "stale_retries": http.stale_retries,
                **self._word,
            }
        )

    def _wait(self) -> None:
        until_us = time_is_over_us(self._plan, self._schedule)
        while not self._ended and not (self._pacer.exhausted and not self._journeys.alive):
            gevent.sleep(_POLL_S)
            if self._pacer.now_us() > until_us:
                self._overtime = True
                return

    def _let_end(self) -> None:
        """Let what was cut write its last record."""
        until = time.monotonic() + _CUT_WITHIN_S
        while self._journeys.alive and time.monotonic() < until:
            gevent.sleep(_POLL_S)

    def _flush(self) -> None:
        while True:
            gevent.sleep(_FLUSH_S)
            try:
                self._recorder.flush()
            except RuntimeError:  # what is sent from now on would be of no use
                self.end("lost")
                raise

    def _abort(self, rule: str) -> None:
        self._word["abort"] = rule
        self.end("abort")


def part_of(schedule: Schedule, worker: int, workers: int, steps: frozenset[str]) -> tuple[Ints, dict[str, int]]:
    """The rows that a worker sends, and how many of its part are left out as the target has no such step."""
    part = schedule.part(worker, workers)
    kinds = schedule.arrivals["kind"][part]
    missing = [kind for kind, (step, _) in LOOKS.items() if step not in steps]
    left_out = {sc.KINDS[kind]: int(np.count_nonzero(kinds == kind)) for kind in missing}
    return part[~np.isin(kinds, missing)], {name: count for name, count in left_out.items() if count}


def _stream(schedule: Schedule, part: Ints) -> Iterator[tuple[Any, ...]]:
    """Due time, kind, cart and SKU of the rows, made from the columns bit by bit."""
    columns = [schedule.arrivals[name] for name in ("due_us", "kind", "cart", "sku")]
    for at in range(0, len(part), _ROWS):
        rows = part[at : at + _ROWS]
        yield from zip(*(column[rows].tolist() for column in columns), strict=True)
