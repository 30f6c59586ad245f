"""How late the generator itself was, and how late it may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from loadtests.measuring import Measured
from loadtests.records import ARRIVING, Endpoint, Outcome
from sim.measure.percentiles import ENOUGH_BEYOND, beyond, percentile_of, sure_percentile_of
from sim.scenario.parts.system import Slo

#: A generator that is later than this, or than this share of the tightest objective, disturbs what it measures.
LAG_FLOOR_US, LAG_SHARE = 2_000, 0.05
#: The share of requests that may be later than that.
LATE = 0.01
_ARRIVALS = "arrivals"


def lag_of(measured: Measured, slos: Sequence[Slo]) -> dict[str, Any]:
    """How late requests were sent, and how late they may be: 2 ms, or 5 % of the tightest objective.

    Told are those that were latest by p99: the trace's arrivals, or an endpoint with an objective that was asked often
    enough to have a p99. Of too few arrivals for that there is none: then `over`, how many of the `requests` were later
    than the limit, decides by what chance explains. Asking for news of payments is in none: that waits for its own
    answers, so it is never late.
    """
    tightest_us = min((slo.at_most_us for slo in slos), default=0)
    limit_us = max(LAG_FLOOR_US, round(LAG_SHARE * tightest_us))
    sent = measured.records["outcome"] != Outcome.DROPPED
    endpoint, lag = measured.records["endpoint"][sent], measured.lag_us()[sent]
    named = {slo.endpoint: (Endpoint[slo.endpoint.upper()],) for slo in slos}
    lags = {of: np.sort(lag[np.isin(endpoint, asked)]) for of, asked in named.items()}
    enough = {of: lag for of, lag in lags.items() if beyond(99, len(lag)) >= ENOUGH_BEYOND}
    arrivals = {_ARRIVALS: np.sort(lag[np.isin(endpoint, ARRIVING)])}
    of, lag = max((arrivals | enough).items(), key=lambda one: percentile_of(one[1], 99) if len(one[1]) else -1)
    return {
        "of": of if len(lag) else None,
        "p50_us": sure_percentile_of(lag, 50),
        "p99_us": sure_percentile_of(lag, 99),
        "max_us": int(lag[-1]) if len(lag) else None,
        "limit_us": limit_us,
        "requests": len(lag),
        "over": len(lag) - int(np.searchsorted(lag, limit_us, side="right")),
    }
