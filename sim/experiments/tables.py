"""Writes the Parquet files of a run directory; the large ones a chunk at a time, several files at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.arrays import Column
from sim.demand.reach import Views, audience
from sim.demand.show import viewers
from sim.demand.trace import Trace
from sim.experiments.columns import FILES
from sim.measure.machine import usable_cores
from sim.operations import tables
from sim.operations.carts import CartChunk, Carts
from sim.operations.money import MONEY_COLUMNS, money_chunks
from sim.operations.outcome import ORDER_COLUMNS, WAITING_COLUMNS, Outcome
from sim.operations.reviewing import Reviewing, pages
from sim.operations.timeline import Grid, timeline, timeline_content
from sim.operations.waiting import waiting_column
from sim.orders.states import Reason, State
from sim.scenario.schema import Scenario
from sim.scenario.tables import carrier_table, contents, has_carriers, sku_names, sku_table, start_utc
from sim.scenario.units import US_PER_S

Columns = Mapping[str, Column | Sequence[Any]]
VIEWERS_STEP_S = 10
PARCEL_CHUNK = 1 << 19
MAX_THREADS = 4  # each holds a chunk of orders in its columns, about 150 MB
#: Columns in which -1 stands for a value; everywhere else it means "never" or "none" and is written as null.
_SIGNED = {
    f"{name}_minor"
    for name in (
        *("gross", "deal_discount", "voucher", "captured", "refunded", "refunded_sales", "gmv", "missed_margin"),
    )
}


#: Times that many rows share: parcels are collected in great heaps, business days end at once.
_IN_HEAPS = ("collected_us", "dispatch_due_us", "deliver_due_us")


def write_tables(
    directory: Path,
    scenario: Scenario,
    trace: Trace,
    views: Views,
    outcome: Outcome,
    carts: Carts,
    grid: Grid,
    wrote: Callable[[str], object] = str,
) -> None:
    """Write every Parquet file of docs/run-directory.md into an existing directory, several at a time.

    `views`: those of the videos, counted when the trace was drawn. `wrote(file)` is called when a file is done. What is
    computed here mostly runs outside the interpreter's lock.
    """
    names, stop = _Names(scenario), Event()
    files: dict[str, Callable[[], Iterator[Columns]]] = {  # the longest first
        "orders.parquet": lambda: _order_chunks(scenario, trace, outcome, carts),
        "timeline_content.parquet": lambda: iter([timeline_content(scenario, trace, outcome, carts, grid)]),
        "stock.parquet": lambda: iter([tables.stock_over_time(scenario, trace, outcome, carts, grid)]),
        "timeline.parquet": lambda: iter([timeline(outcome, carts, grid)]),
        "contents.parquet": lambda: iter([_contents(scenario, tables.by_content(scenario, trace, outcome, carts))]),
        "parcels.parquet": lambda: _parcel_chunks(outcome),
        "skus.parquet": lambda: iter([_skus(scenario, tables.skus(scenario, outcome, carts))]),
        "hours.parquet": lambda: iter([tables.hours(scenario, outcome)]),
        "pickups.parquet": lambda: iter([tables.pick_ups(scenario, outcome)]),
        "purchases.parquet": lambda: iter([tables.purchases(outcome)]),
        "viewers.parquet": lambda: iter([_viewers(scenario)]),
        "audience.parquet": lambda: iter([audience(scenario, views)]),
        "pages.parquet": lambda: iter([pages(scenario, trace)]),
    }
    with ThreadPoolExecutor(min(usable_cores(), MAX_THREADS)) as pool:
        writing = {pool.submit(_write, directory / file, names, make, stop): file for file, make in files.items()}
        try:
            for future in as_completed(writing):
                future.result()
                wrote(writing[future])
        except BaseException:  # one failed, or the user will not wait: the others need not go on
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Names:
    """The names behind the numbers of the columns, and what is written into every file's metadata."""

    def __init__(self, scenario: Scenario) -> None:
        self.carriers = has_carriers(scenario)
        self.metadata = {
            b"liverush": json.dumps(
                {
                    "format": 1,
                    "scenario": scenario.name,
                    "start_utc": start_utc(scenario),
                    "currency": scenario.reporting_currency,
                }
            ).encode()
        }
        self._names: dict[str, list[str]] = {
            "content": contents(scenario),
            "region": [region.name for region in scenario.regions],
            "sku": sku_names(scenario),
            **dict.fromkeys(("first_refused_sku", "second_sku", "refused_sku"), sku_names(scenario)),
            "warehouse": [warehouse.name for warehouse in scenario.warehouses],
            "carrier": [row.name for row in carrier_table(scenario)],
            "method": [method.name for method in scenario.payment.methods],
            "state": [state.name for state in State],
            "reason": [reason.name for reason in Reason],
            "first_refusal": [reason.name for reason in Reason],
            "category": list(dict.fromkeys(row.category for row in scenario.catalogue)),
            "kind": ["broadcast", "video", "none"],
        }

    def array(self, name: str, column: Column | Sequence[Any], kind: pa.DataType) -> pa.Array:
        """One column as Arrow: numbers become names where the type says so, -1 becomes null."""
        if isinstance(column, list):
            if pa.types.is_dictionary(kind):
                column = np.array(column, np.int32)
            else:
                return pa.array(column, kind)
        values = np.asarray(column)
        none = values == -1 if values.dtype.kind == "i" and name not in _SIGNED else None
        mask = none if none is not None and none.any() else None
        if pa.types.is_dictionary(kind):
            indices = pa.array(values.astype(np.int32), pa.int32(), mask=mask)
            return pa.DictionaryArray.from_arrays(indices, pa.array(self._names[name], pa.string()))
        return pa.array(values.astype(kind.to_pandas_dtype(), copy=False), kind, mask=mask)


