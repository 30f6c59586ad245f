"""One scenario, simulated as often as asked: replications, intervals over them, and the run directory.

Replications are independent and numbered; number r draws from the streams (seed, r). The first writes the tables of the
run directory, of the others only the metrics are kept. Results do not depend on the number of workers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from sim.arrays import Ints
from sim.demand.generate import generate
from sim.demand.reach import Views
from sim.demand.trace import Trace
from sim.experiments.columns import FILES
from sim.experiments.summary import FORMAT, summary_of
from sim.experiments.tables import write_tables
from sim.experiments.workers import at_once, processes
from sim.measure.directory import whole_directory
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


@dataclass(frozen=True)
class RunResult:
    """Where a run is, and its summary (the contents of `summary.json`)."""

    directory: Path
    summary: dict[str, Any]


def run(
    scenario: Scenario,
    *,
    replications: int = 1,
    seed: int | None = None,
    out: Path,
    draw: Callable[[Path], object] | None = None,
    progress: bool = False,
    overrides: Sequence[str] = (),
    strategy: str | None = None,
    written: Node | None = None,
    workers: int | None = None,
) -> RunResult:
    """Simulate and write the run directory into `out`; returns where it is.

    `seed`: instead of the scenario's. `draw(directory)` adds figures before the directory is put in place. `written`:
    the tree of `load_with_source`, which tells whose each value is. `workers`: processes for the replications after
    the first; by default one a core, none if brief. Raises ScenarioError, UsageError or OSError, and leaves nothing
    behind then.
    """
    if replications < 1:
        raise ValueError("a run has at least one replication")
    chosen = scenario.seed if seed is None else seed
    fingerprint = scenario_fingerprint(scenario)
    name = f"{scenario.name}-{run_id(fingerprint, chosen, replications)}"
    record = RunRecord()
    with (
        whole_directory(out, name) as partial,
        _progress(progress, replications) as tell,
        _others(scenario, chosen, replications, workers) as others,
    ):
        write_as_run(partial, scenario, written)
        grid, first, traced = _first(partial, scenario, chosen, replications, record, tell)
        metrics = [first]
        for result in others:
            metrics.append(result)
            tell("replications")
        summary = summary_of(scenario, chosen, grid, metrics)
        _write_json(partial / "summary.json", summary)
        what = {
            "format": FORMAT,
            "scenario": scenario.name,
            "scenario_fingerprint": fingerprint,
            **traced,
            "seed": chosen,
            "replications": replications,
            "overrides": list(overrides),
            "strategy": strategy,
        }
        _write_json(partial / "run.json", {**what, **record.as_dict()})
        if draw is not None:
            tell("figures")
            draw(partial)
    return RunResult(out / name, summary)


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


def _others(
    scenario: Scenario, seed: int, replications: int, workers: int | None
) -> AbstractContextManager[Iterator[Metrics]]:
    """Metrics of replications 1, 2, ... in order; with several workers they run while the first does."""
    number = processes(workers, scenario, replications)
    # This process makes the pilots when it first needs them; others are given them.
    pilots = pilots_for(scenario) if number != 1 and replications > 2 else None
    work = partial(replicate, scenario, seed, replications=replications, pilots=pilots)
    return at_once(work, range(1, replications), number)


def _first(
    partial: Path, scenario: Scenario, seed: int, replications: int, record: RunRecord, tell: Tell
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
        write_tables(partial, scenario, trace, views, outcome, Carts(trace), grid, wrote=lambda _file: tell("writing"))
        traced = _traced(trace)
    return grid, metrics, traced


def _traced(trace: Trace) -> dict[str, Any]:
    return {
        "trace_fingerprint": trace.fingerprint(),
        "trace_lines": trace.rows,
        "trace_orders": trace.orders,
    }


def _write_json(path: Path, value: object) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


class Tell(Protocol):
    """Says what is being done now."""

    def __call__(self, what: str) -> None: ...


@contextmanager
def _progress(shown: bool, replications: int) -> Iterator[Tell]:
    """A progress bar on stderr, if one is wanted: a step a stage and a table of the first replication, one for figures,
    and one for each other replication."""
    if not shown:
        yield lambda _what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<12}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=3 + len(FILES) + replications)

        def tell(what: str) -> None:
            bar.update(task, description=what, advance=1)

        yield tell
