"""Every movement of stock that an outcome implies, by SKU and time: for holding costs and the picture of the stock.

Bundles are taken apart: only SKUs that hold stock move. Warehouses are added together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sim.arrays import Column, Ints
from sim.demand.trace import Trace
from sim.operations.carts import CartChunk, Carts, served_lines
from sim.operations.outcome import Outcome
from sim.operations.waiting import taken_us
from sim.orders.states import Reason, State
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table


class Moves(NamedTuple):
    """`units` of `sku` come (above 0) or go (below 0) at `time_us`; three columns of one length."""

    time_us: Ints
    sku: Ints
    units: Ints


class Parts:
    """The SKUs inside each SKU: a plain one holds itself, a bundle its parts."""

    def __init__(self, scenario: Scenario) -> None:
        table = [row.components for row in sku_table(scenario)]
        self._count = np.array([len(parts) for parts in table], np.int64)
        self._start = np.concatenate(([0], np.cumsum(self._count)[:-1]))
        self._sku = np.array([sku for parts in table for sku, _ in parts], np.int64)
        self._units = np.array([units for parts in table for _, units in parts], np.int64)
        self._plain = bool(np.all(self._count == 1) and np.all(self._units == 1))

    def take_apart(self, sku: Column, units: Column) -> tuple[Column, Ints, Ints]:
        """(row of the input, part, units of the part) for `units` of each `sku`."""
        if self._plain:
            return np.arange(len(sku)), self._sku[sku], units.astype(np.int64)
        count = self._count[sku]
        row = np.repeat(np.arange(len(sku)), count)
        within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        part = self._start[sku[row]] + within
        return row, self._sku[part], self._units[part] * units[row]


class StockMoves:
    """Reads the movements of stock out of one outcome."""

    def __init__(self, scenario: Scenario, trace: Trace, outcome: Outcome, carts: Carts | None = None) -> None:
        self._parts = Parts(scenario)
        self._sweep_us = scenario.payment.sweep_us
        self._horizon_us = scenario.horizon_us
        self._carts = carts or Carts(trace)
        self._restock = trace.carts["restock"]
        self._outcome = outcome

    def on_hand(self) -> Iterator[Moves]:
        """Units that leave with the carrier, come back to the shelf, or are received."""
        yield self._receipts()
        for chunk in self._carts.chunks():
            row, sku, units = self._parts_of(chunk)
            order = np.repeat(np.arange(len(chunk)), chunk.line_counts())[row]
            out_us, back_us = self._out_and_back(chunk)
            gone = np.flatnonzero(out_us[order] >= 0)
            yield Moves(out_us[order[gone]], sku[gone], -units[gone])
            back = np.flatnonzero(back_us[order] >= 0)
            yield Moves(back_us[order[back]], sku[back], units[back])
        yield from self._split_moves()

    def available(self) -> Iterator[Moves]:
        """Units taken at checkout or after a wait, given back by the sweep, back on the shelf, or received."""
        yield self._receipts()
        for chunk in self._carts.chunks():
            row, sku, units = self._parts_of(chunk)
            order = np.repeat(np.arange(len(chunk)), chunk.line_counts())[row]
            _, back_us = self._out_and_back(chunk)
            for time_us, sign in (
                (taken_us(self._outcome.orders, chunk.orders), -1),
                (self._released_us(chunk), 1),
                (back_us, 1),
            ):
                these = np.flatnonzero(time_us[order] >= 0)
                yield Moves(time_us[order[these]], sku[these], sign * units[these])
        for moves in self._split_moves():
            back = moves.units > 0
            yield Moves(moves.time_us[back], moves.sku[back], moves.units[back])

    def of_deals(self) -> Iterator[Moves]:
        """Units of flash deals taken at checkout and given back by the sweep; `sku` is the deal's row of deal_table."""
        for chunk in self._carts.chunks():
            _, deal = served_lines(chunk, self._outcome.orders)
            wanted = np.flatnonzero(deal >= 0)
            order, units = np.repeat(np.arange(len(chunk)), chunk.line_counts())[wanted], chunk.lines("quantity")
            for time_us, sign in ((taken_us(self._outcome.orders, chunk.orders), -1), (self._released_us(chunk), 1)):
                these = np.flatnonzero(time_us[order] >= 0)
                lines = wanted[these]
                yield Moves(time_us[order[these]], deal[lines].astype(np.int64), sign * units[lines].astype(np.int64))

    def _receipts(self) -> Moves:
        table = np.array(self._outcome.receipts, np.int64).reshape(-1, 4)
        return Moves(table[:, 0], table[:, 1], table[:, 3])

    def _parts_of(self, chunk: CartChunk) -> tuple[Column, Ints, Ints]:
        sku, _ = served_lines(chunk, self._outcome.orders)
        return self._parts.take_apart(sku, chunk.lines("quantity"))

    def _out_and_back(self, chunk: CartChunk) -> tuple[Ints, Ints]:
        """When the goods of each order left and came back, -1 never and for split orders; int64[carts] each."""
        parcels, orders = self._outcome.parcels, self._outcome.orders
        here = chunk.rows_in(parcels["order"])
        order = parcels["order"][here] - chunk.first
        out_us, back_us = np.full(len(chunk), -1, np.int64), np.full(len(chunk), -1, np.int64)
        out_us[order] = parcels["collected_us"][here]
        split = self._outcome.allocations.get("order", np.zeros(0, np.int32))
        out_us[split[(split >= chunk.first) & (split < chunk.stop)] - chunk.first] = -1
        again = np.flatnonzero((out_us >= 0) & self._sold_again(chunk.orders))
        back_us[again] = orders["closed_us"][chunk.orders][again]
        return out_us, back_us

    def _sold_again(self, rows: slice | Column) -> Column:
        returned = self._outcome.orders["reason"][rows] == Reason.RETURNED
        return np.asarray(returned & (self._restock[rows] == 1))

    def _released_us(self, chunk: CartChunk) -> Ints:
        """The sweep that gave the units of each order back, -1 where none did."""
        orders = self._outcome.orders
        reason, closed_us = orders["reason"][chunk.orders], orders["closed_us"][chunk.orders]
        sweep_us = closed_us // self._sweep_us * self._sweep_us + self._sweep_us
        placed = (orders["state"][chunk.orders] == State.CANCELLED) & (taken_us(orders, chunk.orders) >= 0)
        expired = placed & (reason == Reason.EXPIRED)
        let_go = placed & np.isin(reason, (Reason.BUYER_CANCELLED, Reason.NOT_CONFIRMED, Reason.AUTO_CANCELLED))
        let_go &= sweep_us < self._horizon_us
        return np.where(expired, closed_us, np.where(let_go, sweep_us, -1))

    def _split_moves(self) -> Iterator[Moves]:
        """What left with the parcels of split orders, and came back of those not lost."""
        split, parcels = self._outcome.allocations, self._outcome.parcels
        if not split or not len(split["order"]):
            return
        houses = 1 + max(int(split["warehouse"].max()), int(parcels["warehouse"].max(initial=0)))
        have = parcels["order"].astype(np.int64) * houses + parcels["warehouse"]
        rank = np.argsort(have, kind="stable")
        wanted = split["order"].astype(np.int64) * houses + split["warehouse"]
        at = np.minimum(np.searchsorted(have[rank], wanted), max(len(rank) - 1, 0))
        found = np.flatnonzero(have[rank[at]] == wanted) if len(rank) else np.zeros(0, np.int64)
        parcel, units = rank[at[found]] if len(rank) else found, split["units"].astype(np.int64)[found]
        sku, order = split["sku"].astype(np.int64)[found], split["order"][found]
        out_us = parcels["collected_us"][parcel]
        gone = out_us >= 0
        yield Moves(out_us[gone], sku[gone], -units[gone])
        back = gone & self._sold_again(order) & (parcels["lost"][parcel] == 0)
        yield Moves(self._outcome.orders["closed_us"][order[back]], sku[back], units[back])
