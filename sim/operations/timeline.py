"""The show by the second: what `timeline.parquet` and `timeline_content.parquet` hold.

Rows are one second long, or longer where a long programme would need too many of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.arrays import Column, Ints
from sim.demand.trace import Trace
from sim.operations.carts import Carts
from sim.operations.contribution import value_of_goods
from sim.operations.money import Prices, sales_chunks
from sim.operations.outcome import Outcome
from sim.operations.responses import failed_at_engine, refused_by_shop
from sim.orders.states import Reason, State
from sim.scenario.schema import Scenario
from sim.scenario.tables import contents
from sim.scenario.units import US_PER_S

STEPS_S = (1, 10, 60, 600, 3_600, 86_400)
MAX_ROWS = 500_000
MAX_CELLS = 4_000_000
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


def timeline(outcome: Outcome, carts: Carts, grid: Grid) -> dict[str, Column]:
    """Columns of `timeline.parquet`; response times are -1 in rows without answers."""
    counts = {name: np.zeros(grid.rows, np.int32) for name in _COUNTS}
    for chunk in carts.chunks():
        orders = {name: column[chunk.orders] for name, column in outcome.orders.items()}
        arrived_us, reason = chunk.first_of("time_us"), orders["reason"]
        never, cancelled = orders["state"] == State.NONE, orders["state"] == State.CANCELLED
        for name, time_us, flags in (
            ("intents", arrived_us, None),
            ("going", arrived_us, reason != Reason.NOT_GOING),
            ("refused", arrived_us, never & refused_by_shop(reason)),
            ("failed", arrived_us, never & failed_at_engine(reason)),
            ("placed", orders["placed_us"], None),
            ("paid", orders["paid_us"], None),
            ("confirmed", orders["confirmed_us"], None),
            ("cancelled", orders["closed_us"], cancelled),
        ):
            counts[name] += grid.count(time_us, flags)
    return {
        "time_s": grid.time_s,
        **counts,
        "queue_peak": _peaks(outcome.queue_peak, grid),
        **_response_columns(outcome, carts, grid),
    }


_COUNTS = ("intents", "going", "refused", "failed", "placed", "paid", "confirmed", "cancelled")


def _response_columns(outcome: Outcome, carts: Carts, grid: Grid) -> dict[str, Column]:
    """Percentiles of the response times of the requests due in each row."""
    orders = outcome.orders
    columns: dict[str, Column] = {}
    for endpoint, due, percents in (
        ("checkout", "", (50, 99)),
        ("payment", "pay_due_us", (99,)),
        ("confirmation", "confirm_due_us", (99,)),
    ):
        response_us = orders[f"{endpoint}_response_us"]
        slices = _Slices(grid, int(np.count_nonzero(response_us >= 0)))
        for chunk in carts.chunks():
            due_us = orders[due][chunk.orders] if due else chunk.first_of("time_us")
            slices.add(due_us, response_us[chunk.orders])
        for percent, ranks in slices.ranks(percents).items():
            columns[f"{endpoint}_p{percent}_us"] = ranks
    return columns


def _peaks(queue_peak: Column, grid: Grid) -> npt.NDArray[np.int32]:
    """The largest of the per-second peaks of each row."""
    peaks = np.zeros(grid.rows * grid.step_s, np.int32)
    known = min(len(queue_peak), len(peaks))
    peaks[:known] = queue_peak[:known]
    return np.asarray(peaks.reshape(grid.rows, grid.step_s).max(axis=1, initial=0), np.int32)


class _Slices:
    """Response times sorted within the row of the grid in which their request was due; 8 bytes an answer."""

    def __init__(self, grid: Grid, room: int) -> None:
        self._grid = grid
        self._key = np.empty(room, np.int64)  # row << 32 | response time
        self._size = 0

    def add(self, due_us: Ints, response_us: Column) -> None:
        """Take the answered requests of a chunk; at most `room` in all."""
        row = self._grid.row_of(due_us)
        seen = np.flatnonzero((due_us >= 0) & (response_us >= 0) & (row < self._grid.rows))
        self._key[self._size : self._size + len(seen)] = (row[seen] << 32) | response_us[seen]
        self._size += len(seen)

    def ranks(self, percents: tuple[int, ...]) -> dict[int, npt.NDArray[np.int32]]:
        """The nearest-rank percentiles of each row, -1 where a row has no answers."""
        key = self._key[: self._size]
        key.sort()
        start = np.searchsorted(key, np.arange(self._grid.rows + 1) << 32)
        count = np.diff(start)
        some = np.flatnonzero(count)
        result = {}
        for percent in percents:
            rank = -(-count[some] * percent // 100)
            result[percent] = np.full(self._grid.rows, -1, np.int32)
            result[percent][some] = key[start[some] + rank - 1] & 0xFFFFFFFF
        return result


def timeline_content(scenario: Scenario, trace: Trace, outcome: Outcome, carts: Carts, grid: Grid) -> dict[str, Column]:
    """Columns of `timeline_content.parquet`; `content` is a number, -1 none. Only rows in which something happened."""
    kinds = len(contents(scenario)) + 1
    size = grid.rows * kinds
    cells = {name: np.zeros(size, np.int32) for name in ("intents", "placed", "paid")}
    gmv_minor = np.zeros(size, np.int64)
    by_seller = Prices.of(scenario).voucher_by_seller
    for chunk, money in sales_chunks(scenario, trace, outcome, carts):
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
                np.add.at(gmv_minor, cell, value[inside])
    used = np.flatnonzero(cells["intents"] | cells["placed"] | cells["paid"])
    return {
        "time_s": (used // kinds * grid.step_s).astype(np.int32),
        "content": (used % kinds - 1).astype(np.int32),
        **{name: column[used] for name, column in cells.items()},
        "gmv_minor": gmv_minor[used],
    }
