"""What platforms count of a seller: late dispatch, on-time delivery, valid tracking, cancellations for its fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.arrays import Flags, Ints
from sim.operations.carts import CartChunk
from sim.operations.deadlines import Deadlines, DispatchDeadlines
from sim.operations.outcome import Outcome
from sim.operations.waiting import clock_start_us
from sim.orders.states import Reason, State
from sim.scenario.schema import Scenario

#: Dotted path of the share of orders that came on time, among the metrics of a run.
ON_TIME = "on_time_delivery.otdr_share"
#: What dispatches a parcel, by `dispatch.event`.
DISPATCHED_BY = {"carrier_scan": "collected_us", "ready_to_ship": "packed_us"}
#: Why orders end for which the seller is to blame.
SELLERS_FAULTS = (Reason.NOT_CONFIRMED, Reason.AUTO_CANCELLED, Reason.NOT_SUPPLIED)


class Punctuality:
    """Counts the orders and parcels of an outcome, a chunk at a time."""

    def __init__(self, scenario: Scenario, outcome: Outcome, dispatch: DispatchDeadlines) -> None:
        self._scenario, self._outcome, self._dispatch = scenario, outcome, dispatch
        self._promise = Deadlines(scenario, scenario.dispatch.deliver_days)
        self._totals: Counter[str] = Counter()

    def add(self, chunk: CartChunk) -> None:
        """Count the orders of one chunk."""
        self._totals.update(_counted(self._scenario, self._outcome, chunk, self._dispatch, self._promise))

    def metrics(self) -> dict[str, Any]:
        """Results `late_dispatch`, `on_time_delivery`, `valid_tracking`, `seller_cancels` and `dispatch_*` of a run."""
        return _judged(self._scenario, self._totals)


def _judged(scenario: Scenario, totals: Mapping[str, int]) -> dict[str, Any]:
    promises = {"orders_due": totals["promised"], "orders_on_time": totals["prompt"]}
    orders = {"orders_paid": totals["paid"], "orders_cancelled": totals["cancelled"]}
    found: dict[str, Any] = {
        "late_dispatch": _shares(totals, "orders_due", "orders_late", "ldr_share"),
        "on_time_delivery": _shares(promises, "orders_due", "orders_on_time", "otdr_share"),
        "valid_tracking": _shares(totals, "parcels_due", "parcels_scanned", "vtr_share"),
        "seller_cancels": _shares(orders, "orders_paid", "orders_cancelled", "sfcr_share"),
    }
    if scenario.dispatch.rules:
        found |= {"dispatch_rules": scenario.dispatch.rules, "dispatch_penalties": list(scenario.dispatch.penalties)}
    return {**found, "dispatch_limits": _limits(scenario, found)}


def _shares(totals: Mapping[str, int], of: str, part: str, share: str) -> dict[str, Any]:
    whole, some = totals[of], totals[part]
    return {of: whole, part: some, share: some / whole if whole else None}


def _limits(scenario: Scenario, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Every limit of the platform: what is limited, the share found, the limit, and whether it is met."""
    limits = scenario.dispatch.thresholds
    rows = []
    for name, part, share, most in (
        ("ldr_at_most", "late_dispatch", "ldr_share", True),
        ("ldr_enforced_above", "late_dispatch", "ldr_share", True),
        ("otdr_at_least", "on_time_delivery", "otdr_share", False),
        ("vtr_at_least", "valid_tracking", "vtr_share", False),
        ("sfcr_at_most", "seller_cancels", "sfcr_share", True),
    ):
        limit, value = getattr(limits, name), found[part][share]
        if limit is not None:
            met = None if value is None else value <= limit if most else value >= limit
            rows.append({"limit": name, "limit_share": limit, "found_share": value, "met": met})
    return rows


def _counted(
    scenario: Scenario, outcome: Outcome, chunk: CartChunk, dispatch: DispatchDeadlines, promise: Deadlines
) -> dict[str, int]:
    names = ("paid_us", "state", "reason", "delivered_us", "late")
    orders = {name: outcome.orders[name][chunk.orders] for name in names}
    paid = (orders["paid_us"] >= 0) & (orders["late"] == 0)
    lost = orders["reason"] == Reason.LOST
    dropped = orders["reason"] == Reason.AUTO_CANCELLED
    kept = paid & ((orders["state"] != State.CANCELLED) | lost)
    region = chunk.first_of("region")
    deadline_us = dispatch.of(chunk.orders, region)
    due, late = _dispatched(scenario, outcome, chunk, deadline_us)
    promised_us = promise.after(clock_start_us(outcome.orders, chunk.orders), region)
    delivered = orders["delivered_us"] >= 0
    lacks = _lacking(outcome, chunk)
    judged = kept & (delivered | lacks | (promised_us < scenario.horizon_us))
    given, scanned = _tracked(scenario, outcome, chunk, kept | dropped, deadline_us)
    flags = {
        "orders_due": (kept & due) | dropped,
        "orders_late": (kept & due & late) | dropped,
        "promised": judged,
        "prompt": judged & delivered & ~lacks & (orders["delivered_us"] <= promised_us),
        "parcels_due": given,
        "parcels_scanned": scanned,
        "paid": paid,
        "cancelled": paid & np.isin(orders["reason"], SELLERS_FAULTS),
    }
    return {name: int(np.count_nonzero(these)) for name, these in flags.items()}


def _dispatched(scenario: Scenario, outcome: Outcome, chunk: CartChunk, deadline_us: Ints) -> tuple[Flags, Flags]:
    """(due for dispatch, late) of each order: a parcel dispatched after the deadline, or not at all by then."""
    here = chunk.rows_in(outcome.parcels["order"])
    order = outcome.parcels["order"][here] - chunk.first
    at_us = outcome.parcels[DISPATCHED_BY[scenario.dispatch.event]][here]
    out = at_us >= 0
    parcels = outcome.orders["parcels"][chunk.orders]
    done = (np.bincount(order[out], minlength=len(chunk)) == parcels) & (parcels > 0)
    late = np.zeros(len(chunk), np.bool_)
    late[order[out & (at_us > deadline_us[order])]] = True
    past = deadline_us < scenario.horizon_us
    return done | late | past, late | (~done & past)


def _lacking(outcome: Outcome, chunk: CartChunk) -> Flags:
    """Which orders have a parcel that is known to be lost, bool[carts]."""
    here = chunk.rows_in(outcome.parcels["order"])
    lacks = np.zeros(len(chunk), np.bool_)
    lacks[outcome.parcels["order"][here][outcome.parcels["lost"][here] == 1] - chunk.first] = True
    return lacks


def _tracked(
    scenario: Scenario, outcome: Outcome, chunk: CartChunk, counted: Flags, deadline_us: Ints
) -> tuple[Flags, Flags]:
    """(parcels whose tracking is judged, those that the carrier scanned), of `counted` orders, bool[parcels]."""
    here = chunk.rows_in(outcome.parcels["order"])
    order = outcome.parcels["order"][here] - chunk.first
    scanned = outcome.parcels["collected_us"][here] >= 0
    judged = counted[order] & (outcome.parcels["packed_us"][here] >= 0)
    judged &= scanned | (deadline_us[order] < scenario.horizon_us)
    return judged, judged & scanned
