"""How a merchant learns of payments: the target is asked for news, and journeys that wait for them go on."""

from __future__ import annotations

from typing import Any

import gevent
from gevent import GreenletExit
from greenlet import getcurrent

from loadtests.records import MISSED, NO_CART, Endpoint
from loadtests.replay.steps import Steps
from loadtests.targets.base import Http, Step, Target, ok

#: How soon to look again whether anyone waits for news, and how long to leave a target alone that failed to tell.
_LOOK_S, _PAUSE_S = 0.01, 0.5


class Follower:
    """Asks for news while anyone waits for them: one question at a time, `interval_us` apart."""

    def __init__(self, target: Target, steps: Steps, interval_us: int, patience_us: int) -> None:
        self._target = target
        self._steps = steps
        self._interval_us = interval_us
        self._patience_us = patience_us
        self._cursor = ""
        self._paid: list[str] = []
        self._expected: dict[str, int | None] = {}  # order -> when it was known to be paid
        self._waiting: dict[str, Any] = {}

    def expect(self, order: str) -> None:
        """News of this order are worth keeping from now on."""
        self._expected[order] = None

    def forget(self, order: str) -> None:
        """They are no longer."""
        self._expected.pop(order, None)

    def wait_for(self, order: str) -> int | None:
        """Wait until an order is known to be paid; returns when that was, None if it takes too long."""
        known_us = self._expected.get(order)
        if known_us is not None:
            return known_us
        self._waiting[order] = getcurrent()
        pacer = self._steps.pacer
        pacer.at(pacer.now_us() + self._patience_us, lambda: self._resume(order, None))
        hub: Any = gevent.get_hub()
        try:
            paid_us: int | None = hub.switch()
        finally:
            self._waiting.pop(order, None)
        return paid_us

    def run(self) -> None:
        """Ask until killed."""
        due_us = self._steps.pacer.now_us()
        while True:
            if not self._expected:
                gevent.sleep(_LOOK_S)
                continue
            due_us = max(due_us + self._interval_us, self._steps.pacer.now_us())
            self._steps.pacer.wait(due_us)
            try:
                step, done_us = self._steps.perform(Endpoint.FOLLOW, NO_CART, due_us, due_us, self._ask)
            except GreenletExit:
                return
            if step.outcome in MISSED:
                gevent.sleep(_PAUSE_S)
            for order in self._paid:
                if order in self._expected:
                    self._expected[order] = done_us
                    self._resume(order, done_us)
            self._paid = []

    def _ask(self, http: Http) -> Step:
        paid, self._cursor = self._target.paid_since(http, self._cursor)
        self._paid = [str(order) for order in paid]  # here, so that what is no list of orders is this step's error
        return ok()

    def _resume(self, order: str, paid_us: int | None) -> None:
        waiting = self._waiting.pop(order, None)
        if waiting is not None:
            hub: Any = gevent.get_hub()
            hub.loop.run_callback(waiting.switch, paid_us)
