"""What a review of a run needs beside outcome and money: deadlines, second choices, what stockouts missed, page views.

Made from the trace when the tables are written; no simulation carries it.
"""

from __future__ import annotations

import numpy as np

from sim.arrays import Column, Ints
from sim.demand.reach import offset_us, quarter_of, quarter_start_s
from sim.demand.trace import BUY, QUOTE, REFRESH, VIEW, Trace
from sim.operations.carts import CartChunk, Carts
from sim.operations.contribution import lost_margins, value_of_goods
from sim.operations.deadlines import NO_DEADLINE_US, Deadlines, DispatchDeadlines
from sim.operations.money import Prices
from sim.operations.outcome import Outcome
from sim.operations.waiting import clock_start_us
from sim.scenario.schema import Scenario
from sim.scenario.tables import contents, sku_names

_PAGES = (("views", VIEW), ("refreshes", REFRESH), ("quotes", QUOTE))
_ROWS = 1 << 20


class Reviewing:
    """Computes columns of `orders.parquet` a chunk at a time; -1 means none."""

    def __init__(self, scenario: Scenario, outcome: Outcome, carts: Carts) -> None:
        self.prices = Prices.of(scenario)
        self.orders = outcome.orders
        self.dispatch = DispatchDeadlines(scenario, outcome, carts)
        self.promise = Deadlines(scenario, scenario.dispatch.deliver_days)

    def columns(self, chunk: CartChunk, money: dict[str, Ints]) -> dict[str, Column]:
        """What was refused and what was taken instead, `dispatch_due_us`, `deliver_due_us`, `gmv_minor` and
        `missed_margin_minor` of each cart."""
        region, start_us = chunk.first_of("region"), clock_start_us(self.orders, chunk.orders)
        return {
            **self._refused(chunk),
            "dispatch_due_us": _of_paid(self.dispatch.of(chunk.orders, region), start_us),
            "deliver_due_us": _of_paid(self.promise.after(start_us, region), start_us),
            "gmv_minor": value_of_goods(money, self.prices.voucher_by_seller),
            "missed_margin_minor": lost_margins(self.prices, self.orders, chunk),
        }

    def _refused(self, chunk: CartChunk) -> dict[str, Column]:
        """SKU and units of the lines that were refused first and for good, and the SKU of the second choice."""
        first, last = (self.orders[name][chunk.orders] for name in ("refused_line", "short_line"))
        second_sku, refused_sku = _of_line(chunk, "second_sku", first), _of_line(chunk, "sku", last)
        return {
            "first_refused_sku": _of_line(chunk, "sku", first),
            "first_refused_units": _of_line(chunk, "quantity", first),
            "second_sku": second_sku,
            "refused_sku": np.where((last == first) & (first >= 0), second_sku, refused_sku),
            "refused_units": _of_line(chunk, "quantity", last),
        }


def _of_line(chunk: CartChunk, name: str, line: Column) -> Column:
    """The trace column `name` of this line of each cart, -1 where the line is."""
    found = np.full(len(chunk), -1, np.int32)
    some = np.flatnonzero(line >= 0)
    if len(some):
        found[some] = chunk.lines(name)[chunk.starts[some] + line[some]]
    return found


def _of_paid(due_us: Ints, paid_us: Ints) -> Ints:
    """Deadlines of orders that have one."""
    return np.where((paid_us >= 0) & (due_us != NO_DEADLINE_US), due_us, -1)


def pages(scenario: Scenario, trace: Trace) -> dict[str, Column]:
    """Columns of `pages.parquet`: product-page views, refreshes and quotes of the trace by quarter of an hour, content,
    region and SKU, where there are any."""
    offset, kinds = offset_us(scenario), len(_PAGES)
    shape = (len(contents(scenario)) + 1, len(scenario.regions), len(sku_names(scenario)))
    counts: dict[int, int] = {}
    for first in range(0, trace.rows, _ROWS):
        lines = {name: column[first : first + _ROWS] for name, column in trace.lines.items()}
        some = np.flatnonzero(lines["kind"] != BUY)
        if not len(some):
            continue
        quarter = quarter_of(lines["time_us"][some], offset)
        key = (quarter * shape[0] + lines["content"][some] + 1) * shape[1] + lines["region"][some]
        key = (key * shape[2] + lines["sku"][some]) * kinds + lines["kind"][some]
        for number, found in zip(*(each.tolist() for each in np.unique(key, return_counts=True)), strict=True):
            counts[number] = counts.get(number, 0) + found
    return _page_columns(counts, shape, offset)


def _page_columns(counts: dict[int, int], shape: tuple[int, int, int], offset: int) -> dict[str, Column]:
    kinds = len(_PAGES)
    cells = np.array(sorted({number // kinds for number in counts}), np.int64)
    rest, sku = np.divmod(cells, shape[2])
    rest, region = np.divmod(rest, shape[1])
    quarter, content = np.divmod(rest, shape[0])
    names = {"time_s": quarter_start_s(quarter, offset), "content": content - 1, "region": region, "sku": sku}
    by_kind = {name: [counts.get(cell * kinds + kind, 0) for cell in cells.tolist()] for name, kind in _PAGES}
    return {**names, **{name: np.array(column, np.int64) for name, column in by_kind.items()}}
