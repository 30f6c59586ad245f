"""The show by the second: what `timeline.parquet` and `timeline_content.parquet` hold.

Rows are one second long, or longer where a long programme would need too many of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.demand.trace import Trace
from sim.operations.carts import Carts, Column, Ints
from sim.operations.contribution import value_of_goods
from sim.operations.money import Prices, money_chunks
from sim.operations.outcome import Outcome
from sim.operations.responses import ENGINE_FAILURES
from sim.orders.states import REFUSALS, Reason, State
from sim.scenario.schema import Scenario
from sim.scenario.tables import contents
from sim.scenario.units import US_PER_S

STEPS_S = (1, 10, 60, 600, 3_600, 86_400)
MAX_ROWS = 500_000
MAX_CELLS = 8_000_000
AFTER_S = 300


@dataclass(frozen=True)
class Grid:
    """`rows` rows of `step_s` seconds from time 0; `end_s` is the end of the programme."""

    step_s: int
    rows: int
    end_s: int

    @property
    def time_s(self) -> npt.NDArray[np.int32]:
        """Start of each row."""
        return (np.arange(self.rows) * self.step_s).astype(np.int32)

    def row_of(self, time_us: Ints) -> Ints:
        """The row in which each time falls; may lie beyond the last."""
        return np.asarray(time_us // (self.step_s * US_PER_S))

    def count(self, time_us: Ints, flags: Column | None = None) -> npt.NDArray[np.int32]:
        """How many of the times that are not -1 (and flagged) fall in each row."""
        row = self.row_of(time_us)
        inside = (time_us >= 0) & (row < self.rows)
        if flags is not None:
            inside &= flags
        return np.asarray(np.bincount(row[inside], minlength=self.rows), np.int32)


def grid_of(scenario: Scenario, trace: Trace) -> Grid:
    """The rows for a programme: to the end of the last broadcast or line of the trace, and five minutes more."""
    ends_us = [b.start_us + b.length_us for b in scenario.programme.broadcasts]
    if trace.rows:
        ends_us.append(int(trace.lines["time_us"][-1]))
    end_us = min(max(ends_us, default=0), scenario.horizon_us)
    end_s = -(-end_us // US_PER_S)
    length_s = min(end_s + AFTER_S, -(-scenario.horizon_us // US_PER_S))
    columns = len(contents(scenario)) + 1
    for step_s in STEPS_S:
        rows = -(-length_s // step_s)
        if rows <= MAX_ROWS and rows * columns <= MAX_CELLS:
            break
    return Grid(step_s, rows, end_s)


def timeline(trace: Trace, outcome: Outcome, carts: Carts, grid: Grid) -> dict[str, Column]:
    """Columns of `timeline.parquet`; response times are -1 in rows without answers."""
    orders = outcome.orders
    columns: dict[str, Column] = {"time_s": grid.time_s}
    by_arrival = {name: np.zeros(grid.rows, np.int32) for name in ("intents", "going", "refused", "failed")}
    arrived_us = np.empty(len(carts), np.int64)
    for chunk in carts.chunks():
        arrived_us[chunk.orders] = chunk.first_of("time_us")
        reason, never = orders["reason"][chunk.orders], orders["state"][chunk.orders] == State.NONE
        for name, flags in (
            ("intents", None),
            ("going", reason != Reason.NOT_GOING),
            ("refused", never & np.isin(reason, list(REFUSALS))),
            ("failed", never & np.isin(reason, ENGINE_FAILURES)),
        ):
            by_arrival[name] += grid.count(arrived_us[chunk.orders], flags)
    columns |= by_arrival
    for name in ("placed", "paid", "confirmed"):
        columns[name] = grid.count(orders[f"{name}_us"])
    columns["cancelled"] = grid.count(orders["closed_us"], orders["state"] == State.CANCELLED)
    columns["queue_peak"] = _peaks(outcome.queue_peak, grid)
    checkout = _Slices(grid, arrived_us, orders["checkout_response_us"])
    columns["checkout_p50_us"], columns["checkout_p99_us"] = checkout.rank(50), checkout.rank(99)
    del checkout, arrived_us
    for endpoint, due in (("payment", "pay_due_us"), ("confirmation", "confirm_due_us")):
        columns[f"{endpoint}_p99_us"] = _Slices(grid, orders[due], orders[f"{endpoint}_response_us"]).rank(99)
    return columns


def _peaks(queue_peak: Column, grid: Grid) -> npt.NDArray[np.int32]:
    """The largest of the per-second peaks of each row."""
    peaks = np.zeros(grid.rows * grid.step_s, np.int32)
    known = min(len(queue_peak), len(peaks))
    peaks[:known] = queue_peak[:known]
    return np.asarray(peaks.reshape(grid.rows, grid.step_s).max(axis=1, initial=0), np.int32)


class _Slices:
    """Response times sorted within the row of the grid in which their request was due."""

    def __init__(self, grid: Grid, due_us: Ints, response_us: Column) -> None:
        row = grid.row_of(due_us)
        seen = np.flatnonzero((due_us >= 0) & (response_us >= 0) & (row < grid.rows))
        key = (row[seen] << 32) | response_us[seen]
        key.sort()
        self._response = (key & 0xFFFFFFFF).astype(np.int32)
        counts = np.bincount(key >> 32, minlength=grid.rows)
        self._count = counts
        self._end = np.cumsum(counts)

    def rank(self, percent: int) -> npt.NDArray[np.int32]:
        """The nearest-rank percentile of each row, -1 where a row has no answers."""
        rank = np.maximum(-(-self._count * percent // 100), 1)
        at = self._end - self._count + rank - 1
        result = np.full(len(self._count), -1, np.int32)
        some = self._count > 0
        result[some] = self._response[at[some]]
        return result


def timeline_content(scenario: Scenario, trace: Trace, outcome: Outcome, carts: Carts, grid: Grid) -> dict[str, Column]:
    """Columns of `timeline_content.parquet`; `content` is a number, -1 none. Only rows in which something happened."""
    kinds = len(contents(scenario)) + 1
    size = grid.rows * kinds
    cells = {name: np.zeros(size, np.int64) for name in ("intents", "placed", "paid", "gmv_minor")}
    by_seller = Prices.of(scenario).voucher_by_seller
    for chunk, money in money_chunks(scenario, trace, outcome, carts=carts):
        content = chunk.first_of("content").astype(np.int64) + 1
        value = value_of_goods(money, by_seller)
        for name, time_us in (
            ("intents", chunk.first_of("time_us")),
            ("placed", outcome.orders["placed_us"][chunk.orders]),
            ("paid", outcome.orders["paid_us"][chunk.orders]),
        ):
            row = grid.row_of(time_us)
            inside = np.flatnonzero((time_us >= 0) & (row < grid.rows))
            cell = row[inside] * kinds + content[inside]
            np.add.at(cells[name], cell, 1)
            if name == "paid":
                np.add.at(cells["gmv_minor"], cell, value[inside])
    used = np.flatnonzero(cells["intents"] | cells["placed"] | cells["paid"])
    counts = {name: cells[name][used].astype(np.int32) for name in ("intents", "placed", "paid")}
    return {
        "time_s": (used // kinds * grid.step_s).astype(np.int32),
        "content": (used % kinds - 1).astype(np.int32),
        **counts,
        "gmv_minor": cells["gmv_minor"][used],
    }
