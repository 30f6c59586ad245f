"""A trace from the user's own curve: what was asked for when, or only how much a second.

Rows: columns `time` (seconds from the start), `sku`, and where wanted `quantity` and `kind` (view, refresh, quote or
buy).
Rates: columns `time` and `per_s`; between two times the rate is the earlier one's, arrivals are Poisson, and each buys
one unit of a SKU, all SKUs alike. What a buyer does afterwards is drawn from the scenario, as for any trace.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.demand.conversion import factor_u64
from sim.demand.orders import cart_columns
from sim.demand.streams import stream
from sim.demand.trace import BUY, KINDS, LINE_COLUMNS, Trace
from sim.errors import Problem, ScenarioError, UsageError
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_names

SECOND_US = 1_000_000
#: Neither seconds nor a rate: nothing goes on for thirty years.
_MOST = 1e9
_NEEDED = {"rows": {"time", "sku"}, "rates": {"time", "per_s"}}

Column = npt.NDArray[Any]


def trace_from_file(path: Path, scenario: Scenario, seed: int) -> Trace:
    """Return the trace in a Parquet or CSV file. Raises ScenarioError (every problem, with its line) or UsageError."""
    columns = _read(path)
    names = set(columns)
    if _NEEDED["rates"] <= names:
        looks = _from_rates(path, columns, scenario, seed)
    elif _NEEDED["rows"] <= names:
        looks = _from_rows(path, columns, scenario)
    else:
        found = ", ".join(sorted(names)) or "none"
        allowed = "time, sku[, quantity, kind]; or time, per_s"
        raise ScenarioError(Problem(str(path), 1, "", "these are not the columns of a trace", found, allowed))
    if not np.any(looks["kind"] == BUY):
        raise UsageError(f"{path} buys nothing")
    return _trace(looks, scenario, seed)


def _read(path: Path) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        table = pyarrow.csv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise UsageError(f"{path}: it has the column {twice[0]} twice")
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _from_rows(path: Path, columns: dict[str, list[Any]], scenario: Scenario) -> dict[str, Column]:
    number = {name: i for i, name in enumerate(sku_names(scenario))}
    count = len(columns["time"])
    kinds = columns.get("kind", ["buy"] * count)
    quantities = columns.get("quantity", [1] * count)
    problems = []
    for line, (time, sku, quantity, kind) in enumerate(
        zip(columns["time"], columns["sku"], quantities, kinds, strict=True), 2
    ):
        if not isinstance(time, (int, float)) or not 0 <= time < _MOST:
            problems.append(Problem(str(path), line, "time", "seconds from the start", repr(time), "0 or more"))
        if str(sku) not in number:
            problems.append(Problem(str(path), line, "sku", "not in the catalogue", repr(sku), _some(number)))
        if not isinstance(quantity, int) or not 1 <= quantity <= 30_000:
            problems.append(Problem(str(path), line, "quantity", "units", repr(quantity), "1 to 30,000"))
        if kind not in KINDS:
            problems.append(Problem(str(path), line, "kind", "what is asked", repr(kind), ", ".join(KINDS)))
    if problems:
        raise ScenarioError(problems)
    return {
        "time_us": np.array([round(time * SECOND_US) for time in columns["time"]], np.int64),
        "kind": np.array([KINDS.index(kind) for kind in kinds], np.uint8),
        "sku": np.array([number[str(sku)] for sku in columns["sku"]], np.int32),
        "quantity": np.array(quantities, np.int16),
    }


def _some(number: dict[str, int]) -> str:
    names = list(number)
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _from_rates(path: Path, columns: dict[str, list[Any]], scenario: Scenario, seed: int) -> dict[str, Column]:
    """Return Poisson arrivals: a number for each stretch, spread evenly at random inside it."""
    times, rates = _numbers(columns["time"]), _numbers(columns["per_s"])
    right = (rates >= 0) & (rates < _MOST) & (np.diff(times, prepend=-1.0) > 0) & (times >= 0) & (times < _MOST)
    if not right.all():
        problem = "times rise from 0 on, rates are 0 or more"
        raise ScenarioError(
            [Problem(str(path), int(row) + 2, "time, per_s", problem) for row in np.flatnonzero(~right)]
        )
    rng = stream(seed, 0, "curve")
    counts = rng.poisson(np.diff(times) * rates[:-1])  # the last row only says where the curve ends
    total = sum(counts.tolist())
    if total > scenario.max_rows:
        raise UsageError(f"{path} asks for {total:,} arrivals; the scenario allows {scenario.max_rows:,} (max_rows)")
    inside = rng.random(total)
    start = np.repeat(times[:-1], counts)
    moments = np.sort(start + inside * np.repeat(np.diff(times), counts))
    sku = rng.integers(0, len(sku_names(scenario)), len(moments))
    return {
        "time_us": np.floor(moments * SECOND_US).astype(np.int64),
        "kind": np.full(len(moments), BUY, np.uint8),
        "sku": sku.astype(np.int32),
        "quantity": np.ones(len(moments), np.int16),
    }


def _numbers(values: list[Any]) -> npt.NDArray[np.float64]:
    """Return a column's numbers; what is none is no number."""
    return np.array([value if isinstance(value, (int, float)) else np.nan for value in values], float)


def _trace(looks: dict[str, Column], scenario: Scenario, seed: int) -> Trace:
    order = np.argsort(looks["time_us"], kind="stable")
    looks = {name: column[order] for name, column in looks.items()}
    buys = looks["kind"] == BUY
    carts = int(buys.sum())
    # A look belongs to the next checkout of its SKU's file order; with none left, to the last.
    cart = np.minimum(np.cumsum(buys) - buys, max(carts - 1, 0)).astype(np.int32)
    rows = len(order)
    lines = {
        **looks,
        "cart": cart,
        "content": np.full(rows, -1, np.int16),
        "region": np.zeros(rows, np.uint8),
        "buyer": cart,
        "deal": np.full(rows, -1, np.int16),
        "second_sku": np.full(rows, -1, np.int32),
    }
    factors = factor_u64(scenario)
    named = partial(stream, seed, 0)
    nothing = np.full(carts, -1, np.int16)
    columns = cart_columns(scenario, named, looks["sku"][buys], np.zeros(carts, np.uint8), nothing, factors, None)
    columns["go_u32"] = np.zeros(carts, np.uint32)  # the curve says who goes ahead: everybody
    header = {
        "scenario": scenario.name,
        "start": scenario.start.isoformat(),
        "seed": seed,
        "replication": 0,
        "currency": scenario.reporting_currency,
        "format": 1,
    }
    return Trace({name: lines[name] for name in LINE_COLUMNS}, columns, factors, header)
