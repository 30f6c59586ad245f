"""What came of a replay's requests: rates, each endpoint's outcomes and times, each objective. Pure functions.

Percentiles are exact, by nearest rank, over every try: what was refused or declined was answered, and a try that had no
answer (a time-out, a connection refused or reset) counts as no quicker than the clients' patience. One with fewer than
10 observations beyond it is not told.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from loadtests.chance import are_few_enough, are_too_many
from loadtests.measuring import Measured
from loadtests.records import ARRIVING, MISSED, REFUSED, Endpoint, Outcome
from loadtests.schedule import Schedule
from sim.arrays import Flags, Ints
from sim.measure.percentiles import ENOUGH_BEYOND, rank_of, sure_percentile_of
from sim.scenario.parts.system import Slo

PERCENTILES = {"p50_us": 50, "p90_us": 90, "p99_us": 99, "p999_us": 99.9, "p9999_us": 99.99}

Part = dict[str, Any]


def rates_of(measured: Measured, schedule: Schedule) -> Part:
    """The trace's arrivals a second, and how many of them the target answered a second; no retries.

    Those answered count over the time from the first arrival to the last answer, or to the last arrival if that is
    later: a target that falls behind takes longer. `error_share`: of all tries at all endpoints.
    """
    records = measured.records
    arrivals = records[are_arrivals(records)]
    answered = arrivals[~np.isin(arrivals["outcome"], (*MISSED, Outcome.CUT))]
    end_us = max(schedule.length_us, int(answered["done_us"].max()) if len(answered) else 0)
    planned = len(schedule.arrivals["due_us"])
    missed = int(np.count_nonzero(np.isin(records["outcome"], MISSED)))
    return {
        "offered_per_s": round(planned / schedule.length_us * 1e6, 3) if schedule.length_us else None,
        "achieved_per_s": round(len(answered) / end_us * 1e6, 3) if end_us else None,
        "error_share": missed / len(records) if len(records) else None,
    }


def are_arrivals(records: npt.NDArray[np.void]) -> Flags:
    """Which records are the trace's own: first tries of what it holds, without the twins of checkouts."""
    asked = np.isin(records["endpoint"], ARRIVING)
    own: Flags = asked & (records["attempt"] == 1) & (records["twin"] == 0)
    return own


def endpoints_of(measured: Measured) -> dict[str, Part]:
    """Counts by outcome, percentiles and rate of each endpoint that was asked at all.

    The rate is over the time of all arrivals; for what follows from answers, over the whole replay.
    """
    records, response = measured.records, measured.response_us()
    arriving_s, all_s = _seconds(records[np.isin(records["endpoint"], ARRIVING)]), _seconds(records)
    found = {}
    for endpoint in Endpoint:
        rows = np.flatnonzero(records["endpoint"] == endpoint)
        if len(rows):
            found[endpoint.name.lower()] = _endpoint(
                records[rows], response[rows], arriving_s if endpoint in ARRIVING else all_s
            )
    return found


def _endpoint(records: npt.NDArray[np.void], response_us: Ints, seconds: float) -> Part:
    outcomes = np.bincount(records["outcome"], minlength=len(Outcome)).tolist()
    ordered = np.sort(response_us)
    sent = records["outcome"] != Outcome.DROPPED
    service = np.sort((records["done_us"] - records["sent_us"])[sent])
    return {
        "requests": len(records),
        "ok": outcomes[Outcome.OK],
        "refused": outcomes[Outcome.REFUSED],
        "declined": outcomes[Outcome.DECLINED],
        "replayed": outcomes[Outcome.REPLAYED],
        "shed": outcomes[Outcome.SHED],
        "errors": outcomes[Outcome.ERROR],
        "timeouts": outcomes[Outcome.TIMEOUT],
        "dropped": outcomes[Outcome.DROPPED],
        "cut": outcomes[Outcome.CUT],
        "in_progress": outcomes[Outcome.IN_PROGRESS],
        **{name: sure_percentile_of(ordered, percentile) for name, percentile in PERCENTILES.items()},
        "max_us": int(ordered[-1]),
        "service_p99_us": sure_percentile_of(service, 99),
        "rate_per_s": round(len(records) / seconds, 3) if seconds else None,
    }


