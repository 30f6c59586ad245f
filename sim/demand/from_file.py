"""A trace from the user's own curve: what was asked for when, or only how much a second.

Rows: columns `time` (from the start: seconds, or with a unit as in `1m 30s`), `sku`, and where wanted `quantity` and
`kind` (view, refresh, quote or buy).
Rates: columns `time` and `per_s`; straight lines between the rows, two rows of one time are a jump. Arrivals are
Poisson, and each buys one unit of a SKU, all SKUs alike. What a buyer does afterwards is drawn from the scenario, as
for any trace.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sim.arrays import Column
from sim.demand.arrivals import RateCurve, arrivals, expected_count
from sim.demand.conversion import factor_u64
from sim.demand.orders import cart_columns
from sim.demand.streams import stream
from sim.demand.trace import BUY, KINDS, LINE_COLUMNS, Trace
from sim.errors import Problem, ScenarioError, UsageError
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_names
from sim.scenario.units import US_PER_S, parse_duration_us

#: Neither seconds nor a rate: nothing goes on for thirty years.
_MOST = 1e9
_TIME = "0 or more, in seconds (90) or with a unit (1m 30s)"
_NEEDED = {"rows": {"time", "sku"}, "rates": {"time", "per_s"}}


def trace_from_file(path: Path, scenario: Scenario, seed: int) -> Trace:
    """The trace in a Parquet or CSV file; its header has how long the curve is, `length_us`.

    Raises ScenarioError (every problem, with its line) or UsageError.
    """
    columns = _read(path)
    names = set(columns)
    if _NEEDED["rates"] <= names:
        looks, length_us = _from_rates(path, columns, scenario, seed)
    elif _NEEDED["rows"] <= names:
        looks = _from_rows(path, columns, scenario)
        length_us = int(looks["time_us"].max(initial=-1)) + 1
    else:
        found = ", ".join(sorted(names)) or "none"
        allowed = "time, sku[, quantity, kind]; or time, per_s"
        raise ScenarioError(Problem(str(path), 1, "", "these are not the columns of a trace", found, allowed))
    if not np.any(looks["kind"] == BUY):
        raise UsageError(f"{path} buys nothing")
    return _trace(looks, scenario, seed, length_us)


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
    times_us = [_time_us(time) for time in columns["time"]]
    problems = []
    for line, (time, sku, quantity, kind) in enumerate(
        zip(columns["time"], columns["sku"], quantities, kinds, strict=True), 2
    ):
        if times_us[line - 2] is None:
            problems.append(_wrong_time(path, line, time))
        if str(sku) not in number:
            problems.append(Problem(str(path), line, "sku", "not in the catalogue", repr(sku), _some(number)))
        if not isinstance(quantity, int) or not 1 <= quantity <= 30_000:
            problems.append(Problem(str(path), line, "quantity", "units", repr(quantity), "1 to 30,000"))
        if kind not in KINDS:
            problems.append(Problem(str(path), line, "kind", "what is asked", repr(kind), ", ".join(KINDS)))
    if problems:
        raise ScenarioError(problems)
    return {
        "time_us": np.array(times_us, np.int64),
        "kind": np.array([KINDS.index(kind) for kind in kinds], np.uint8),
        "sku": np.array([number[str(sku)] for sku in columns["sku"]], np.int32),
        "quantity": np.array(quantities, np.int16),
    }


def _some(number: dict[str, int]) -> str:
    names = list(number)
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _from_rates(
    path: Path, columns: dict[str, list[Any]], scenario: Scenario, seed: int
) -> tuple[dict[str, Column], int]:
    """Poisson arrivals along the curve, and when it ends."""
    knots = _knots(path, columns)
    expected = expected_count(knots)
    if expected > scenario.max_rows:
        raise UsageError(
            f"{path} asks for {expected:,.0f} arrivals; the scenario allows {scenario.max_rows:,} (max_rows)"
        )
    rng = stream(seed, 0, "curve")
    times_us = arrivals(rng, knots)
    looks: dict[str, Column] = {
        "time_us": times_us,
        "kind": np.full(len(times_us), BUY, np.uint8),
        "sku": rng.integers(0, len(sku_names(scenario)), len(times_us)).astype(np.int32),
        "quantity": np.ones(len(times_us), np.int16),
    }
    return looks, int(knots.times_us[-1])


def _knots(path: Path, columns: dict[str, list[Any]]) -> RateCurve:
    """The curve through the rows. Raises ScenarioError with every row that is wrong, UsageError for too few."""
    problems, times_us = [], [_time_us(time) for time in columns["time"]]
    latest_us = 0
    for line, (time, time_us, rate) in enumerate(zip(columns["time"], times_us, columns["per_s"], strict=True), 2):
        if time_us is None:
            problems.append(_wrong_time(path, line, time))
        elif time_us < latest_us:
            problems.append(Problem(str(path), line, "time", "times never fall", repr(time), "that of the row above"))
        latest_us = max(latest_us, time_us or 0)
        if not isinstance(rate, (int, float)) or not 0 <= rate < _MOST:
            problems.append(Problem(str(path), line, "per_s", "arrivals a second", repr(rate), "0 or more"))
    if problems:
        raise ScenarioError(problems)
    if len(times_us) < 2:
        raise UsageError(f"{path}: a curve has two rows or more, straight lines between them")
    return RateCurve(np.array(times_us, np.int64), np.array(columns["per_s"], np.float64))


def _time_us(time: Any) -> int | None:
    """Seconds, as a number or as text, or a duration with its unit as whole microseconds; None for neither."""
    try:
        seconds = float(time)
    except (TypeError, ValueError):
        try:
            return parse_duration_us(time)
        except ValueError:
            return None
    return round(seconds * US_PER_S) if math.isfinite(seconds) and 0 <= seconds < _MOST else None


def _wrong_time(path: Path, line: int, time: Any) -> Problem:
    return Problem(str(path), line, "time", "a time from the start", repr(time), _TIME)


def _trace(looks: dict[str, Column], scenario: Scenario, seed: int, length_us: int) -> Trace:
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
        "length_us": length_us,
    }
    return Trace({name: lines[name] for name in LINE_COLUMNS}, columns, factors, header)
