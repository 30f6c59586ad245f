"""What buyers waited: whole carts, over all the tries of a step, where `endpoints` counts each try. Pure functions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from loadtests.measuring import Measured
from loadtests.records import DONE, MISSED, Endpoint, Outcome, is_tried_again
from loadtests.schedule import CANCEL, NEVER, RETURN, Schedule
from sim.arrays import Column, Flags, Ints
from sim.measure.percentiles import sure_percentile_of

PERCENTILES = {"p50_us": 50, "p90_us": 90, "p99_us": 99, "p999_us": 99.9}
#: Steps of a target that follow a checkout.
AFTER_CHECKOUT = frozenset({"pay", "confirm", "cancel", "return"})
_NO_ENDPOINT = -1


def waits_of(measured: Measured, schedule: Schedule, steps: Collection[str]) -> dict[str, dict[str, Any]]:
    """How long carts waited, from the due time of their checkout's first try on; no back-off is left out.

    `checkout`: to the end of its last try, no quicker than the clients' patience where it had no answer.
    `unserved`: carts whose last try missed, and those `waiting`, for whose answer or next try the replay's own end came
    too early: they have waited at least until then.
    `journey`: to the answer to the last step that the plan has for a cart, with all that the scenario has between its
    steps; of the `carts` that came so far, of those `planned` to go on after their checkout. Twins are left out.
    """
    records = measured.records
    own = (records["cart"] >= 0) & (records["twin"] == 0)
    tries = np.flatnonzero(own & (records["endpoint"] == Endpoint.CHECKOUT))
    if not len(tries):
        return {}
    carts, first, last = _spans(records["cart"][tries], records["attempt"][tries])
    begin_us, last = records["due_us"][tries[first]], tries[last]
    waiting = _are_waiting(measured, last)
    end_us = (records["due_us"] + measured.response_us())[last]
    end_us[waiting] = np.maximum(end_us, _ends_us(measured)[records["worker"][last]])[waiting]
    unserved = waiting | np.isin(records["outcome"][last], MISSED)
    counts = {"carts": len(carts), "unserved": int(unserved.sum()), "waiting": int(waiting.sum())}
    found: dict[str, dict[str, Any]] = {"checkout": {**counts, **_times(end_us - begin_us)}}
    final = _last_steps(schedule, steps)
    planned = int(np.count_nonzero(final[carts] != _NO_ENDPOINT))
    if planned:
        begun_us = np.zeros(len(final), np.int64)
        begun_us[carts] = begin_us
        done = records[own & np.isin(records["outcome"], DONE)]
        done = done[final[done["cart"]] == done["endpoint"]]
        found["journey"] = {"carts": len(done), "planned": planned, **_times(done["done_us"] - begun_us[done["cart"]])}
    return found


def _spans(carts: Column, attempts: Column) -> tuple[Column, ...]:
    """Each cart once, and where its first and its last try are."""
    order = np.lexsort((attempts, carts))
    starts = np.flatnonzero(np.diff(carts[order], prepend=-1))
    ends = np.append(starts[1:], len(order)) - 1
    return carts[order[starts]], order[starts], order[ends]


def _are_waiting(measured: Measured, last: Ints) -> Flags:
    """Of which carts, by their last tries, the replay's own end cut this one off, or came before the next."""
    outcome = measured.records["outcome"][last]
    waiting: Flags = outcome == Outcome.CUT
    more = np.flatnonzero(~waiting & (measured.records["attempt"][last] < measured.attempts))
    told = zip(outcome[more].tolist(), measured.records["status"][last[more]].tolist(), strict=True)
    waiting[more] = [is_tried_again(ended, status) for ended, status in told]
    return waiting


def _ends_us(measured: Measured) -> Ints:
    """The last that is known of each worker."""
    ends_us = np.zeros(int(measured.records["worker"].max()) + 1, np.int64)
    np.maximum.at(ends_us, measured.records["worker"], measured.records["done_us"])
    return ends_us


def _last_steps(schedule: Schedule, steps: Collection[str]) -> Ints:
    """The endpoint with which the plan of each cart ends, of a target with these steps.

    None for a cart of which nothing follows the checkout, and for one of which a part was due too late: who pays also
    cancels or is confirmed, unless that was left out.
    """
    carts = schedule.carts
    pays = (carts["pay_delay_us"] != NEVER) & ("pay" in steps)
    cancels, confirmed = carts["after"] == CANCEL, carts["confirm_delay_us"] != NEVER
    last = np.full(len(pays), Endpoint.PAYMENT, np.int64)
    if "confirm" in steps:
        last[:] = np.where(confirmed, Endpoint.CONFIRMATION, _NO_ENDPOINT)
        if "return" in steps:
            last[confirmed & (carts["after"] == RETURN)] = Endpoint.RETURN
    last[cancels] = Endpoint.CANCEL if "cancel" in steps else Endpoint.PAYMENT
    last[~pays] = _NO_ENDPOINT
    return last


def _times(wait_us: Ints) -> dict[str, int | None]:
    ordered = np.sort(wait_us)
    told = {name: sure_percentile_of(ordered, percentile) for name, percentile in PERCENTILES.items()}
    return {**told, "max_us": int(ordered[-1]) if len(ordered) else None}
