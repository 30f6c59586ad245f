"""Once a second: live figures, rules that end the replay early, and whether somebody set the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import numpy as np

from loadtests.records import MISSED, RECORD, Endpoint, Outcome
from loadtests.replay.aborting import parse_rule
from loadtests.replay.plan import ReplayPlan
from loadtests.replay.recorder import Rows, percentile_us
from loadtests.replay.steps import Steps
from sim.arrays import Ints
from sim.orders.rules import SECOND_US

_SCHEDSTAT = Path("/proc/self/schedstat")
#: A shorter second (one that was looked at late is followed by such) says nothing of how busy it was.
_LEAST_S = 0.9
#: The wall clock may drift against the monotonic one (a clock that is being slewed); a jump is more than this.
CLOCK_STEP_US = 10_000


class Watch:
    """Looks at each second of a worker's replay."""

    def __init__(self, plan: ReplayPlan, steps: Steps, due_us: Ints, abort: Callable[[str], None]) -> None:
        self._steps = steps
        self._due_us = due_us
        self._abort = abort
        self._rules = [parse_rule(text) for text in plan.abort_on]
        self._second = self._max_lag_us = 0
        self._sent = 0
        self._cpu_from_s, self._from_s = self._tick = _now()
        self._busiest_share = 0.0
        self._waited_from_us = _waited_us()
        self._offset_us = _clock_offset_us()
        self._drift_us = 0
        self._clock_steps: list[dict[str, int]] = []

    def warm_up(self) -> None:
        """Look at something made up: numpy imports parts of itself when they are first used, which takes a while."""
        made_up = np.zeros(2, RECORD)
        self._figures(made_up)
        for rule in self._rules:
            rule.broken_by(made_up)
            rule.forget()

    def run(self) -> None:
        """Look from the replay's time 0 until killed."""
        self._offset_us = _clock_offset_us()
        pacer = self._steps.pacer
        pacer.wait(0)
        self._cpu_from_s, self._from_s = self._tick = _now()
        self._waited_from_us = _waited_us()
        while True:
            wait_us = (self._second + 1) * SECOND_US - pacer.now_us()
            gevent.sleep(max(wait_us, 1000) / 1e6)
            if pacer.now_us() < (self._second + 1) * SECOND_US:
                continue
            self._second += 1
            self._look_at_cpu()
            self._look()

    def told(self) -> dict[str, Any]:
        """What is said of the whole replay; the second under way is looked at first."""
        self._rules = []  # it is over anyway
        self._second += 1
        self._look()
        return {
            "cpu_us": round((time.process_time() - self._cpu_from_s) * 1e6),
            "wall_us": round((time.monotonic() - self._from_s) * 1e6),
            "busiest_share": round(self._busiest_share, 4),
            "waited_us": _waited_us() - self._waited_from_us,
            "max_lag_us": self._max_lag_us,
            "clock_steps": self._clock_steps,
            "drift_us": self._drift_us,
        }

    def _look(self) -> None:
        steps = self._steps
        rows = steps.recorder.second()
        steps.recorder.progress({"second": self._second} | self._figures(rows))
        self._sent = steps.sent
        self._look_at_clock()
        now_us = steps.pacer.now_us()
        under_way = [(endpoint, now_us - due_us) for endpoint, due_us in steps.under_way.values()]
        for broken in filter(None, [rule.broken_by(rows, under_way) for rule in self._rules]):
            self._abort(broken)

    def _figures(self, rows: Rows) -> dict[str, Any]:
        steps = self._steps
        now_us = self._second * SECOND_US
        of_trace = np.searchsorted(self._due_us, [now_us - SECOND_US, now_us])
        lag_us = rows["sent_us"] - np.maximum(rows["due_us"], rows["ready_us"])
        self._max_lag_us = max(self._max_lag_us, int(lag_us.max(initial=0)))
        checkouts = rows[rows["endpoint"] == Endpoint.CHECKOUT]
        return {
            "offered": int(of_trace[1] - of_trace[0]),
            "achieved": steps.sent - self._sent,
            "in_flight": steps.in_flight,
            "checkout_p99_us": percentile_us(checkouts["done_us"] - checkouts["due_us"], 99),
            "lag_p99_us": percentile_us(lag_us, 99),
            "refused": int(np.count_nonzero(rows["outcome"] == Outcome.REFUSED)),
            "errors": int(np.count_nonzero(np.isin(rows["outcome"], MISSED))),
        }

    def _look_at_cpu(self) -> None:
        """Keep how busy the busiest second was: a burst is over long before it shows in the mean of a replay."""
        now, before = _now(), self._tick
        self._busiest_share = max(self._busiest_share, (now[0] - before[0]) / max(now[1] - before[1], _LEAST_S))
        self._tick = now

    def _look_at_clock(self) -> None:
        drift_us = _clock_offset_us() - self._offset_us
        if abs(drift_us - self._drift_us) > CLOCK_STEP_US:
            self._clock_steps.append({"at_us": self._steps.pacer.now_us(), "by_us": drift_us - self._drift_us})
        self._drift_us = drift_us


def _now() -> tuple[float, float]:
    """The CPU time of this process and the monotonic clock, in seconds."""
    return time.process_time(), time.monotonic()


def _clock_offset_us() -> int:
    """The wall clock less the monotonic one; read close together, so that a pause between them is no step."""
    readings = []
    for _ in range(3):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1] // 1000


def _waited_us() -> int:
    """How long this process was ready to run and had no CPU, as Linux counts it; 0 elsewhere. What lag is made of."""
    try:
        return int(_SCHEDSTAT.read_text().split()[1]) // 1000
    except (OSError, IndexError, ValueError):
        return 0