def _write(path: Path, names: _Names, make: Callable[[], Iterator[Columns]], stop: Event) -> None:
    """Write one file, a row group a chunk, unless told to `stop`."""
    types = {name: kind for name, kind in FILES[path.name].items() if name != "carrier" or names.carriers}
    schema = pa.schema(list(types.items()), metadata=names.metadata)
    with pq.ParquetWriter(path, schema, **_form(types)) as writer:
        for columns in make():
            if stop.is_set():
                return
            arrays = [names.array(name, columns[name], kind) for name, kind in types.items()]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _form(types: Mapping[str, pa.DataType]) -> dict[str, Any]:
    """How columns are encoded: as differences, which zstd could not make shorter, or as a dictionary.

    Least and largest values of a row group, by which readers skip it, are kept for the former: times and order numbers.
    """
    delta = [name for name, kind in types.items() if _differs_everywhere(name, kind)]
    return {
        "column_encoding": dict.fromkeys(delta, "DELTA_BINARY_PACKED"),
        "use_dictionary": [name for name in types if name not in delta],
        "compression": {name: "none" if name in delta and name.endswith("_us") else "zstd" for name in types},
        "write_statistics": delta,
    }


def _differs_everywhere(name: str, kind: pa.DataType) -> bool:
    """Whether nearly every row has another value, so that differences are shorter and quicker than a dictionary."""
    if pa.types.is_int64(kind):
        return not name.endswith("_minor") and name not in _IN_HEAPS
    return name in ("order", "buyer", "time_s")


def _order_chunks(scenario: Scenario, trace: Trace, outcome: Outcome, carts: Carts) -> Iterator[Columns]:
    reviewing = Reviewing(scenario, outcome, carts)
    for chunk, money in money_chunks(scenario, trace, outcome, carts=carts):
        outcomes = {name: outcome.orders[name][chunk.orders] for name in ORDER_COLUMNS}
        outcomes |= {name: waiting_column(outcome.orders, name, chunk.orders) for name in WAITING_COLUMNS}
        amounts = {f"{name}_minor": column for name, column in money.items() if name in MONEY_COLUMNS}
        yield {**_intents(chunk, trace), **outcomes, **amounts, **reviewing.columns(chunk, money)}


def _intents(chunk: CartChunk, trace: Trace) -> dict[str, Column]:
    return {
        "order": np.arange(chunk.first, chunk.stop, dtype=np.int32),
        "arrived_us": chunk.first_of("time_us"),
        **{name: chunk.first_of(name) for name in ("content", "region", "sku", "buyer", "deal")},
        "lines": chunk.line_counts(),
        "quantity": chunk.total(chunk.lines("quantity").astype(np.int32)),
        "method": trace.carts["method"][chunk.orders],
    }


def _parcel_chunks(outcome: Outcome) -> Iterator[Columns]:
    for first in range(0, len(outcome.parcels["order"]), PARCEL_CHUNK):
        yield {name: column[first : first + PARCEL_CHUNK] for name, column in outcome.parcels.items()}


def _viewers(scenario: Scenario) -> dict[str, Column]:
    """Expected viewers of every broadcast, each 10 s of it and at its end."""
    times, shows, levels = [], [], []
    for number, broadcast in enumerate(scenario.programme.broadcasts):
        first_s = broadcast.start_us // US_PER_S
        last_s = -(-(broadcast.start_us + broadcast.length_us) // US_PER_S)
        time_s = np.append(np.arange(first_s, last_s, VIEWERS_STEP_S), last_s)
        times.append(time_s)
        shows.append(np.full(len(time_s), number))
        levels.append(np.round(viewers(scenario, broadcast, time_s * US_PER_S), 3))
    empty = [np.zeros(0)]
    return {
        "time_s": np.concatenate(times or empty),
        "content": np.concatenate(shows or empty),
        "viewers": np.concatenate(levels or empty),
    }


def _skus(scenario: Scenario, columns: dict[str, Column]) -> dict[str, Column]:
    table = sku_table(scenario)
    number = {name: k for k, name in enumerate(dict.fromkeys(row.category for row in scenario.catalogue))}
    category = np.array([number[row.category] for row in table])
    return {"sku": np.arange(len(table)), "category": category, **columns}


def _contents(scenario: Scenario, columns: dict[str, Column]) -> dict[str, Column]:
    """Contents in order of number; intents of none only where there are any."""
    shows, videos = len(scenario.programme.broadcasts), len(scenario.programme.videos)
    numbers = np.append(np.arange(shows + videos), -1)
    kind = np.repeat([0, 1, 2], [shows, videos, 1])
    rows = len(numbers) if columns["intents"][-1] else len(numbers) - 1
    return {name: column[:rows] for name, column in {"content": numbers, "kind": kind, **columns}.items()}
