"""Locust's own quick user, as many requests as it can: prints requests and CPU seconds between its 2nd and 5th second.

`BENCH_URL=... locust -f tests/bench/fast_user.py --headless -u 50 -r 50`
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import gevent
from locust import FastHttpUser, constant, events, task

WARM_S, MEASURED_S = 1.0, 3.0


class Quick(FastHttpUser):
    """Asks again as soon as it has its answer."""

    host = os.environ["BENCH_URL"]
    wait_time = constant(0)

    @task
    def view(self) -> None:
        """One request."""
        self.client.get("/view")


def _measure(environment: Any, **_: Any) -> None:
    def run() -> None:
        gevent.sleep(WARM_S)
        cpu_s, count = time.process_time(), environment.stats.total.num_requests
        gevent.sleep(MEASURED_S)
        told = {"requests": environment.stats.total.num_requests - count, "cpu_s": time.process_time() - cpu_s}
        print(json.dumps(told), flush=True)
        environment.runner.quit()

    gevent.spawn(run)


_events: Any = events
_events.test_start.add_listener(_measure)
