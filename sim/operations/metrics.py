"""The results of one replication as numbers with their units in their names: `metrics` of docs/run-directory.md.

Fill rate: of the units of carts that were placed or found too few units when first asked for, the share placed. Too
few units is SOLD_OUT (nothing left in stock) or DEAL_SOLD_OUT (the deal's units are gone, which in a drop is the same).
What was not on sale to this buyer (OFF_SHELF, DEAL_CLOSED, PURCHASE_LIMIT) or met a failing engine lacks no units.
Carts placed that had to wait for their units found too few of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.arrays import Ints
from sim.demand.interaction import questions_told
from sim.demand.trace import Trace
from sim.operations.carriers import carriers
from sim.operations.carts import CartChunk, Carts
from sim.operations.contribution import Ledger, LostMargin, contribution_lines
from sim.operations.deadlines import DispatchDeadlines
from sim.operations.money import Prices, money_chunks
from sim.operations.outcome import Outcome
from sim.operations.punctuality import Punctuality
from sim.operations.responses import (
    all_met,
    failed_at_engine,
    refused_by_shop,
    requests_of,
    response_summary,
    slo_results,
)
from sim.operations.stock_moves import Moves, StockMoves
from sim.operations.wages import overtime_us, wages_minor
from sim.operations.waiting import Waits
from sim.orders.states import Reason, State
from sim.scenario.schema import Scenario
from sim.scenario.tables import contents, deal_table, has_carriers, sku_names
from sim.scenario.units import US_PER_H

Metrics = dict[str, Any]


def summarise(scenario: Scenario, trace: Trace, outcome: Outcome, moves: Iterable[Moves] | None = None) -> Metrics:
    """Everything that one replication's `metrics` holds, nested as in docs/run-directory.md.

    `moves`: those of the stock on hand, where they are known already.
    """
    carts, prices = Carts(trace), Prices.of(scenario)
    deadlines = DispatchDeadlines(scenario, outcome, carts)
    tally, ledger = _Tally(scenario, trace, outcome), Ledger(prices)
    lost, record = LostMargin(prices, outcome.orders), Punctuality(scenario, outcome, deadlines)
    for chunk, money in money_chunks(scenario, trace, outcome, carts=carts, deadlines=deadlines):
        ledger.add(chunk, money)
        tally.add(chunk)
        lost.add(chunk)
        record.add(chunk)
    requests = requests_of(outcome, tally.counts["orders_going"])
    slos = slo_results(scenario, requests)
    if moves is None:
        moves = StockMoves(scenario, trace, outcome, carts).on_hand()
    lines = contribution_lines(scenario, outcome, ledger, moves)
    return {
        "intents": trace.orders,
        **tally.metrics(),
        **_money(ledger, lines),
        "questions": questions_told(scenario),
        "margin_lost_to_stockouts_minor": lost.minor(),
        "response": response_summary(requests),
        "slos": slos,
        "slos_met": all_met(slos),
        **_engine_and_parcels(outcome),
        **record.metrics(),
        **_overtime(scenario, outcome),
        **({"carriers": carriers(scenario, outcome)} if has_carriers(scenario) else {}),
        "stock": _stock(outcome),
        "deals": _deals(scenario, outcome),
    }


_COUNTS = tuple(
    f"orders_{name}"
    for name in (
        *("going", "put_off", "placed", "refused", "failed", "second_choice", "split", "paid", "late_payment"),
        *("waited", "expired", "confirmed", "cancelled_by_buyer", "cancel_too_late"),
        *("not_confirmed", "not_supplied", "lost"),
        *("auto_cancelled", "collected"),
        "delivered",
        *("returned", "refund_only"),
    )
)
_UNITS = (
    "units_placed",
    "units_paid",
    "units_sold_out",
    "units_deal_sold_out",
    "units_waited",
    "_units_first",
    "_units_later",
)


@dataclass
class _Tally:
    """Counts orders and units, a chunk at a time."""

    scenario: Scenario
    trace: Trace
    outcome: Outcome
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*_COUNTS, *_UNITS), 0))
    states: Ints = field(default_factory=lambda: np.zeros(len(State), np.int64))
    reasons: Ints = field(default_factory=lambda: np.zeros(len(Reason), np.int64))
    firsts: Ints = field(default_factory=lambda: np.zeros(len(Reason), np.int64))

    def __post_init__(self) -> None:
        self._waits = Waits(self.outcome)

    def add(self, chunk: CartChunk) -> None:
        """Count the orders of one chunk."""
        orders = {name: column[chunk.orders] for name, column in self.outcome.orders.items()}
        state, reason, second = orders["state"], orders["reason"], orders["second"] == 1
        placed, paid = orders["placed_us"] >= 0, orders["paid_us"] >= 0
        never, waited = state == State.NONE, self._waits.add(chunk)
        self.states += np.bincount(state, minlength=len(State))
        self.reasons += np.bincount(reason[never], minlength=len(Reason))
        self.firsts += np.bincount(orders["first_refusal"][second], minlength=len(Reason))
        arrived = chunk.first_of("time_us") < self.scenario.horizon_us
        for name, flags in {
            "orders_going": (reason != Reason.NOT_GOING) & arrived,
            "orders_put_off": self._put_off(chunk, reason),
            "orders_placed": placed,
            "orders_refused": never & refused_by_shop(reason),
            "orders_failed": never & failed_at_engine(reason),
            "orders_second_choice": placed & second,
            "orders_paid": paid,
            "orders_late_payment": orders["late"] == 1,
            "orders_waited": waited,
            "orders_expired": reason == Reason.EXPIRED,
            "orders_confirmed": orders["confirmed_us"] >= 0,
            "orders_cancelled_by_buyer": reason == Reason.BUYER_CANCELLED,
            "orders_not_confirmed": reason == Reason.NOT_CONFIRMED,
            "orders_not_supplied": reason == Reason.NOT_SUPPLIED,
            "orders_lost": reason == Reason.LOST,
            "orders_auto_cancelled": reason == Reason.AUTO_CANCELLED,
            "orders_collected": self._collected(chunk, orders["parcels"]),
            "orders_delivered": orders["delivered_us"] >= 0,
            "orders_returned": reason == Reason.RETURNED,
            "orders_refund_only": reason == Reason.REFUNDED,
        }.items():
            self.counts[name] += int(np.count_nonzero(flags))
        units = chunk.total(chunk.lines("quantity").astype(np.int64))
        first = np.where(second, orders["first_refusal"], reason)
        short = (first == Reason.SOLD_OUT, first == Reason.DEAL_SOLD_OUT)
        firsts = placed & ~second
        for name, flags in zip(_UNITS, (placed, paid, *short, waited, firsts & ~waited, firsts & waited), strict=True):
            self.counts[name] += int(units[flags].sum())

    def _put_off(self, chunk: CartChunk, reason: Ints) -> Ints:
        """Who would have gone ahead but for feedback."""
        if self.scenario.funnel.feedback is None:
            return np.zeros(len(chunk), np.bool_)
        neutral = self.trace.factor_u64[chunk.first_of("sku")]
        return np.asarray((reason == Reason.NOT_GOING) & (self.trace.carts["go_u32"][chunk.orders] < neutral))

    def _collected(self, chunk: CartChunk, parcels: Ints) -> Ints:
        table = self.outcome.parcels
        here = chunk.rows_in(table["order"])
        order = table["order"][here][table["collected_us"][here] >= 0] - chunk.first
        return np.asarray((np.bincount(order, minlength=len(chunk)) == parcels) & (parcels > 0))

    def metrics(self) -> Metrics:
        """The counts under their names."""
        self.counts["orders_split"] = len(np.unique(self.outcome.allocations.get("order", np.zeros(0))))
        self.counts["orders_cancel_too_late"] = self.outcome.cancels_too_late
        first = self.counts["_units_first"]
        wanted = (
            first + self.counts["_units_later"] + self.counts["units_sold_out"] + self.counts["units_deal_sold_out"]
        )
        return {
            **{name: self.counts[name] for name in _COUNTS},
            "orders_by_state": {state.name: int(self.states[state]) for state in State},
            "refusals_by_reason": _named(self.reasons),
            "first_refusals_by_reason": _named(self.firsts),
            **{name: self.counts[name] for name in _UNITS if not name.startswith("_")},
            "fill_rate_share": first / wanted if wanted else None,
            **self._waits.metrics(),
        }


def _named(counts: Ints) -> dict[str, int]:
    """Counts of the reasons for which a buyer who went ahead can end without an order."""
    return {reason.name: int(counts[reason]) for reason in Reason if Reason.NOT_GOING < reason < Reason.EXPIRED}


def _money(ledger: Ledger, lines: dict[str, int]) -> Metrics:
    total = ledger.totals
    asked = lines["gross_sales_minor"] + lines["deal_discounts_minor"] + lines["seller_vouchers_minor"]
    return {
        "gmv_minor": asked,
        "captured_minor": total["captured"],
        "refunded_minor": total["refunded"],
        "contribution_minor": sum(lines.values()),
        "contribution": lines,
        "platform_vouchers_minor": total["platform_voucher"],
    }


def _engine_and_parcels(outcome: Outcome) -> Metrics:
    orders, parcels = outcome.orders, outcome.parcels
    arrived, lost = parcels["arrived_us"] >= 0, parcels["lost"] == 1
    return {
        "engine": {
            "queue_peak_requests": int(outcome.queue_peak.max(initial=0)),
            **{f"{name}_attempts": int(orders[name].sum(dtype=np.int64)) for name in _ATTEMPTS},
        },
        "payment": {"declined_tries": int(orders["declined"].sum(dtype=np.int64))},
        "parcels": {
            "made": len(parcels["order"]),
            "packed": int(np.count_nonzero(parcels["packed_us"] >= 0)),
            "collected": int(np.count_nonzero(parcels["collected_us"] >= 0)),
            "arrived": int(np.count_nonzero(arrived & ~lost)),
            "lost": int(np.count_nonzero(arrived & lost)),
            "carried_over": sum(outcome.carried),
        },
    }


def _overtime(scenario: Scenario, outcome: Outcome) -> Metrics:
    """Overtime, where a warehouse may call for it."""
    rows = [(number, row) for number, house in enumerate(scenario.warehouses) for row in range(len(house.overtime))]
    if not rows:
        return {}
    work_us = sum(overtime_us(scenario, outcome, number, row) for number, row in rows)
    cost = wages_minor(scenario, outcome)[1]
    return {"overtime": {"called": len(outcome.overtime), "hours": work_us / US_PER_H, "wages_minor": cost}}


_ATTEMPTS = ("queue_full", "timed_out", "crashed")


def _stock(outcome: Outcome) -> Metrics:
    total = {name: int(units.sum()) for name, units in outcome.stock.items()}
    initial = total["on_hand"] - total["received"] - total["restocked"] + total["shipped"]
    had = initial + total["received"]
    named = {f"{name}_units": total[name] for name in ("received", "restocked", "shipped", "on_hand", "available")}
    left = {"left_share": total["on_hand"] / had if had else None}
    return {"initial_units": initial, **named, **left, **_purchases(outcome)}


def _purchases(outcome: Outcome) -> Metrics:
    """What was ordered from suppliers, arrived or not."""
    hasty = [purchase.units for purchase in outcome.purchases if purchase.emergency]
    return {
        "orders_to_suppliers": len(outcome.purchases),
        "ordered_units": sum(purchase.units for purchase in outcome.purchases),
        "emergency_orders": len(hasty),
        "emergency_units": sum(hasty),
    }


def _deals(scenario: Scenario, outcome: Outcome) -> list[Metrics]:
    names, shows = sku_names(scenario), contents(scenario)
    return [
        {"sku": names[deal.sku], "broadcast": shows[deal.broadcast], "units": deal.units, "left_units": int(left)}
        for deal, left in zip(deal_table(scenario), outcome.deal_left, strict=True)
    ]
