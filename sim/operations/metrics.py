"""The results of one replication as numbers with their units in their names: `metrics` of docs/run-directory.md.

Fill rate: of the units of carts that were placed or found too few units when first asked for, the share placed. Too
few units is SOLD_OUT (nothing left in stock) or DEAL_SOLD_OUT (the deal's units are gone, which in a drop is the same).
What was not on sale to this buyer (OFF_SHELF, DEAL_CLOSED, PURCHASE_LIMIT) or met a failing engine lacks no units.
Carts placed that had to wait for their units found too few of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from sim.arrays import Column, Flags, Ints
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


class _Seen(NamedTuple):
    """Orders of one chunk as they are counted: columns and flags, an entry an order."""

    orders: dict[str, Column]
    arrived: Flags  # within the run
    put_off: Flags  # would have gone ahead but for feedback
    waited: Flags  # for stock
    split: Flags  # over warehouses
    collected: Flags  # all its parcels

    @property
    def never(self) -> Flags:
        """Who never became an order."""
        return np.asarray(self.orders["state"] == State.NONE)

    @property
    def second(self) -> Flags:
        """Who was refused a first choice and wanted a second."""
        return np.asarray(self.orders["second"] == 1)

    @property
    def placed(self) -> Flags:
        """Who placed an order."""
        return self.reached("placed_us")

    @property
    def first_end(self) -> Column:
        """Why the first choice was refused or the order ended."""
        return np.where(self.second, self.orders["first_refusal"], self.orders["reason"])

    def reached(self, time: str) -> Flags:
        """Which orders have this time."""
        return np.asarray(self.orders[time] >= 0)


def _ended(reason: Reason) -> Callable[[_Seen], Flags]:
    return lambda seen: np.asarray(seen.orders["reason"] == reason)


#: The counts of orders, in the order in which they are told.
_ORDERS: dict[str, Callable[[_Seen], Flags] | None] = {
    "orders_going": lambda seen: (seen.orders["reason"] != Reason.NOT_GOING) & seen.arrived,
    "orders_put_off": lambda seen: seen.put_off,
    "orders_placed": lambda seen: seen.placed,
    "orders_refused": lambda seen: seen.never & refused_by_shop(seen.orders["reason"]),
    "orders_failed": lambda seen: seen.never & failed_at_engine(seen.orders["reason"]),
    "orders_second_choice": lambda seen: seen.placed & seen.second,
    "orders_split": lambda seen: seen.split,
    "orders_paid": lambda seen: seen.reached("paid_us"),
    "orders_late_payment": lambda seen: seen.orders["late"] == 1,
    "orders_waited": lambda seen: seen.waited,
    "orders_expired": _ended(Reason.EXPIRED),
    "orders_confirmed": lambda seen: seen.reached("confirmed_us"),
    "orders_cancelled_by_buyer": _ended(Reason.BUYER_CANCELLED),
    "orders_cancel_too_late": None,  # counted as they come
    "orders_not_confirmed": _ended(Reason.NOT_CONFIRMED),
    "orders_not_supplied": _ended(Reason.NOT_SUPPLIED),
    "orders_lost": _ended(Reason.LOST),
    "orders_auto_cancelled": _ended(Reason.AUTO_CANCELLED),
    "orders_collected": lambda seen: seen.collected,
    "orders_delivered": lambda seen: seen.reached("delivered_us"),
    "orders_returned": _ended(Reason.RETURNED),
    "orders_refund_only": _ended(Reason.REFUNDED),
}
#: The counts of units: those of these orders.
_UNITS: dict[str, Callable[[_Seen], Flags]] = {
    "units_placed": lambda seen: seen.placed,
    "units_paid": lambda seen: seen.reached("paid_us"),
    "units_sold_out": lambda seen: seen.first_end == Reason.SOLD_OUT,
    "units_deal_sold_out": lambda seen: seen.first_end == Reason.DEAL_SOLD_OUT,
    "units_waited": lambda seen: seen.waited,
}


class _Tally:
    """Counts orders and units, a chunk at a time."""

    def __init__(self, scenario: Scenario, trace: Trace, outcome: Outcome) -> None:
        self._scenario, self._trace, self._outcome = scenario, trace, outcome
        self._waits = Waits(outcome)
        self._split = np.unique(outcome.allocations.get("order", np.zeros(0, np.int64)))
        self.counts = dict.fromkeys((*_ORDERS, *_UNITS), 0)
        self._at_once_units = self._later_units = 0  # of carts that were placed as they first were
        self._states = np.zeros(len(State), np.int64)
        self._reasons = np.zeros(len(Reason), np.int64)
        self._firsts = np.zeros(len(Reason), np.int64)

    def add(self, chunk: CartChunk) -> None:
        """Count the orders of one chunk."""
        seen = self._seen(chunk)
        self._states += np.bincount(seen.orders["state"], minlength=len(State))
        self._reasons += np.bincount(seen.orders["reason"][seen.never], minlength=len(Reason))
        self._firsts += np.bincount(seen.orders["first_refusal"][seen.second], minlength=len(Reason))
        for name, flags_of in _ORDERS.items():
            self.counts[name] += int(np.count_nonzero(flags_of(seen))) if flags_of else 0
        units = chunk.total(chunk.lines("quantity").astype(np.int64))
        for name, flags_of in _UNITS.items():
            self.counts[name] += int(units[flags_of(seen)].sum())
        first = seen.placed & ~seen.second
        self._at_once_units += int(units[first & ~seen.waited].sum())
        self._later_units += int(units[first & seen.waited].sum())

    def _seen(self, chunk: CartChunk) -> _Seen:
        orders = {name: column[chunk.orders] for name, column in self._outcome.orders.items()}
        split = np.zeros(len(chunk), np.bool_)
        split[self._split[chunk.rows_in(self._split)] - chunk.first] = True
        return _Seen(
            orders,
            arrived=chunk.first_of("time_us") < self._scenario.horizon_us,
            put_off=self._put_off(chunk, orders["reason"]),
            waited=self._waits.add(chunk),
            split=split,
            collected=self._collected(chunk, orders["parcels"]),
        )

    def _put_off(self, chunk: CartChunk, reason: Column) -> Flags:
        """Who would have gone ahead but for feedback."""
        if self._scenario.funnel.feedback is None:
            return np.zeros(len(chunk), np.bool_)
        neutral = self._trace.factor_u64[chunk.first_of("sku")]
        return np.asarray((reason == Reason.NOT_GOING) & (self._trace.carts["go_u32"][chunk.orders] < neutral))

    def _collected(self, chunk: CartChunk, parcels: Column) -> Flags:
        table = self._outcome.parcels
        here = chunk.rows_in(table["order"])
        order = table["order"][here][table["collected_us"][here] >= 0] - chunk.first
        return np.asarray((np.bincount(order, minlength=len(chunk)) == parcels) & (parcels > 0))

    def metrics(self) -> Metrics:
        """The counts under their names."""
        self.counts["orders_cancel_too_late"] = self._outcome.cancels_too_late
        short = self.counts["units_sold_out"] + self.counts["units_deal_sold_out"]
        wanted = self._at_once_units + self._later_units + short
        return {
            **{name: self.counts[name] for name in _ORDERS},
            "orders_by_state": {state.name: int(self._states[state]) for state in State},
            "refusals_by_reason": _named(self._reasons),
            "first_refusals_by_reason": _named(self._firsts),
            **{name: self.counts[name] for name in _UNITS},
            "fill_rate_share": self._at_once_units / wanted if wanted else None,
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
