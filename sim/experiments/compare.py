"""Strategies compared: replications with common random numbers until they say enough, and the run directory.

Results are consumed in order, and whether to go on is decided at planned looks: so neither depends on the number of
workers. Finished replications are kept beside the run directories until the study is whole; a study that is started
again goes on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sim.errors import UsageError
from sim.experiments.ahead import Say, ahead, compiles
from sim.experiments.compare_files import write_study
from sim.experiments.journal import Journal
from sim.experiments.replicating import A_DRAW, Result, make_traces, replicate_study, runs_a_draw
from sim.experiments.study_summary import METRIC, half_width, refuse_unknown, summary_of_study, values_of
from sim.experiments.workers import Meanwhile, in_order, processes
from sim.measure.directory import whole_directory, write_json
from sim.measure.record import RunRecord
from sim.operations.simulate import is_compiled
from sim.operations.strategies.own import check_own
from sim.operations.strategies.planned import pilots_for
from sim.scenario.studies.study import Study
from sim.stats.intervals import mean
from sim.stats.sequential import LEAST, MOST, WIDENED, Precision, is_precise, looks, needed_for

REPLICATIONS = 20
MAX_REPLICATIONS = 1_000
Tell = Callable[[int, int], object]


@dataclass(frozen=True)
class Plan:
    """How many replications: `replications`, or until `precision` is reached, at most `most`; and where they run.

    `metric`: dotted path of what is compared; `least`: less of it is better. `workers`, `cluster`: see
    `sim.experiments.workers.in_order`.
    """

    replications: int = REPLICATIONS
    precision: Precision | None = None
    most: int = MAX_REPLICATIONS
    metric: str = METRIC
    least: bool = False
    seed: int | None = None
    workers: int | None = None
    cluster: str | None = None

    def looks(self, study: Study) -> list[int]:
        """After how many replications is looked; an even number where inputs are uncertain. Raises UsageError."""
        step = runs_a_draw(study)
        if self.precision is None:
            return [_up(self.replications, step)]
        if self.most < 2 * step:
            why = f", of which {A_DRAW} share a draw of the uncertain inputs" if study.uncertain else ""
            raise UsageError(f"--max-replications {self.most}: a spread takes {2 * step} replications or more{why}")
        return sorted({_up(n, step) for n in looks(LEAST * step, self.most)})


@dataclass(frozen=True)
class Compared:
    """Where the study is, its summary (the contents of `summary.json`), and whether the precision was reached."""

    directory: Path
    summary: dict[str, Any]

    @property
    def precise(self) -> bool:
        """Whether the precision asked for, if any, was reached."""
        return self.summary["precision"] is None or bool(self.summary["precision"]["reached"])


def compare(
    study: Study,
    plan: Plan,
    out: Path,
    *,
    draw: Callable[[Path], object] | None = None,
    tell: Tell = lambda _done, _of: None,
    say: Say = lambda _text: None,
    overrides: Sequence[str] = (),
) -> Compared:
    """Simulate every strategy as often as the plan says and write the run directory into `out`.

    `draw(directory)` adds workbook, figures and page. `tell(done, of)` is called after each replication,
    `say(text)` before what takes long. Raises ScenarioError, UsageError or OSError; what was finished by then is kept
    for the next start.
    """
    seed = study.scenario.seed if plan.seed is None else plan.seed
    key = hashlib.sha256(f"{study.fingerprint()}:{seed}".encode()).hexdigest()
    record, journal = RunRecord(), Journal(out, key)
    with record.stage("simulate"):
        results, reached = replications_of(study, plan, seed, journal, tell, say)
    name = f"{study.scenario.name}-compare-{_run_id(key, plan)}"
    with whole_directory(out, name) as partial_directory:
        summary = summary_of_study(
            study, results, plan.metric, seed, _precision(plan, study, results, reached), least=plan.least
        )
        what = {"seed": seed, "overrides": list(overrides), "study_fingerprint": study.fingerprint()}
        with record.stage("report"):
            write_study(partial_directory, study, results, summary)
            if draw is not None:
                draw(partial_directory)
        write_json(partial_directory / "run.json", {**what, **record.as_dict()})
    journal.end()
    return Compared(out / name, summary)


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


def _run_id(key: str, plan: Plan) -> str:
    asked: tuple[Any, ...] = (plan.replications if plan.precision is None else (plan.precision, plan.most), plan.metric)
    asked += ("least",) if plan.least else ()
    return hashlib.sha256(f"{key}:{asked}".encode()).hexdigest()[:10]


def replications_of(
    study: Study, plan: Plan, seed: int, journal: Journal, tell: Tell, say: Say = lambda _text: None
) -> tuple[list[Result], bool]:
    """Replications 0, 1, ... until the plan is content, and whether it is. The journal keeps each that is finished."""
    planned = plan.looks(study)
    kept = journal.read()
    known = 0
    while known in kept:
        known += 1
    results: list[Result] = []
    fresh = _fresh(study, plan, seed, planned[-1] * len(study.strategies), range(known, planned[-1]), say)
    with closing(fresh):
        for look in planned:
            while len(results) < look:
                number = len(results)
                results.append(kept[number] if number < known else next(fresh))
                if number == 0:
                    refuse_unknown(results, plan.metric)  # before more is simulated, or any progress kept
                    journal.start(kept)
                if number >= known:
                    journal.add(results[-1])
                tell(len(results), planned[-1])
            if plan.precision is None:
                return results, True
            if _goal(plan, study, results)[0]:
                return results, True
    return results, False


def _fresh(study: Study, plan: Plan, seed: int, runs: int, numbers: range, say: Say) -> Generator[Result, None, None]:
    """The results of replications `numbers`, of `runs` simulations in all."""
    for strategy in study.strategies:
        check_own(strategy.scenario)
    pilots = {key: units for strategy in study.strategies for key, units in pilots_for(strategy.scenario).items()}
    work, meanwhile = partial(replicate_study, study, seed, runs, pilots=pilots), None
    workers = processes(plan.workers, study.scenario, runs)
    with ahead() as shelf:
        if compiles(study.scenario, runs, plan.cluster, say):
            work, meanwhile = (
                partial(work, ahead=shelf),
                Meanwhile(partial(make_traces, study, seed, shelf), is_compiled),
            )
        with closing(in_order(work, numbers, workers, plan.cluster, meanwhile)) as results:
            yield from results


def _goal(plan: Plan, study: Study, results: Sequence[Result]) -> tuple[bool, float, float, int]:
    """Whether the differences from the base are precise enough, their widest half-width, the goal, and draws made."""
    assert plan.precision is not None
    values = values_of(study, results, plan.metric)
    width, n = half_width(values), len(values[0])
    goal = plan.precision.half_width(mean(values[0]))
    return is_precise(width, n, goal), width, goal, n


def _precision(plan: Plan, study: Study, results: Sequence[Result], reached: bool) -> dict[str, Any] | None:
    if plan.precision is None:
        return None
    _, width, goal, n = _goal(plan, study, results)
    step = runs_a_draw(study)
    needed = needed_for(width, n, goal) * step
    return {
        "asked_half_width": goal,
        "relative": plan.precision.relative,
        "half_width": width * WIDENED,
        "reached": reached,
        "at_most_replications": plan.most,
        "needed_replications": None if needed > MOST or reached else needed,
    }


def imprecise(compared: Compared) -> str:
    """Say how many replications it would take where the precision asked for was not reached; else nothing."""
    if compared.precise:
        return ""
    found = compared.summary["precision"]
    needed = found["needed_replications"]
    would = f"about {needed:,}" if needed else f"not even {MOST:,}"
    return (
        f"the precision asked for was not reached: {would} replications would; stopped at --max-replications "
        f"{found['at_most_replications']:,}; what was found is in {compared.directory}"
    )
