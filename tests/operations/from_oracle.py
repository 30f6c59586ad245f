"""The oracle's result as the `Outcome` that money and metrics read, so that they are judged without the flow."""

from __future__ import annotations

from itertools import accumulate
from unittest import mock

import numpy as np

from sim.demand.trace import Trace
from sim.operations.outcome import ORDER_COLUMNS, PARCEL_COLUMNS, STOCK_FIELDS, WAITING_COLUMNS, Outcome, Purchase
from sim.scenario.allocation_tables import may_wait
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table
from tests.operations.compare import PARCEL_FIELDS
from tests.oracle import model
from tests.oracle.records import Order, read_orders


def oracle_outcome(scenario: Scenario, trace: Trace) -> tuple[Outcome, model.Outcome]:
    """What the oracle says of a trace, in both forms."""
    kept: list[Order] = []

    def read(carts: Trace) -> list[Order]:
        kept.extend(read_orders(carts))
        return kept

    with mock.patch.object(model, "read_orders", read):
        theirs = model.run(scenario, trace)
    columns = {**theirs.orders, "refused_line": _replaced_lines(kept, read_orders(trace))}
    parcels = np.array(theirs.parcels, np.int64).reshape(-1, len(PARCEL_FIELDS))
    stock = {name: np.zeros((len(sku_table(scenario)), len(scenario.warehouses)), np.int64) for name in STOCK_FIELDS}
    for (sku, house), cell in theirs.stock.items():
        for name in STOCK_FIELDS:
            stock[name][sku, house] = cell[name]
    split = [
        (order.number, first + take.line, take.sku, take.warehouse, take.units)
        for order, first in zip(kept, accumulate((len(order.lines) for order in kept), initial=0), strict=False)
        if len({take.warehouse for take in order.takes}) > 1
        for take in order.takes
    ]
    rows = np.array(split, np.int64).reshape(-1, 5)
    kinds = ORDER_COLUMNS | (WAITING_COLUMNS if may_wait(scenario) else {})
    parcel_kinds = {**PARCEL_COLUMNS, "carrier": "i2"}
    outcome = Outcome(
        orders={name: np.array(columns[name], kind) for name, kind in kinds.items()},
        parcels={name: parcels[:, PARCEL_FIELDS.index(name)].astype(kind) for name, kind in parcel_kinds.items()},
        stock=stock,
        allocations={
            name: rows[:, k].astype("i2" if name == "warehouse" else "i4")
            for k, name in enumerate(("order", "line", "sku", "warehouse", "units"))
        },
        deal_left=theirs.deal_left,
        carried=theirs.carried,
        cancels_too_late=theirs.met.get("cancel_too_late", 0),
        receipts=[(row.time_us, row.sku, row.warehouse, row.units) for row in theirs.receipts],
        purchases=[Purchase(*row) for row in theirs.purchases],
        queue_peak=np.zeros(0, np.int32),
    )
    return outcome, theirs


def _replaced_lines(after: list[Order], before: list[Order]) -> list[int]:
    """The line of each cart that took its second choice, -1 none."""
    pairs = [list(zip(a.lines, b.lines, strict=True)) for a, b in zip(after, before, strict=True)]
    return [next((k for k, (now, then) in enumerate(lines) if now != then), -1) for lines in pairs]
