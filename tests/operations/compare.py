"""Holds the flow to the oracle: every time stamp, state, unit and amount must be equal."""

from __future__ import annotations

from collections.abc import Mapping

from sim.demand.trace import Trace
from sim.operations.carts import Carts
from sim.operations.money import money_columns
from sim.operations.outcome import Column
from sim.operations.punctuality import punctuality
from sim.operations.simulate import simulate
from sim.scenario.schema import Scenario
from tests.oracle import model

PARCEL_FIELDS = ("order", "warehouse", "picked_us", "packed_us", "collected_us", "arrived_us", "lost")


def differences(scenario: Scenario, trace: Trace, *, fast: bool = False) -> tuple[list[str], model.Outcome]:
    """Every difference between flow and oracle (at most 20 a column), and the oracle's outcome."""
    flow, oracle = simulate(scenario, trace, fast=fast), model.run(scenario, trace)
    found = _column_differences({**flow.orders, **money_columns(scenario, trace, flow)}, oracle)
    rows = list(zip(*(flow.parcels[name].tolist() for name in PARCEL_FIELDS), strict=True))
    theirs = [tuple(row) for row in oracle.parcels]
    found += [f"parcel {k}: {a} != {b}" for k, (a, b) in enumerate(zip(rows, theirs, strict=False)) if a != b][:20]
    if len(rows) != len(theirs):
        found.append(f"parcels: {len(rows)} != {len(theirs)}")
    for (sku, house), fields in oracle.stock.items():
        for name, units in fields.items():
            mine = int(flow.stock[name][sku, house])
            if mine != units:
                found.append(f"stock sku {sku} at {house}: {name} {mine} != {units}")
    if flow.deal_left != oracle.deal_left:
        found.append(f"deal_left {flow.deal_left} != {oracle.deal_left}")
    if flow.carried != oracle.carried:
        found.append(f"carried {flow.carried} != {oracle.carried}")
    rates = punctuality(scenario, trace, flow, Carts(trace))
    for name, (whole, some) in oracle.rates.items():
        if list(rates[name].values())[:2] != [whole, some]:
            found.append(f"{name} {list(rates[name].values())[:2]} != {[whole, some]}")
    return found, oracle


def _column_differences(columns: Mapping[str, Column], oracle: model.Outcome) -> list[str]:
    found: list[str] = []
    for name in columns:
        if name == "refused_line":
            continue
        mine, theirs = columns[name].tolist(), oracle.orders[name]
        unequal = [o for o in range(len(mine)) if mine[o] != theirs[o]]
        found += [f"order {o}: {name} {mine[o]} != {theirs[o]}" for o in unequal[:20]]
    return found
