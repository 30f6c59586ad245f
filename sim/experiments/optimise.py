"""A search over knobs of a scenario: what to try next, a race of what is tried, and the winner on fresh seeds.

Points are proposed in batches of one size and told in one order, replication r of every point has the same buyers, and
all that decides are these values: so the same seed finds the same, whatever the number of workers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from sim.experiments.ahead import Say
from sim.experiments.compare import Plan, replications_of
from sim.experiments.evaluating import Evaluations, Where
from sim.experiments.journal import Journal
from sim.experiments.replicating import Result, runs_a_draw
from sim.experiments.search_files import write_search
from sim.experiments.search_summary import summary_of_search
from sim.experiments.searching import Sought, State, search_for
from sim.experiments.study_summary import METRIC, summary_of_study
from sim.experiments.workers import processes
from sim.measure.directory import whole_directory, write_json
from sim.measure.record import RunRecord
from sim.scenario.parts.comparing import FOUND
from sim.scenario.studies.search import Search
from sim.scenario.studies.study import Study
from sim.stats.intervals import mean

TRIALS, FIRST, MOST, CONFIRM = 60, 4, 16, 20
_HERE = Where()


@dataclass(frozen=True)
class SearchPlan:
    """How long to search: `trials` points of `first` replications, up to `most` for those that may be best; then
    `confirm` replications on fresh seeds (0: none). `metric` is made as large as can be, or as small where `least`."""

    trials: int = TRIALS
    first: int = FIRST
    most: int = MOST
    confirm: int = CONFIRM
    metric: str = METRIC
    least: bool = False
    seed: int | None = None
    where: Where = _HERE

    def sought(self, study: Study) -> Sought:
        """The plan of the search; replications in whole draws, two at least, where inputs are uncertain."""
        step = runs_a_draw(study)
        first = step * max(2, -(-self.first // step))
        return Sought(self.metric, self.least, self.trials, first, max(first, step * -(-self.most // step)))


@dataclass(frozen=True)
class Progress:
    """How far it is: points tried of how many, simulations made, the leader's gain over the base where it is known."""

    tried: int
    of: int
    simulations: int
    gain: float | None
    confirmed: int = 0
    to_confirm: int = 0


Tell = Callable[[Progress], object]


@dataclass(frozen=True)
class Optimised:
    """Where the search is, and its summary (the contents of `summary.json`)."""

    directory: Path
    summary: dict[str, Any]


def optimise(
    search: Search,
    plan: SearchPlan,
    out: Path,
    *,
    draw: Callable[[Path], object] | None = None,
    tell: Tell = lambda _progress: None,
    say: Say = lambda _text: None,
    overrides: Sequence[str] = (),
) -> Optimised:
    """Search, confirm what was found on fresh seeds, and write the run directory into `out`.

    `tell(progress)` is called after each piece of work, `say(text)` before what takes long. An interrupt ends the
    search with what was found by then, and the summary says so; the same call goes on from there. Raises ScenarioError,
    UsageError or OSError; what was simulated by then is kept for the next start.
    """
    seed = search.study.scenario.seed if plan.seed is None else plan.seed
    key = _key(search, seed)
    record = RunRecord()
    runs = plan.trials * plan.first
    where = replace(plan.where, workers=processes(plan.where.workers, search.study.scenario, runs))
    known = Evaluations(search.study, seed, runs, Journal(out, key, by="piece"), where, say=say)
    confirmations = Journal(out, hashlib.sha256(f"{key}:confirm".encode()).hexdigest())
    with record.stage("search"):
        known.resume()
        state = search_for(search, plan.sought(search.study), seed, known, _teller(plan, known, tell))
    with record.stage("confirm"):
        confirmed = _confirm(search, plan, state, seed, confirmations, known, tell)
    name = f"{search.study.scenario.name}-optimise-{_run_id(key, search, plan)}"
    with whole_directory(out, name) as partial:
        summary = summary_of_search(plan.trials, seed, state, _told(state, seed, confirmed))
        with record.stage("report"):
            write_search(partial, state, summary, confirmed)
            if draw is not None:
                draw(partial)
        write_json(partial / "run.json", {"seed": seed, "overrides": list(overrides), **record.as_dict()})
    if not state.stopped:
        known.journal.end()
        confirmations.end()
    return Optimised(out / name, summary)


def fresh_seed(seed: int) -> int:
    """The seed of the confirmation: its streams have nothing in common with those that were searched on."""
    return int.from_bytes(hashlib.sha256(f"confirm:{seed}".encode()).digest()[:7], "big")


def _key(search: Search, seed: int) -> str:
    knobs = [[knob.name, knob.text] for knob in search.knobs]
    return hashlib.sha256(f"{search.study.fingerprint()}:{search.start}:{knobs}:{seed}".encode()).hexdigest()


def _run_id(key: str, search: Search, plan: SearchPlan) -> str:
    asked = (*astuple(replace(plan, seed=None, where=_HERE)), search.limits)
    return hashlib.sha256(f"{key}:{asked}".encode()).hexdigest()[:10]


def _teller(plan: SearchPlan, known: Evaluations, tell: Tell) -> Callable[[State], object]:
    def watch(state: State) -> object:
        gains = state.gain_over_base(state.leader) if state.race.leader is not None else []
        gain = mean(gains) if gains else None
        return tell(Progress(state.tried, plan.trials, known.simulations, gain))

    return watch


def _confirm(
    search: Search,
    plan: SearchPlan,
    state: State,
    seed: int,
    journal: Journal,
    known: Evaluations,
    tell: Tell,
) -> tuple[Study, list[Result]] | None:
    """The base, the best named strategy, the answers of formulas and what was found, with buyers of a fresh seed."""
    leader = state.leader
    if state.stopped or not plan.confirm or leader.kind == "named" or not state.is_feasible(leader):
        return None
    found = replace(leader.strategist, name=FOUND)
    given = [state.base, state.best_named(), *(point for point in state.points if point.kind == "analytic")]
    rivals = {point.number: point.strategist for point in given if point is not leader}
    study = replace(search.study, strategies=(*rivals.values(), found))
    asked = Plan(
        replications=plan.confirm, metric=state.goal.metric, workers=plan.where.workers, cluster=plan.where.cluster
    )

    def told(done: int, of: int) -> object:
        gains = state.gain_over_base(leader)
        return tell(Progress(state.tried, plan.trials, known.simulations, mean(gains), done, of))

    try:
        return study, replications_of(study, asked, fresh_seed(seed), journal, told)[0]
    except KeyboardInterrupt:
        state.stopped = True
        return None


def _told(state: State, seed: int, confirmed: tuple[Study, list[Result]] | None) -> dict[str, Any] | None:
    if confirmed is None:
        return None
    study, results = confirmed
    return summary_of_study(study, results, state.goal.metric, fresh_seed(seed), least=state.goal.least)
