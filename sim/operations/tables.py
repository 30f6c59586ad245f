"""The smaller tables of a run: stock over time, parcels by hour, pick-ups, SKUs and contents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import numpy as np

from sim.arrays import Column, Ints
from sim.demand.columns import distinct
from sim.demand.trace import Trace
from sim.operations.carts import CHUNK_ORDERS, Carts, served_lines
from sim.operations.contribution import value_of_goods
from sim.operations.money import Prices, sales_chunks
from sim.operations.outcome import Outcome, Purchase
from sim.operations.responses import refused_by_shop
from sim.operations.stock_moves import StockMoves
from sim.operations.timeline import Grid
from sim.orders.states import Reason, State
from sim.scenario.calendar import pick_up_times
from sim.scenario.schema import Scenario
from sim.scenario.tables import carrier_table, contents, sku_table
from sim.scenario.units import US_PER_H, US_PER_S

HOUR_S = US_PER_H // US_PER_S
MAX_STOCK_CELLS = 2_000_000


def stock_over_time(scenario: Scenario, trace: Trace, outcome: Outcome, carts: Carts, grid: Grid) -> dict[str, Column]:
    """Columns of `stock.parquet`; `sku` is a number. A row at time 0 and at the end of each step with a change."""
    table = sku_table(scenario)
    ends_s = _stock_steps(scenario, grid, len(table))
    shape = (len(ends_s), len(table))
    moves = StockMoves(scenario, trace, outcome, carts)
    levels = []
    for kind in (moves.on_hand(), moves.available()):
        change = np.zeros(shape, np.int64)
        change[0] = [sum(row.stock) for row in table]
        for move in kind:
            inside = (move.time_us >= 0) & (move.time_us < scenario.horizon_us)
            step = np.searchsorted(ends_s, move.time_us[inside] // US_PER_S, side="right")
            np.add.at(change, (step, move.sku[inside]), move.units[inside])
        levels.append(np.cumsum(change, axis=0, out=change))
    changed = np.zeros(shape, np.bool_)
    for level in levels:
        changed[1:] |= level[1:] != level[:-1]
    changed[0] = [row.components == ((number, 1),) for number, row in enumerate(table)]
    step, sku = np.nonzero(changed)
    return {
        "time_s": ends_s[step].astype(np.int32),
        "sku": sku.astype(np.int32),
        "on_hand_units": levels[0][step, sku],
        "available_units": levels[1][step, sku],
    }


def _stock_steps(scenario: Scenario, grid: Grid, skus: int) -> Ints:
    """0 and the ends (s) of the steps: rows of the timeline, or coarser for many SKUs, then hours to the horizon."""
    horizon_s = -(-scenario.horizon_us // US_PER_S)
    coarser = -(-grid.rows * skus // MAX_STOCK_CELLS)
    during = np.arange(0, grid.rows + 1, max(coarser, 1)) * grid.step_s
    hour_s = HOUR_S * max(1, -(-(horizon_s // HOUR_S) * skus // MAX_STOCK_CELLS))
    after = np.arange(-(-(grid.rows * grid.step_s + 1) // hour_s) * hour_s, horizon_s + hour_s, hour_s)
    return distinct(np.concatenate((during, after)))


def hours(scenario: Scenario, outcome: Outcome) -> dict[str, Column]:
    """Columns of `hours.parquet`; `warehouse` is a number."""
    number, houses = -(-scenario.horizon_us // US_PER_H), len(scenario.warehouses)
    size = number * houses
    counts = {name: np.zeros(size, np.int32) for name in ("picked", "packed", "collected", "arrived", "lost")}
    for parcels in _parcel_chunks(outcome):
        lost = parcels["lost"] == 1
        for name, time_us, flags in (
            ("picked", parcels["picked_us"], True),
            ("packed", parcels["packed_us"], True),
            ("collected", parcels["collected_us"], True),
            ("arrived", parcels["arrived_us"], ~lost),
            ("lost", parcels["arrived_us"], lost),
        ):
            these = np.flatnonzero((time_us >= 0) & (time_us < scenario.horizon_us) & flags)
            cell = time_us[these] // US_PER_H * houses + parcels["warehouse"][these]
            counts[name] += np.bincount(cell, minlength=size).astype(np.int32)
    return {
        "time_s": (np.repeat(np.arange(number), houses) * HOUR_S).astype(np.int32),
        "warehouse": np.tile(np.arange(houses), number).astype(np.int32),
        **counts,
    }


def _parcel_chunks(outcome: Outcome) -> Iterator[dict[str, Column]]:
    for first in range(0, len(outcome.parcels["order"]), CHUNK_ORDERS):
        yield {name: column[first : first + CHUNK_ORDERS] for name, column in outcome.parcels.items()}


def pick_ups(scenario: Scenario, outcome: Outcome) -> dict[str, list[int | str | None]]:
    """Columns of `pickups.parquet`, by time, warehouse and carrier; these two are numbers."""
    rows: list[tuple[int, int, int, str, int | None, int]] = []
    for number, (house, _, carrier) in enumerate(carrier_table(scenario)):
        times = pick_up_times(scenario, scenario.warehouses[house], carrier)
        at_us = np.array([time_us for time_us, _ in times], np.int64)
        collected = np.zeros(len(times) + 1, np.int64)
        for parcels in _parcel_chunks(outcome):
            mine = (parcels.get("carrier", parcels["warehouse"]) == number) & (parcels["collected_us"] >= 0)
            collected += np.bincount(np.searchsorted(at_us, parcels["collected_us"][mine]), minlength=len(times) + 1)
        zone = ZoneInfo(scenario.warehouses[house].zone)
        for (time_us, capacity), count in zip(times, collected.tolist(), strict=False):
            local = (scenario.start + dt.timedelta(microseconds=time_us)).astimezone(zone)
            rows.append((time_us, house, number, local.date().isoformat(), capacity or None, count))
    names = ("time_us", "warehouse", "carrier", "local_date", "capacity", "collected")
    return {name: [row[k] for row in sorted(rows, key=lambda r: r[:3])] for k, name in enumerate(names)}


def purchases(outcome: Outcome) -> dict[str, list[int | str | None]]:
    """Columns of `purchases.parquet`, in the order in which they were placed; SKU and warehouse are numbers."""
    columns = zip(*outcome.purchases, strict=True) if outcome.purchases else [()] * len(Purchase._fields)
    found: dict[str, list[int | str | None]] = dict(zip(Purchase._fields, map(list, columns), strict=True))
    return {**found, "emergency": [bool(each) for each in found["emergency"]]}


def skus(scenario: Scenario, outcome: Outcome, carts: Carts) -> dict[str, Column]:
    """Columns of `skus.parquet` in the order of the catalogue, without the names."""
    table, prices = sku_table(scenario), Prices.of(scenario)
    sums = {name: np.zeros(len(table), np.int64) for name in ("units_wanted", "units_placed", "units_paid")}
    for chunk in carts.chunks():
        units = chunk.lines("quantity").astype(np.int64)
        count = chunk.line_counts()
        served, _ = served_lines(chunk, outcome.orders)
        going = outcome.orders["reason"][chunk.orders] != Reason.NOT_GOING
        going &= chunk.first_of("time_us") < scenario.horizon_us
        for name, sku, flags in (
            ("units_wanted", chunk.lines("sku"), going),
            ("units_placed", served, outcome.orders["placed_us"][chunk.orders] >= 0),
            ("units_paid", served, outcome.orders["paid_us"][chunk.orders] >= 0),
        ):
            row = np.repeat(flags, count)
            np.add.at(sums[name], sku[row], units[row])
    stock = {name: outcome.stock[name].sum(axis=1) for name in _STOCK}
    return {
        "price_minor": prices.list_minor,
        "cost_minor": prices.cost_minor,
        **sums,
        "gross_minor": sums["units_paid"] * prices.list_minor,
        "initial_units": np.array([sum(row.stock) for row in table], np.int64),
        **{f"{name}_units": units for name, units in stock.items()},
    }


_STOCK = ("received", "restocked", "shipped", "on_hand", "available")


def by_content(scenario: Scenario, trace: Trace, outcome: Outcome, carts: Carts) -> dict[str, Column]:
    """Columns of `contents.parquet`: an entry a content, and a last one for intents of none."""
    kinds = len(contents(scenario)) + 1
    names = ("intents", "going", "placed", "refused", "paid", "gmv_minor", "captured_minor")
    sums = {name: np.zeros(kinds, np.int64) for name in names}
    by_seller = Prices.of(scenario).voucher_by_seller
    for chunk, money in sales_chunks(scenario, trace, outcome, carts):
        content = chunk.first_of("content").astype(np.int64)  # -1 is the last
        orders = {name: outcome.orders[name][chunk.orders] for name in ("reason", "state", "placed_us", "paid_us")}
        refused = (orders["state"] == State.NONE) & refused_by_shop(orders["reason"])
        arrived = chunk.first_of("time_us") < scenario.horizon_us
        for name, amounts in (
            ("intents", np.ones(len(chunk), np.int64)),
            ("going", ((orders["reason"] != Reason.NOT_GOING) & arrived).astype(np.int64)),
            ("placed", (orders["placed_us"] >= 0).astype(np.int64)),
            ("refused", refused.astype(np.int64)),
            ("paid", (orders["paid_us"] >= 0).astype(np.int64)),
            ("gmv_minor", value_of_goods(money, by_seller)),
            ("captured_minor", money["captured"]),
        ):
            np.add.at(sums[name], content, amounts)
    return sums
