"""The run record: what ran, on what, and how long each stage took."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sim
from sim.measure.machine import describe_machine, package_versions, peak_rss_bytes


class RunRecord:
    """Starts its clock when made; `stage` times a part, `as_dict` tells all."""

    def __init__(self) -> None:
        self._started = dt.datetime.now(dt.UTC)
        self._begin = time.perf_counter()
        self._elapsed: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to stage `name`."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._elapsed[name] = self._elapsed.get(name, 0.0) + time.perf_counter() - begin

    def as_dict(self) -> dict[str, Any]:
        """Version, start, elapsed seconds by stage, peak memory, machine and packages."""
        elapsed = {**self._elapsed, "all": time.perf_counter() - self._begin}
        return {
            "liverush": sim.__version__,
            "started_utc": self._started.isoformat(timespec="seconds"),
            "elapsed_s": {name: round(seconds, 6) for name, seconds in elapsed.items()},
            "peak_rss_bytes": peak_rss_bytes(),
            "machine": describe_machine(),
            "packages": package_versions(),
        }
