"""A k6 script with the intended rate of a load run: open loop, stages of one bin each."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.reports.load_files import LoadRun
from sim.reports.load_text import headline

FILE_NAME = "replay.k6.js"
#: Longer replays get longer bins, so that the script stays readable.
_MOST_STAGES = 600
_BIN_MS = 100
_NICE = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_TEMPLATE = """\
// k6 run @NAME@: the arrivals that this run was planned to send.
// @RUN@
//
// Kept: when arrivals start (their number in each @BIN@ ms) and the objectives, as thresholds.
// Lost on the way to k6:
// - which cart wants what: all ask for one of the SKUs in SKUS, one unit each, and no flash deal is asked for;
// - what is looked at: refreshes and quotes are sent as views;
// - arrivals inside @BIN@ ms are evenly spaced here; in the show they come in clumps;
// - what follows checkout (payment, confirmation, cancelling, returns) and retries with the same key;
// - response times from when a request was due: k6 counts from when it was sent, so a stall looks shorter;
// - what k6 could not start for want of VUs is counted as dropped_iterations, and is no error unless you say so;
// - the audit of the data.
//
// k6 run -e URL=http://127.0.0.1:8080 -e SKUS=sku_1,sku_2 -e LIVERUSH_KEY_BUYER=... @NAME@
// Without SKUS those of the target's own list are taken. For another shop change `setup`, `browse` and `checkout`.

import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';

const URL = __ENV.URL || 'http://127.0.0.1:8080';
const HEADERS = { 'content-type': 'application/json', authorization: `Bearer ${__ENV.LIVERUSH_KEY_BUYER || ''}` };

// [milliseconds, arrivals in each @BIN@ ms], one after the other
const BROWSING = @BROWSING@;
const CHECKOUTS = @CHECKOUTS@;

// A jump to the rate, then as long as it holds.
function stages(steps) {
  return steps.flatMap(([length, target]) => [{ target, duration: '0s' }, { target, duration: `${length}ms` }]);
}

function arrivals(name, steps, most) {
  return {
    executor: 'ramping-arrival-rate', exec: name, startRate: steps[0][1], timeUnit: '@BIN@ms', stages: stages(steps),
    preAllocatedVUs: most, maxVUs: 10 * most, gracefulStop: '30s',
  };
}

const scenarios = {};
if (BROWSING.some(([, target]) => target > 0)) scenarios.browse = arrivals('browse', BROWSING, @BROWSERS@);
if (CHECKOUTS.some(([, target]) => target > 0)) scenarios.checkout = arrivals('checkout', CHECKOUTS, @BUYERS@);

// Sold out (409) is a correct answer.
http.setResponseCallback(http.expectedStatuses({ min: 200, max: 399 }, 409));

export const options = {
  scenarios,
  summaryTrendStats: ['med', 'p(90)', 'p(99)', 'p(99.9)', 'max'],
  thresholds: @THRESHOLDS@,
};

export function setup() {
  if (__ENV.SKUS) return { skus: __ENV.SKUS.split(',') };
  const answer = http.get(`${URL}/v1/skus?limit=100`, { headers: HEADERS });
  return { skus: answer.json('items').map((sku) => sku.id) };
}

function any(list) {
  return list[Math.floor(Math.random() * list.length)];
}

export function browse(data) {
  http.get(`${URL}/v1/skus/${any(data.skus)}`, { headers: HEADERS, tags: { name: 'view' } });
}

export function checkout(data) {
  const number = `${exec.scenario.startTime}-${exec.scenario.iterationInTest}`;
  const body = {
    buyer_id: `k6-${number}`, lines: [{ sku_id: any(data.skus), quantity: 1 }], address: { reference: `k6-${number}` },
  };
  const headers = { ...HEADERS, 'idempotency-key': `k6-${number}` };
  const answer = http.post(`${URL}/v1/orders`, JSON.stringify(body), { headers, tags: { name: 'checkout' } });
  check(answer, { 'placed or sold out': (got) => got.status === 201 || got.status === 409 });
}
"""


def k6_script(run: LoadRun) -> str:
    """The script. Raises ValueError where nothing was planned to arrive."""
    planned = run.intended
    arrivals, checkouts = planned["arrivals"], planned["checkouts"]
    if not len(arrivals) or not arrivals.sum():
        raise ValueError("nothing was planned to arrive, so there is no rate to export")
    times = _times(len(arrivals))
    size_ms = times * _BIN_MS
    browsing = np.maximum(_binned(arrivals, times) - _binned(checkouts, times), 0)
    buying = _binned(checkouts, times)
    words = {
        "NAME": FILE_NAME,
        "RUN": headline(run.summary),
        "BIN": str(size_ms),
        "BROWSING": _steps(browsing, size_ms),
        "CHECKOUTS": _steps(buying, size_ms),
        "BROWSERS": str(_workers(browsing, size_ms)),
        "BUYERS": str(_workers(buying, size_ms)),
        "THRESHOLDS": json.dumps(_thresholds(run.summary)),
    }
    script = _TEMPLATE
    for key, value in words.items():
        script = script.replace(f"@{key}@", " ".join(value.split()))
    return script


def _times(bins: int) -> int:
    """How many bins of the run make one stage."""
    return next((times for times in _NICE if bins <= times * _MOST_STAGES), _NICE[-1])


def _binned(counts: npt.NDArray[Any], times: int) -> npt.NDArray[np.int64]:
    return np.add.reduceat(counts.astype(np.int64), np.arange(0, len(counts), times))


def _steps(counts: npt.NDArray[np.int64], size_ms: int) -> str:
    """Runs of equal counts as [milliseconds, count]."""
    ends = [*(np.flatnonzero(np.diff(counts)) + 1).tolist(), len(counts)]
    starts = [0, *ends[:-1]]
    return json.dumps([[(b - a) * size_ms, int(counts[a])] for a, b in zip(starts, ends, strict=True)])


def _workers(counts: npt.NDArray[np.int64], size_ms: int) -> int:
    """VUs enough for the busiest bin at a quarter of a second each."""
    return min(max(int(counts.max()) * 250 // size_ms, 20), 5_000)


def _thresholds(summary: dict[str, Any]) -> dict[str, list[str]]:
    """The objectives of checkout, which is the one endpoint of the script that has any."""
    goals = [slo for slo in summary["slos"] if slo["endpoint"] == "checkout"]
    found: dict[str, list[str]] = {}
    if goals:
        times = [f"p({slo['percentile']:g})<={slo['at_most_us'] / 1000:g}" for slo in goals]
        found["http_req_duration{name:checkout}"] = times
        found["http_req_failed{name:checkout}"] = [f"rate<={min(slo['errors_at_most'] for slo in goals):g}"]
    return found
