"""The oracle as the benchmark runs it, and every way in which the flow's outcome is not the oracle's."""

from __future__ import annotations

from sim.demand.trace import Trace
from sim.operations.outcome import WAITING_COLUMNS, Outcome
from sim.operations.waiting import waiting_column
from sim.scenario.schema import Scenario
from tests.operations.compare import money_columns, parcel_rows
from tests.oracle import model

oracle_run = model.run


def unequal(scenario: Scenario, trace: Trace, flow: Outcome, oracle: model.Outcome) -> list[str]:
    """Names of the columns that differ: orders, money, parcels, stock, deals."""
    waits = {name: waiting_column(flow.orders, name, slice(None)) for name in WAITING_COLUMNS}
    mine = {**flow.orders, **waits, **money_columns(scenario, trace, flow)}
    found = [name for name, column in mine.items() if name in oracle.orders and column.tolist() != oracle.orders[name]]
    found += [name for name in oracle.orders if name not in mine]
    if parcel_rows(flow) != [tuple(row) for row in oracle.parcels]:
        found.append("parcels")
    for (sku, house), cell in oracle.stock.items():
        found += [f"{name} of {sku} at {house}" for name in cell if int(flow.stock[name][sku, house]) != cell[name]]
    if flow.deal_left != oracle.deal_left:
        found.append("deal_left")
    if flow.carried != oracle.carried:
        found.append("carried")
    return found
