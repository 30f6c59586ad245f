"""Holds the flow to the oracle: every time stamp, state, unit and amount must be equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.arrays import Column
from sim.demand.trace import Trace
from sim.operations.carts import Carts
from sim.operations.contribution import holding_minor, moderators_minor, replenishment_minor
from sim.operations.deadlines import DispatchDeadlines
from sim.operations.money import MONEY_COLUMNS, money_chunks
from sim.operations.outcome import Outcome
from sim.operations.punctuality import Punctuality
from sim.operations.simulate import simulate
from sim.operations.stock_moves import StockMoves
from sim.operations.wages import wages_minor
from sim.scenario.schema import Scenario
from tests.oracle import model

PARCEL_FIELDS = ("order", "warehouse", "picked_us", "packed_us", "collected_us", "arrived_us", "lost", "carrier")


def differences(scenario: Scenario, trace: Trace, *, fast: bool = False) -> tuple[list[str], model.Outcome]:
    """Every difference between flow and oracle (at most 20 a column), and the oracle's outcome."""
    flow, oracle = simulate(scenario, trace, fast=fast), model.run(scenario, trace)
    found = _column_differences({**flow.orders, **money_columns(scenario, trace, flow)}, oracle)
    rows = parcel_rows(flow)
    theirs = [tuple(row) for row in oracle.parcels]
    found += [f"parcel {k}: {a} != {b}" for k, (a, b) in enumerate(zip(rows, theirs, strict=False)) if a != b][:20]
    if len(rows) != len(theirs):
        found.append(f"parcels: {len(rows)} != {len(theirs)}")
    for (sku, house), fields in oracle.stock.items():
        for name, units in fields.items():
            mine = int(flow.stock[name][sku, house])
            if mine != units:
                found.append(f"stock sku {sku} at {house}: {name} {mine} != {units}")
    return found + _other_differences(scenario, trace, flow, oracle), oracle


def punctuality_of(scenario: Scenario, trace: Trace, outcome: Outcome) -> dict[str, Any]:
    """What platforms count of a run."""
    carts = Carts(trace)
    record = Punctuality(scenario, outcome, DispatchDeadlines(scenario, outcome, carts))
    for chunk in carts.chunks():
        record.add(chunk)
    return record.metrics()


def parcel_rows(flow: Outcome) -> list[tuple[int, ...]]:
    """Its parcels as the oracle tells them; a warehouse without several carriers has one, of its own number."""
    only = np.where(flow.parcels["collected_us"] >= 0, flow.parcels["warehouse"], -1)
    parcels = {"carrier": only, **flow.parcels}
    return list(zip(*(parcels[name].tolist() for name in PARCEL_FIELDS), strict=True))


def _other_differences(scenario: Scenario, trace: Trace, flow: Outcome, oracle: model.Outcome) -> list[str]:
    """Differences in what is one number or list a run."""
    rates = punctuality_of(scenario, trace, flow)
    pairs = {
        "deal_left": (flow.deal_left, oracle.deal_left),
        "carried": (flow.carried, oracle.carried),
        "cancels_too_late": (flow.cancels_too_late, oracle.met.get("cancel_too_late", 0)),
        "overtime": (sorted(flow.overtime), oracle.overtime),
        "wages": (wages_minor(scenario, flow), oracle.wages),
        "purchases": ([tuple(row) for row in flow.purchases], [tuple(row) for row in oracle.purchases]),
        "receipts": (flow.receipts, [tuple(row) for row in oracle.receipts]),
        "replenishment_minor": (replenishment_minor(scenario, flow), oracle.replenishment_minor),
        "moderators_minor": (moderators_minor(scenario), oracle.moderators_minor),
        "holding_minor": (holding_minor(scenario, StockMoves(scenario, trace, flow).on_hand()), oracle.holding_minor),
        **{name: (tuple(rates[name].values())[:2], theirs) for name, theirs in oracle.rates.items()},
    }
    return [f"{name}: {mine} != {theirs}" for name, (mine, theirs) in pairs.items() if mine != theirs]


def _column_differences(columns: Mapping[str, Column], oracle: model.Outcome) -> list[str]:
    found: list[str] = []
    for name in columns:
        if name == "refused_line":
            continue
        mine, theirs = columns[name].tolist(), oracle.orders[name]
        unequal = [o for o in range(len(mine)) if mine[o] != theirs[o]]
        found += [f"order {o}: {name} {mine[o]} != {theirs[o]}" for o in unequal[:20]]
    return found


def money_columns(scenario: Scenario, trace: Trace, outcome: Outcome) -> dict[str, np.ndarray]:
    """MONEY_COLUMNS, each int64[orders], all orders in one."""
    columns = {name: np.empty(trace.orders, np.int64) for name in MONEY_COLUMNS}
    for chunk, money in money_chunks(scenario, trace, outcome):
        for name, column in columns.items():
            column[chunk.orders] = money[name]
    return columns
