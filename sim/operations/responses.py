"""Response times of the engine's endpoints, their percentiles, and whether the scenario's SLOs were met.

A percentile is the nearest rank over answered requests. One with fewer than 10 answers beyond it is not told. For an
SLO, requests that were never answered count as slower than any limit.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.arrays import Column
from sim.measure.percentiles import ENOUGH_BEYOND, rank_of
from sim.operations.outcome import Outcome
from sim.orders.states import FAILURES, REFUSALS, Reason
from sim.scenario.schema import Scenario

ENDPOINTS = ("checkout", "payment", "confirmation")
PERCENTILES = {"p50_us": 50.0, "p95_us": 95.0, "p99_us": 99.0, "p99_9_us": 99.9}

_IS_REFUSAL = np.array([reason in REFUSALS for reason in Reason])
_IS_FAILURE = np.array([reason in FAILURES for reason in Reason])


def refused_by_shop(reason: Column) -> npt.NDArray[np.bool_]:
    """Which orders the shop refused."""
    return np.asarray(_IS_REFUSAL[reason])


def failed_at_engine(reason: Column) -> npt.NDArray[np.bool_]:
    """Which orders ended because the engine was busy, too slow or crashed."""
    return np.asarray(_IS_FAILURE[reason])


class Requests(NamedTuple):
    """Of one endpoint: response times of the answered requests in us, and the number of requests."""

    answered_us: Column
    number: int


def requests_of(outcome: Outcome, going: int) -> dict[str, Requests]:
    """The requests by endpoint. `going` is the number of intents that went ahead: the requests for checkout."""
    orders = outcome.orders
    response_us = {endpoint: orders[f"{endpoint}_response_us"] for endpoint in ENDPOINTS}
    served = {endpoint: times_us >= 0 for endpoint, times_us in response_us.items()}
    served["checkout"] &= ~failed_at_engine(orders["reason"])
    number = {
        "checkout": going,
        "payment": int(np.count_nonzero(orders["pay_due_us"] >= 0)),
        "confirmation": int(np.count_nonzero(orders["confirm_due_us"] >= 0)),
    }
    return {name: Requests(response_us[name][served[name]], number[name]) for name in ENDPOINTS}


def percentiles_us(answered: Column) -> dict[str, int | None]:
    """PERCENTILES and `max_us` of response times; None where fewer than 10 answers lie beyond."""
    count = len(answered)
    ranks = {name: rank_of(percentile, count) for name, percentile in PERCENTILES.items()}
    told = {name: rank - 1 for name, rank in ranks.items() if count - rank >= ENOUGH_BEYOND}
    sorted_there = np.partition(answered, sorted(set(told.values()))) if told else answered
    result: dict[str, int | None] = {name: int(sorted_there[told[name]]) if name in told else None for name in ranks}
    result["max_us"] = int(answered.max()) if count else None
    return result


def response_summary(found: dict[str, Requests]) -> dict[str, dict[str, Any]]:
    """By endpoint: requests, failed, failed_share and the percentiles."""
    result = {}
    for endpoint, (answered, requests) in found.items():
        failed = requests - len(answered)
        result[endpoint] = {
            "requests": requests,
            "failed": failed,
            "failed_share": failed / requests if requests else None,
            **percentiles_us(answered),
        }
    return result


def slo_results(scenario: Scenario, found: dict[str, Requests]) -> list[dict[str, Any]]:
    """One row an SLO of the scenario, in its order; `met` is None where nothing was requested."""
    rows = []
    for slo in scenario.slos:
        answered, requests = found[slo.endpoint]
        within = int(np.count_nonzero(answered <= slo.at_most_us))
        failed = requests - len(answered)
        quick = within * 100 >= Fraction(str(slo.percentile)) * requests
        few_errors = failed <= Fraction(str(slo.errors)) * requests
        rows.append(
            {
                "endpoint": slo.endpoint,
                "percentile": slo.percentile,
                "at_most_us": slo.at_most_us,
                "errors_share": slo.errors,
                "requests": requests,
                "within_share": within / requests if requests else None,
                "failed_share": failed / requests if requests else None,
                "met": bool(quick and few_errors) if requests else None,
            }
        )
    return rows


def all_met(rows: list[dict[str, Any]]) -> bool | None:
    """Whether every SLO that can be judged is met; None where none can."""
    known = [row["met"] for row in rows if row["met"] is not None]
    return all(known) if known else None
