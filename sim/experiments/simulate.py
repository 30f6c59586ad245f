"""One scenario, simulated as often as asked: replications, intervals over them, and the run directory.

Replications are independent and numbered; number r draws from the streams (seed, r). The first writes the tables of the
run directory, of the others only the metrics are kept. Results do not depend on the number of workers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sim.arrays import Ints
from sim.demand.generate import generate
from sim.demand.reach import Views
from sim.demand.trace import Trace
from sim.experiments.columns import FILES
from sim.experiments.summary import FORMAT, summary_of
from sim.experiments.tables import write_tables
from sim.experiments.workers import at_once, processes
from sim.measure.directory import whole_directory, write_json
from sim.measure.record import RunRecord
from sim.operations.carts import Carts
from sim.operations.metrics import summarise
from sim.operations.simulate import simulate
from sim.operations.strategies.forecast import remember
from sim.operations.strategies.planned import pilots_for
from sim.operations.timeline import Grid, grid_of
from sim.scenario.fingerprint import scenario_fingerprint
from sim.scenario.reading.nodes import Node
from sim.scenario.schema import Scenario
from sim.scenario.writing.as_run import write_as_run

Metrics = dict[str, Any]
#: Says what is being done now, and of how many steps it is one.
Tell = Callable[[str, int], object]


@dataclass(frozen=True)
class RunResult:
    """Where a run is, and its summary (the contents of `summary.json`)."""

    directory: Path
    summary: dict[str, Any]


@dataclass(frozen=True)
class RunPlan:
    """How often a scenario is simulated, and where.

    `seed`: instead of the scenario's. `strategy`: as which of its strategies it was loaded. `workers`: processes for
    the replications after the first; by default one a core, none if brief.
    """

    replications: int = 1
    seed: int | None = None
    strategy: str | None = None
    workers: int | None = None

    @property
    def steps(self) -> int:
        """How often a run tells what it does: stages and tables of the first replication, the others, the figures."""
        return 3 + len(FILES) + self.replications


def run(
    scenario: Scenario,
    plan: RunPlan,
    out: Path,
    *,
    draw: Callable[[Path], object] | None = None,
    tell: Tell = lambda _what, _of: None,
    overrides: Sequence[str] = (),
    written: Node | None = None,
) -> RunResult:
    """Simulate and write the run directory into `out`; returns where it is.

    `draw(directory)` adds figures before the directory is put in place. `tell(what, of)` is called before each of `of`
    steps. `written`: the tree of `load_with_source`, which tells whose each value is. Raises ScenarioError, UsageError
    or OSError, and leaves nothing behind then; ValueError for a plan without a replication.
    """
    if plan.replications < 1:
        raise ValueError("a run has at least one replication")
    seed = scenario.seed if plan.seed is None else plan.seed
    name = f"{scenario.name}-{run_id(scenario_fingerprint(scenario), seed, plan.replications)}"
    record = RunRecord()

    def step(what: str) -> None:
        tell(what, plan.steps)

    with whole_directory(out, name) as directory, _others(scenario, seed, plan) as others:
        write_as_run(directory, scenario, written)
        grid, first, traced = _first(directory, scenario, seed, plan.replications, record, step)
        metrics = [first]
        for result in others:
            metrics.append(result)
            step("replications")
        summary = summary_of(scenario, seed, grid, metrics)
        write_json(directory / "summary.json", summary)
        what = _described(scenario, plan, seed, traced, overrides)
        write_json(directory / "run.json", {**what, **record.as_dict()})
        if draw is not None:
            step("figures")
            draw(directory)
    return RunResult(out / name, summary)


def _described(
    scenario: Scenario, plan: RunPlan, seed: int, traced: dict[str, Any], overrides: Sequence[str]
) -> dict[str, Any]:
    """What `run.json` tells of a run, beside how it went."""
    return {
        "format": FORMAT,
        "scenario": scenario.name,
        "scenario_fingerprint": scenario_fingerprint(scenario),
        **traced,
        "seed": seed,
        "replications": plan.replications,
        "overrides": list(overrides),
        "strategy": plan.strategy,
    }


def run_id(fingerprint: str, seed: int, replications: int) -> str:
    """Ten hexadecimal digits that name a run."""
    return hashlib.sha256(f"{fingerprint}:{seed}:{replications}".encode()).hexdigest()[:10]


def replicate(
    scenario: Scenario, seed: int, replication: int, replications: int = 1, pilots: Mapping[str, Ints] | None = None
) -> Metrics:
    """The metrics of one replication, one of `replications`; `pilots`: what its stock policy plans from."""
    remember(pilots or {})
    trace = generate(scenario, seed, replication)
    return summarise(scenario, trace, simulate(scenario, trace, runs=replications))


def _others(scenario: Scenario, seed: int, plan: RunPlan) -> AbstractContextManager[Iterator[Metrics]]:
    """Metrics of replications 1, 2, ... in order; with several workers they run while the first does."""
    number = processes(plan.workers, scenario, plan.replications)
    # This process makes the pilots when it first needs them; others are given them.
    pilots = pilots_for(scenario) if number != 1 and plan.replications > 2 else None
    work = partial(replicate, scenario, seed, replications=plan.replications, pilots=pilots)
    return at_once(work, range(1, plan.replications), number)


def _first(
    directory: Path,
    scenario: Scenario,
    seed: int,
    replications: int,
    record: RunRecord,
    tell: Callable[[str], object],
) -> tuple[Grid, Metrics, dict[str, Any]]:
    """Replication 0: its tables are written; returns their rows, its metrics and what is said of its trace."""
    tell("demand")
    with record.stage("generate"):
        views = Views(scenario)
        trace = generate(scenario, seed, 0, views)
    tell("operations")
    with record.stage("simulate"):
        outcome = simulate(scenario, trace, runs=replications)
    tell("results")
    with record.stage("report"):
        metrics = summarise(scenario, trace, outcome)
        grid = grid_of(scenario, trace)
        write_tables(
            directory, scenario, trace, views, outcome, Carts(trace), grid, wrote=lambda _file: tell("writing")
        )
        traced = _traced(trace)
    return grid, metrics, traced


def _traced(trace: Trace) -> dict[str, Any]:
    return {
        "trace_fingerprint": trace.fingerprint(),
        "trace_lines": trace.rows,
        "trace_orders": trace.orders,
    }
