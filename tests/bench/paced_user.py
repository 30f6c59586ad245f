"""Locust's own way to a rate: users who wait so that each makes so many requests a second, if it is answered in time.

`BENCH_URL=... BENCH_PER_S=10 locust -f tests/bench/paced_user.py --headless -u 50 -r 50 --run-time 18s --json`
"""

from __future__ import annotations

import os

from locust import FastHttpUser, constant_throughput, task


class Paced(FastHttpUser):
    """Makes a request every 1 / BENCH_PER_S seconds; what it could not make meanwhile is never made up for."""

    host = os.environ["BENCH_URL"]
    wait_time = constant_throughput(float(os.environ["BENCH_PER_S"]))

    @task
    def view(self) -> None:
        """One request."""
        self.client.get("/view")
