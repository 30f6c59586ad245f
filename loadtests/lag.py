"""How late the generator itself was, and how late it may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loadtests.chance import are_too_many
from loadtests.endpoints import are_arrivals
from loadtests.measuring import Measured
from loadtests.records import Endpoint, Outcome
from sim.arrays import Ints
from sim.measure.percentiles import sure_percentile_of
from sim.scenario.parts.system import Slo

#: A generator that is later than this, or than this share of the tightest objective, disturbs what it measures.
LAG_FLOOR_US, LAG_SHARE = 2_000, 0.05
#: The share of requests that may be later than that.
LATE = 0.01
_ARRIVALS = "arrivals"


def lag_of(measured: Measured, slos: Sequence[Slo]) -> dict[str, Any]:
    """How late requests were sent, and how late they may be: 2 ms, or 5 % of the tightest objective.

    Told are those that were latest: the trace's arrivals, or all tries at an endpoint with an objective that was asked
    often enough to have a p99. Each is held to `is_late` for itself, and one that is late comes before all that are
    not. Asking for news of payments is in none: that waits for its own answers, so it is never late.
    """
    tightest_us = min((slo.at_most_us for slo in slos), default=0)
    limit_us = max(LAG_FLOOR_US, round(LAG_SHARE * tightest_us))
    records, lag_us = measured.records, measured.lag_us()
    sent = records["outcome"] != Outcome.DROPPED
    arrivals = _told(_ARRIVALS, lag_us[sent & are_arrivals(records)], limit_us)
    asked = {slo.endpoint: sent & (records["endpoint"] == Endpoint[slo.endpoint.upper()]) for slo in slos}
    told = [_told(of, lag_us[rows], limit_us) for of, rows in asked.items()]
    return max([arrivals, *(lag for lag in told if lag["p99_us"] is not None)], key=_lateness)


def is_late(lag: Mapping[str, Any]) -> bool:
    """Whether it is over its limit: by its p99, or without one by more than chance explains of one in a hundred."""
    if lag["p99_us"] is not None:
        return bool(lag["p99_us"] > lag["limit_us"])
    return are_too_many(lag["over"], lag["requests"], LATE)


def _lateness(lag: Mapping[str, Any]) -> tuple[bool, float, int]:
    return is_late(lag), lag["over"] / max(lag["requests"], 1), lag["p99_us"] or 0


def _told(of: str, lag_us: Ints, limit_us: int) -> dict[str, Any]:
    lag = np.sort(lag_us)
    return {
        "of": of if len(lag) else None,
        "p50_us": sure_percentile_of(lag, 50),
        "p99_us": sure_percentile_of(lag, 99),
        "max_us": int(lag[-1]) if len(lag) else None,
        "limit_us": limit_us,
        "requests": len(lag),
        "over": len(lag) - int(np.searchsorted(lag, limit_us, side="right")),
    }
