"""What buyers waited: whole carts, over all the tries of a step, where `endpoints` counts each try. Pure functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from loadtests.measuring import Measured
from loadtests.records import MISSED, Endpoint, Outcome
from sim.arrays import Column, Ints
from sim.measure.percentiles import sure_percentile_of

PERCENTILES = {"p50_us": 50, "p90_us": 90, "p99_us": 99, "p999_us": 99.9}
#: What a cart's order is made of; who looks or reads waits for that alone.
_JOURNEY = (Endpoint.CHECKOUT, Endpoint.PAYMENT, Endpoint.CONFIRMATION, Endpoint.CANCEL, Endpoint.RETURN)


def waits_of(measured: Measured) -> dict[str, dict[str, Any]]:
    """How long carts waited, from the due time of their checkout's first try on; no back-off is left out.

    `checkout`: to the end of its last try, which counts as no quicker than the clients' patience where it had no answer
    (`unserved`: carts whose last try missed). `journey`: of carts with an order, to the last answer about it, with all
    that the scenario has between its steps. Twins are left out, and carts of which the replay's own end cut something.
    """
    records = measured.records
    own = np.isin(records["endpoint"], _JOURNEY) & (records["cart"] >= 0) & (records["twin"] == 0)
    own &= ~np.isin(records["cart"], records["cart"][own & (records["outcome"] == Outcome.CUT)])
    end_us = records["due_us"] + measured.response_us()
    tries = np.flatnonzero(own & (records["endpoint"] == Endpoint.CHECKOUT))
    carts, first, last = _spans(records["cart"][tries], records["attempt"][tries])
    begin_us, last = records["due_us"][tries[first]], tries[last]
    missed = np.isin(records["outcome"][last], MISSED)
    found = {"checkout": _told(end_us[last] - begin_us, int(np.count_nonzero(missed)))}
    ordered = np.isin(records["outcome"][last], (Outcome.OK, Outcome.REPLAYED))
    begun = np.full(int(records["cart"].max(initial=-1)) + 1, -1, np.int64)
    begun[carts[ordered]] = begin_us[ordered]
    ends = np.full(len(begun), -1, np.int64)
    np.maximum.at(ends, records["cart"][own], records["done_us"][own])
    found["journey"] = _told((ends - begun)[begun >= 0], 0)
    return {name: part for name, part in found.items() if part["carts"]}


def _spans(carts: Column, attempts: Column) -> tuple[Column, ...]:
    """Each cart once, and where its first and its last try are."""
    order = np.lexsort((attempts, carts))
    starts = np.flatnonzero(np.diff(carts[order], prepend=-1))
    ends = np.append(starts[1:], len(order)) - 1
    return carts[order[starts]], order[starts], order[ends] if len(starts) else order


def _told(wait_us: Ints, unserved: int) -> dict[str, Any]:
    ordered = np.sort(wait_us)
    return {
        "carts": len(ordered),
        "unserved": unserved,
        **{name: sure_percentile_of(ordered, percentile) for name, percentile in PERCENTILES.items()},
        "max_us": int(ordered[-1]) if len(ordered) else None,
    }