def judge(measured: Measured, slo: Slo) -> Part:
    """Whether a service level objective was met; `met` is None where its endpoint was not asked.

    Met: at most (100 - percentile) % of all tries, rounded down, were over `at_most_us`, and at most `errors` of them
    were shed, failed, timed out or dropped; those count as over too, however quick they were. For a percentile that can
    be told that is the same as holding it against `at_most_us`; with fewer than 10 observations beyond it the count
    still decides, but `measured_us` is None. A percentile that falls on a missed try is told as a lower bound: over
    `at_most_us`, and no quicker than the clients' patience. `few` has what decided by chance, perhaps, where fewer than
    10 requests may be `over` or in `errors`, with how many may.

    What our own end cut off is over where it had taken longer than that by then; else nobody knows, and it is left out.
    A payment that was accepted and never made counts as a missed try of what would have followed. Twins are ours and
    not the scenario's: neither they, nor that the other of the two is still in progress, count.
    """
    outcome, response = measured.records["outcome"], measured.response_us()
    asked = (measured.records["twin"] == 0) & (outcome != Outcome.IN_PROGRESS)
    known = asked & ((outcome != Outcome.CUT) | (response > slo.at_most_us))
    rows = np.flatnonzero(known & (measured.records["endpoint"] == Endpoint[slo.endpoint.upper()]))
    unpaid = measured.unpaid(slo.endpoint)
    missed = np.append(np.isin(outcome[rows], MISSED), np.ones(unpaid, bool))
    response = np.append(response[rows], np.zeros(unpaid, np.int64))
    response[missed] = np.maximum(response[missed], max(measured.timeout_us, slo.at_most_us + 1))
    n, ordered = len(response), np.sort(response)
    over = n - int(np.searchsorted(ordered, slo.at_most_us, side="right"))
    wrong = int(np.count_nonzero(missed))
    bounds = (
        _Bound("over", over, n - rank_of(slo.percentile, n), 1 - slo.percentile / 100),
        _Bound("errors", wrong, int(Fraction(str(slo.errors)) * n), slo.errors),
    )
    met = all(bound.kept for bound in bounds) if n else None
    by_chance = _by_chance(bounds, n, met)
    return {
        "endpoint": slo.endpoint,
        "percentile": slo.percentile,
        "at_most_us": slo.at_most_us,
        "errors_at_most": slo.errors,
        "measured_us": sure_percentile_of(ordered, slo.percentile) if n else None,
        "error_share": wrong / n if n else None,
        "requests": n,
        "over": over,
        "met": met,
        "sure": None if met is None else not by_chance,
        "few": {bound.what: bound.most for bound in by_chance if bound.most < ENOUGH_BEYOND},
    }


class _Bound(NamedTuple):
    """So many requests broke a part of an objective, and so many may at most, which is that share of all."""

    what: str
    found: int
    most: int
    share: float

    @property
    def kept(self) -> bool:
        return self.found <= self.most


def _by_chance(bounds: Iterable[_Bound], requests: int, met: bool | None) -> list[_Bound]:
    """The bounds that decided an answer which chance may give to a target whose share is just the allowed one."""
    if met:
        return [one for one in bounds if one.share > 0 and not are_few_enough(one.found, requests, one.share)]
    broken = [one for one in bounds if not one.kept]
    return [] if any(are_too_many(one.found, requests, one.share) for one in broken) else broken


def refusals_of(measured: Measured) -> dict[str, int]:
    """How often each reason was given for a correct refusal, the most frequent first."""
    rows = np.isin(measured.records["outcome"], REFUSED)
    counts = np.bincount(measured.records["reason"][rows], minlength=len(measured.reasons)).tolist()
    named = [(reason or "unnamed", count) for reason, count in zip(measured.reasons, counts, strict=True) if count]
    return dict(sorted(named, key=lambda one: (-one[1], one[0])))


def _seconds(records: npt.NDArray[np.void]) -> float:
    """The seconds from the first due time to the last that anything was due or done; sorted by due."""
    if not len(records):
        return 0.0
    last_us = max(int(records["done_us"].max()), int(records["due_us"][-1]))
    return (last_us - int(records["due_us"][0])) / 1e6
