"""What is measured, each in a process of its own: `python -m tests.bench.jobs NAME JSON` prints figures as JSON.

A fresh process has a peak memory of its own, and no benchmark meets what another has left behind.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from sim.demand.generate import generate
from sim.demand.trace import BUY, Trace, read_trace
from sim.measure.machine import peak_rss_bytes
from sim.operations.money import money_chunks
from sim.operations.outcome import Outcome
from sim.operations.simulate import simulate
from sim.orders.states import State
from sim.scenario.schema import Scenario
from tests.bench.histogram import count_response_times
from tests.bench.scaled import scaled_scenario

Figures = dict[str, Any]
WARM_UP_FACTOR = {"double11": 0.0005, "mega_live": 0.003}


class Clock:
    """Wall and CPU seconds of what runs inside `with clock.part(name)`."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add what runs inside to the part `name`."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall[name] = self.wall.get(name, 0.0) + time.perf_counter() - wall
        self.cpu[name] = self.cpu.get(name, 0.0) + time.process_time() - cpu


class Memory:
    """Bytes: the process's peak up to each mark, and of columns that are held."""

    def __init__(self) -> None:
        self._bytes: dict[str, int] = {}

    def mark(self, name: str) -> None:
        """Remember the peak so far."""
        self._bytes[name] = peak_rss_bytes() or 0

    def hold(self, name: str, *tables: dict[str, Any]) -> None:
        """Remember the size of some columns; views of one array count by what they show."""
        self._bytes[name] = sum(column.nbytes for table in tables for column in table.values())

    def by_row(self, rows: int) -> dict[str, float]:
        """All of it, a row of the trace."""
        return {name: size / rows for name, size in self._bytes.items()}


