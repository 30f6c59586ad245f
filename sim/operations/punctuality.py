"""Late dispatch rate and on-time delivery rate, as the platforms count them (business days of the buyer's region)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.demand.trace import Trace
from sim.operations.carts import CartChunk, Carts
from sim.operations.deadlines import Deadlines
from sim.operations.outcome import Outcome
from sim.orders.states import Reason, State
from sim.scenario.schema import Scenario

Flags = npt.NDArray[np.bool_]


def punctuality(scenario: Scenario, trace: Trace, outcome: Outcome, carts: Carts) -> dict[str, dict[str, Any]]:
    """Results `late_dispatch` (due, late, ldr_share) and `on_time_delivery` (due, on time, otdr_share) of a run."""
    dispatch = Deadlines(scenario, scenario.dispatch.dispatch_days)
    promise = Deadlines(scenario, scenario.dispatch.deliver_days)
    totals = np.zeros(4, np.int64)
    for chunk in carts.chunks():
        orders = {name: outcome.orders[name][chunk.orders] for name in ("paid_us", "state", "reason", "delivered_us")}
        kept = (orders["paid_us"] >= 0) & (outcome.orders["late"][chunk.orders] == 0)
        lost = orders["reason"] == Reason.LOST
        kept &= (orders["state"] != State.CANCELLED) | lost
        region = chunk.first_of("region")
        due, late = _dispatched(outcome, chunk, dispatch.after(orders["paid_us"], region), scenario.horizon_us)
        promised_us = promise.after(orders["paid_us"], region)
        delivered = orders["delivered_us"] >= 0
        judged = kept & (delivered | lost | (promised_us < scenario.horizon_us))
        on_time = judged & delivered & (orders["delivered_us"] <= promised_us)
        totals += [np.count_nonzero(flags) for flags in (kept & due, kept & due & late, judged, on_time)]
    dispatched, tardy, promised, prompt = totals.tolist()
    return {
        "late_dispatch": {
            "orders_due": dispatched,
            "orders_late": tardy,
            "ldr_share": tardy / dispatched if dispatched else None,
        },
        "on_time_delivery": {
            "orders_due": promised,
            "orders_on_time": prompt,
            "otdr_share": prompt / promised if promised else None,
        },
    }


def _dispatched(
    outcome: Outcome, chunk: CartChunk, deadline_us: npt.NDArray[np.int64], horizon_us: int
) -> tuple[Flags, Flags]:
    """(due for dispatch, late) of each order: a parcel collected after the deadline, or not at all by then."""
    here = chunk.rows_in(outcome.parcels["order"])
    order = outcome.parcels["order"][here] - chunk.first
    collected_us = outcome.parcels["collected_us"][here]
    out = collected_us >= 0
    parcels = outcome.orders["parcels"][chunk.orders]
    done = (np.bincount(order[out], minlength=len(chunk)) == parcels) & (parcels > 0)
    late = np.zeros(len(chunk), np.bool_)
    late[order[out & (collected_us > deadline_us[order])]] = True
    past = deadline_us < horizon_us
    return done | late | past, late | (~done & past)
