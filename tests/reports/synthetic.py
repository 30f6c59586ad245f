"""A run directory of plausible numbers, made without the simulator: the tables that reports read, in their form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.scenario.calendar import pick_up_times
from sim.scenario.load import load_scenario
from sim.scenario.schema import Scenario
from sim.scenario.tables import contents, deal_table, sku_table
from sim.scenario.units import US_PER_S

S = US_PER_S
DAY_US = 86_400 * S


def write_run(directory: Path, scenario_file: Path, orders: int, step_s: int = 1, seed: int = 1) -> Path:
    """Write a run of about `orders` intents into `directory` and return it; 0: a run in which nobody came."""
    directory.mkdir(parents=True, exist_ok=True)
    text = scenario_file.read_text(encoding="utf-8")
    (directory / "scenario.yaml").write_text(text, encoding="utf-8")
    scenario = load_scenario(directory / "scenario.yaml")
    rng = np.random.default_rng(seed)
    table = _orders(scenario, rng, orders)
    parcels = _parcels(scenario, rng, table)
    end_s = _programme_end_s(scenario)
    rows = -(-(end_s + 300) // step_s)
    _write(directory, "orders", table)
    _write(directory, "parcels", parcels)
    _write(directory, "timeline", _timeline(table, rows, step_s, rng))
    _write(directory, "timeline_content", _by_content(scenario, table, rows, step_s))
    _write(directory, "viewers", _viewers(scenario))
    _write(directory, "stock", _stock(scenario, table))
    _write(directory, "pickups", _pickups(scenario, parcels))
    summary = _summary(scenario, table, parcels, end_s, step_s)
    (directory / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return directory


def _programme_end_s(scenario: Scenario) -> int:
    ends = [b.start_us + b.length_us for b in scenario.programme.broadcasts]
    ends += [v.publish_us + 4 * v.exposure.tier_time_us for v in scenario.programme.videos]
    return max(ends) // S


def _orders(scenario: Scenario, rng: np.random.Generator, orders: int) -> dict[str, Any]:
    programme, deals = scenario.programme, deal_table(scenario)
    many = len(programme.broadcasts) + len(programme.videos)
    times, contents = [], []
    for k, show in enumerate(programme.broadcasts):
        number = 0 if not scenario.funnel.clicks_per_viewer_hour else orders // many
        times.append(show.start_us + (rng.beta(2, 2, number) * show.length_us).astype(np.int64))
        contents.append(np.full(number, k))
    for k, video in enumerate(programme.videos, start=len(programme.broadcasts)):
        number = int(orders / many * rng.lognormal(0, 1))
        times.append(video.publish_us + (rng.exponential(0.7 * DAY_US, number)).astype(np.int64))
        contents.append(np.full(number, k))
    for deal in deals:
        number = min(orders, 2 * deal.units)
        times.append(deal.open_us + rng.exponential(3e6, number).astype(np.int64))
        contents.append(np.full(number, deal.broadcast))
    arrived = np.concatenate(times)
    order = np.argsort(arrived, kind="stable")
    arrived, content = arrived[order], np.concatenate(contents)[order]
    n = len(arrived)
    busy = np.searchsorted(arrived, arrived + S) - np.searchsorted(arrived, arrived - S)
    response = (rng.lognormal(9.7, 0.4, n) * (1 + busy / 8)).astype(np.int64)
    fate = rng.random(n)
    refused = np.where(fate < 0.05, "SOLD_OUT", np.where(fate < 0.06, "ENGINE_BUSY", "NOTHING"))
    if not scenario.funnel.clicks_per_viewer_hour:
        refused[500:] = "DEAL_SOLD_OUT"
    placed = np.where(refused == "NOTHING", arrived + response, -1)
    paid = np.where((placed >= 0) & (rng.random(n) < 0.9), placed + rng.exponential(45e6, n).astype(np.int64), -1)
    confirmed = np.where(paid >= 0, paid + 3600 * S + rng.exponential(3600e6, n).astype(np.int64), -1)
    return {
        "arrived_us": arrived,
        "content": content,
        "refused": refused,
        "sku": rng.choice(len(sku_table(scenario)), n, p=_even(len(sku_table(scenario)))),
        "placed_us": placed,
        "paid_us": paid,
        "confirmed_us": confirmed,
        "closed_us": np.full(n, -1),
        "checkout_response_us": np.where(refused == "ENGINE_BUSY", -1, response),
    }


def _even(number: int) -> Any:
    weights = np.arange(1.0, number + 1)
    return weights / weights.sum()


def _parcels(scenario: Scenario, rng: np.random.Generator, table: dict[str, Any]) -> dict[str, Any]:
    order = np.flatnonzero(table["confirmed_us"] >= 0)
    house = (rng.random(len(order)) < 0.35).astype(int) % len(scenario.warehouses)
    packed = table["confirmed_us"][order] + rng.exponential(10 * 3600e6, len(order)).astype(np.int64)
    collected = np.full(len(order), -1)
    for k, warehouse in enumerate(scenario.warehouses):
        waiting = list(np.flatnonzero(house == k)[np.argsort(packed[house == k], kind="stable")])
        for time_us, capacity in pick_up_times(scenario, warehouse):
            ready = [i for i in waiting if packed[i] < time_us]
            taken = ready[: capacity // 3 or None]
            collected[taken] = time_us
            waiting = waiting[len(taken) :]
    return {
        "order": order,
        "warehouse": [scenario.warehouses[k].name for k in house],
        "packed_us": packed,
        "collected_us": collected,
    }


def _row_of(times: Any, rows: int, step_s: int) -> Any:
    there = times[times >= 0] // (S * step_s)
    return np.bincount(there[there < rows], minlength=rows)


def _timeline(table: dict[str, Any], rows: int, step_s: int, rng: np.random.Generator) -> dict[str, Any]:
    arrived = table["arrived_us"]
    intents = _row_of(arrived, rows, step_s)
    return {
        "time_s": np.arange(rows) * step_s,
        "intents": intents,
        "going": intents,
        "refused": _row_of(arrived[np.isin(table["refused"], ["SOLD_OUT", "DEAL_SOLD_OUT"])], rows, step_s),
        "failed": _row_of(arrived[table["refused"] == "ENGINE_BUSY"], rows, step_s),
        "placed": _row_of(table["placed_us"], rows, step_s),
        "paid": _row_of(table["paid_us"], rows, step_s),
        "confirmed": _row_of(table["confirmed_us"], rows, step_s),
        "queue_peak": np.maximum(intents - 20, 0) * 2 + (rng.random(rows) < 0.1 * (intents > 0)),
    }


def _by_content(scenario: Scenario, table: dict[str, Any], rows: int, step_s: int) -> dict[str, Any]:
    many = len(contents(scenario))
    counts = {
        name: np.stack([_row_of(table[time][table["content"] == k], rows, step_s) for k in range(many)], axis=1)
        for name, time in (("intents", "arrived_us"), ("placed", "placed_us"), ("paid", "paid_us"))
    }
    row, content = np.nonzero(np.sum(list(counts.values()), axis=0))
    found = {name: values[row, content] for name, values in counts.items()}
    return {
        "time_s": row * step_s,
        "content": pa.DictionaryArray.from_arrays(content.astype("i4"), contents(scenario)),
        **found,
        "gmv_minor": found["paid"] * 2500,
    }


def _viewers(scenario: Scenario) -> dict[str, Any]:
    time_s, codes, viewers = [], [], []
    for k, show in enumerate(scenario.programme.broadcasts):
        at = np.arange(0, show.length_us // S + 1, 10)
        time_s.append(show.start_us // S + at)
        codes.append(np.full(len(at), k))
        viewers.append(9000 * (at * (at[-1] - at) * 4.0 / at[-1] ** 2) * (1 + 0.1 * np.sin(at / 700)))
    names = contents(scenario)
    return {
        "time_s": np.concatenate([*time_s, np.array([], int)]),
        "content": pa.DictionaryArray.from_arrays(np.concatenate([*codes, np.array([], int)]).astype("i4"), names),
        "viewers": np.concatenate([*viewers, np.array([], float)]),
    }


def _stock(scenario: Scenario, table: dict[str, Any]) -> dict[str, Any]:
    names: list[str] = []
    time_s, codes, left = [], [], []
    for k, row in enumerate(sku_table(scenario)):
        if not sum(row.stock):
            continue
        bought = np.sort(table["placed_us"][(table["placed_us"] >= 0) & (table["sku"] == k)]) // S
        times, sold = np.unique(bought, return_counts=True)
        time_s.append(np.concatenate(([0], times + 1)))
        left.append(np.maximum(sum(row.stock) - np.concatenate(([0], np.cumsum(sold))), 0))
        codes.append(np.full(len(times) + 1, len(names)))
        names.append(row.name)
    when = np.concatenate(time_s)
    order = np.argsort(when, kind="stable")
    units = np.concatenate(left)[order]
    sku = pa.DictionaryArray.from_arrays(np.concatenate(codes)[order].astype("i4"), names)
    return {"time_s": when[order], "sku": sku, "on_hand_units": units, "available_units": units}


def _pickups(scenario: Scenario, parcels: dict[str, Any]) -> dict[str, Any]:
    rows = [(t, k, c) for k, house in enumerate(scenario.warehouses) for t, c in pick_up_times(scenario, house)]
    taken = [
        int(np.sum((parcels["collected_us"] == t) & (np.array(parcels["warehouse"]) == scenario.warehouses[k].name)))
        for t, k, _ in rows
    ]
    return {
        "time_us": np.array([t for t, _, _ in rows], dtype=np.int64),
        "warehouse": pa.array([scenario.warehouses[k].name for _, k, _ in rows], pa.string()).dictionary_encode(),
        "capacity": pa.array([c or None for _, _, c in rows], pa.int32()),
        "collected": np.array(taken, dtype=np.int32),
    }


def _write(directory: Path, name: str, table: dict[str, Any]) -> None:
    columns = {}
    for key, values in table.items():
        if name == "orders" and key in ("content", "sku"):
            continue
        if name == "orders" and key == "refused":
            key, values = "reason", pa.array(values, pa.string()).dictionary_encode()
        if key == "warehouse" and name == "parcels":
            values = pa.array(values, pa.string()).dictionary_encode()
        elif key.endswith("_us") and not isinstance(values, pa.Array):
            values = pa.array(values, pa.int64(), mask=np.asarray(values) < 0)
        columns[key] = values
    pq.write_table(pa.table(columns), directory / f"{name}.parquet")


def _summary(
    scenario: Scenario, table: dict[str, Any], parcels: dict[str, Any], end_s: int, step_s: int
) -> dict[str, Any]:
    placed, paid = int(np.sum(table["placed_us"] >= 0)), int(np.sum(table["paid_us"] >= 0))
    collected = int(np.sum(parcels["collected_us"] >= 0))
    reasons, numbers = np.unique(table["refused"], return_counts=True)
    gross = paid * 2500
    lines = {
        "gross_sales_minor": gross,
        "deal_discounts_minor": -gross // 20,
        "seller_vouchers_minor": -gross // 50,
        "refunded_sales_minor": -gross // 9,
        "platform_commission_minor": -gross // 14,
        "creator_commission_minor": -gross // 40,
        "payment_fees_minor": -gross // 50,
        "goods_sold_minor": -gross // 4,
        "goods_written_off_minor": -gross // 60,
        "goods_left_minor": -gross // 6,
        "salvage_minor": gross // 9,
        "pick_pack_minor": -gross // 20,
        "freight_minor": -gross // 8,
        "returns_minor": -gross // 70,
        "holding_minor": -gross // 500,
        "replenishment_minor": 0,
        "late_dispatch_minor": -gross // 900,
        "moderators_minor": -gross // 1000,
    }
    metrics = {
        "intents": len(table["arrived_us"]),
        "orders_going": len(table["arrived_us"]),
        "orders_placed": placed,
        "orders_paid": paid,
        "orders_confirmed": paid,
        "orders_collected": collected,
        "orders_delivered": collected,
        "orders_expired": placed - paid,
        "orders_cancelled_by_buyer": 0,
        "orders_not_confirmed": 0,
        "orders_lost": 0,
        "orders_returned": collected // 12,
        "orders_refund_only": collected // 100,
        "orders_by_state": {"NONE": len(table["arrived_us"]) - placed, "COMPLETED": collected},
        "refusals_by_reason": {str(r): int(k) for r, k in zip(reasons, numbers, strict=True) if r != "NOTHING"},
        "gmv_minor": gross,
        "contribution_minor": sum(lines.values()),
        "contribution": lines,
        "slos": [],
        "parcels": {"made": paid, "packed": paid, "collected": collected, "carried_over": 0},
    }
    return {
        "format": 1,
        "scenario": scenario.name,
        "start_utc": scenario.start.isoformat(),
        "horizon_s": scenario.horizon_us // S,
        "programme_end_s": end_s,
        "currency": scenario.reporting_currency,
        "seed": 1,
        "replications": 1,
        "timeline_step_s": step_s,
        "metrics": metrics,
        "intervals": {},
    }