def release_unused() -> None:
    """Give back what reading Parquet took for a moment; a run that generates its trace never takes it."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def compile_kernels(scenario: str) -> Figures:
    """The small run alone: with an empty cache it compiles everything that the large one uses."""
    clock, small = Clock(), scaled_scenario(scenario, WARM_UP_FACTOR[scenario])
    trace = generate(small, small.seed)
    with clock.part("first_run"):
        _timed_run(Clock(), small, trace)
    _warm_up(scenario)
    return {"seconds": clock.wall["first_run"]}


def make_trace(scenario: str, factor: float, directory: str) -> Figures:
    """Generate a trace and write it; the time of both, and the peak memory of generating."""
    clock, show = Clock(), scaled_scenario(scenario, factor)
    with clock.part("generate"):
        trace = generate(show, show.seed)
    peak = peak_rss_bytes()
    with clock.part("write_trace"):
        trace.write(Path(directory))
    return _size(trace) | {"wall": clock.wall, "cpu": clock.cpu, "peak_rss_bytes": peak}


def flow(scenario: str, factor: float, directory: str, repeats: int = 1, write: bool = False) -> Figures:
    """Read a trace, warm up, then time every stage of the flow and the money of every order.

    Peak memory is that of the whole process up to the end of the timed part. Money is worked out in chunks of orders,
    as for the run directory, so that its columns are never all in memory.
    """
    clock, memory, show = Clock(), Memory(), scaled_scenario(scenario, factor)
    with clock.part("warm_up"):
        _warm_up(scenario)
    memory.mark("peak_before")
    with clock.part("read_trace"):
        trace = read_trace(Path(directory))
    release_unused()
    memory.mark("peak_read")
    walls, cpus, fastest = [], [], Clock()
    for _ in range(repeats):
        gc.collect()
        timed = Clock()
        outcome, captured = _timed_run(timed, show, trace, memory)
        walls.append(sum(timed.wall.values()))
        cpus.append(sum(timed.cpu.values()))
        if walls[-1] == min(walls):
            fastest = timed
    memory.hold("trace", trace.lines, trace.carts)
    memory.hold("outcome", outcome.orders, outcome.parcels, outcome.allocations)
    peak = peak_rss_bytes()
    if write:
        with clock.part("write_run_directory"):
            _write(show, trace, outcome)
    return _size(trace) | {
        "orders": terminal_orders(outcome),
        "walls": walls,
        "cpus": cpus,
        "wall": {**fastest.wall, **clock.wall},
        "peak_rss_bytes": peak,
        "memory": memory.by_row(trace.rows),
        "stages": {**outcome.counts, "captured_minor": captured, **_by_state(outcome)},
    }


def against_oracle(scenario: str, factor: float, repeats: int) -> Figures:
    """Flow and oracle on one trace, in turn; the oracle prices its orders as it goes, so the flow does too."""
    from tests.bench.oracle import oracle_run, unequal

    show = scaled_scenario(scenario, factor, capacity=False)
    trace = generate(show, show.seed)
    _warm_up(scenario)
    flow_s, flow_cpu_s, oracle_cpu_s, found = [], [], [], []
    for _ in range(repeats):
        runs = [_timed_run_s(show, trace) for _ in range(2)]
        gc.collect()
        timed = Clock()
        with timed.part("oracle"):
            specified = oracle_run(show, trace)
        oracle_cpu_s.append(timed.cpu["oracle"])
        outcome = simulate(show, trace, fast=True)
        found += unequal(show, trace, outcome, specified)
        del specified
        runs += [_timed_run_s(show, trace) for _ in range(2)]
        flow_s.append(median(wall for wall, _ in runs))
        flow_cpu_s.append(median(cpu for _, cpu in runs))
    return _size(trace) | {
        "orders": terminal_orders(outcome),
        "flow_s": flow_s,
        "flow_cpu_s": flow_cpu_s,
        "oracle_cpu_s": oracle_cpu_s,
        "unequal": found[:20],
        "stages": {**outcome.counts, **_by_state(outcome)},
    }


def _timed_run(timed: Clock, show: Scenario, trace: Trace, memory: Memory | None = None) -> tuple[Outcome, int]:
    """Every stage of the flow, then the money; the outcome and all that was captured."""
    with timed.part("flow"):
        outcome = simulate(show, trace, fast=True)
    if memory:
        memory.mark("peak_flow")
    with timed.part("money"):
        captured = sum(int(money["captured"].sum()) for _, money in money_chunks(show, trace, outcome))
    if memory:
        memory.mark("peak_money")
    return outcome, captured


def _timed_run_s(show: Scenario, trace: Trace) -> tuple[float, float]:
    """Wall and CPU seconds of the same."""
    gc.collect()
    timed = Clock()
    _timed_run(timed, show, trace)
    return sum(timed.wall.values()), sum(timed.cpu.values())


def _warm_up(scenario: str) -> None:
    """A small run through the same kernels, so that they are compiled or read from the cache.

    Arrays from a file are read-only, which to the compiler is another type; so both kinds run.
    """
    small = scaled_scenario(scenario, WARM_UP_FACTOR[scenario])
    made = generate(small, small.seed)
    with tempfile.TemporaryDirectory() as folder:
        made.write(Path(folder))
        for trace in (made, read_trace(Path(folder))):
            _timed_run(Clock(), small, trace)


def _write(show: Scenario, trace: Trace, outcome: Outcome) -> None:
    """The tables and metrics of a run directory, into a folder that is removed; without views of videos."""
    from sim.demand.reach import Views
    from sim.experiments.tables import write_tables
    from sim.operations.carts import Carts
    from sim.operations.metrics import summarise
    from sim.operations.timeline import grid_of

    with tempfile.TemporaryDirectory() as folder:
        summarise(show, trace, outcome)
        write_tables(Path(folder), show, trace, Views(show), outcome, Carts(trace), grid_of(show, trace))


def _size(trace: Trace) -> Figures:
    buys = int(np.count_nonzero(trace.lines["kind"] == BUY))
    return {"rows": trace.rows, "buy_rows": buys, "carts": trace.orders}


def terminal_orders(outcome: Outcome) -> int:
    """Orders that were paid in time and reached a terminal state; a late payment is only refunded."""
    state, paid_us = outcome.orders["state"], outcome.orders["paid_us"]
    ended = (state == State.COMPLETED) | (state == State.CANCELLED)
    return int(np.count_nonzero(ended & (paid_us >= 0) & (outcome.orders["late"] == 0)))


def _by_state(outcome: Outcome) -> dict[str, int]:
    counts = np.bincount(outcome.orders["state"], minlength=len(State)).tolist()
    return {f"state_{state.name.lower()}": counts[state] for state in State if counts[state]}


def engine_cells(folder: str, cells: list[Figures], rounds: int, seed: int) -> Figures:
    """The order engine without HTTP, as tuned as its own process."""
    from sim.engine.storing import GC_THRESHOLD
    from tests.bench.engine_cells import engine_cells as run

    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    return {"cells": run(folder, cells, rounds, seed)}


JOBS: dict[str, Callable[..., Figures]] = {
    "make_trace": make_trace,
    "compile_kernels": compile_kernels,
    "flow": flow,
    "against_oracle": against_oracle,
    "engine_cells": engine_cells,
    "count_response_times": count_response_times,
}


def main() -> None:
    """Run the job that the command line names."""
    name, options = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps(JOBS[name](**options)))


if __name__ == "__main__":
    main()
