"""The loop of a search: propose points, race them, tell what they came to, until all trials are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sim.errors import Problem, UsageError
from sim.experiments.analytic import Answer, answers
from sim.experiments.evaluating import Evaluations, Point
from sim.experiments.goals import Goal, metric_path, parse_limit
from sim.experiments.proposing import Proposer
from sim.experiments.race import Race
from sim.scenario.studies.search import Codes, Search
from sim.stats.intervals import mean

#: Points proposed at once: more would be proposed knowing less, fewer would leave workers without work.
_BATCH = 8


@dataclass(frozen=True)
class Sought:
    """What is sought as it was asked for: see `sim.experiments.optimise.SearchPlan`."""

    metric: str
    least: bool
    trials: int
    first: int
    most: int


@dataclass
class State:
    """What is known at any moment of a search, so that it can be stopped.

    `points`: tried, the base first. `refused`: points that make no scenario, or lack the metric, and why. `leader`:
    the best so far. `answers`: what formulas say, each with the name of the point that stands nearest to it.
    """

    search: Search
    goal: Goal
    race: Race
    points: list[Point]
    refused: list[tuple[Codes, Problem]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    stopped: bool = False

    @property
    def base(self) -> Point:
        """The first named strategy."""
        return self.points[0]

    @property
    def leader(self) -> Point:
        """The best so far."""
        return self.race.leader or self.base

    @property
    def tried(self) -> int:
        """Points proposed by now, the refused ones included."""
        return len(self.refused) + sum(point.kind == "proposed" for point in self.points)

    def gain_over_base(self, point: Point) -> list[float]:
        """By how much a point is better than the base, by replication (draw) that both have."""
        known, metric = self.race.known, self.goal.metric
        n = min(known.replications(each) for each in (point, self.base))
        pairs = zip(known.of(point, n), known.of(self.base, n), strict=True)
        both = ((mine, base) for mine, base in pairs if metric in mine and metric in base)
        return [self.goal.gain(mine) - self.goal.gain(base) for mine, base in both]

    def is_feasible(self, point: Point) -> bool:
        """Whether a point keeps every limit on average."""
        return self.goal.feasible(self.race.known.of(point, self.race.known.replications(point)))

    def best_named(self) -> Point:
        """The best of the named strategies other than the base; the base where there is none."""
        others = [point for point in self.points[1:] if point.kind == "named"]
        return self.race.best(others) if others else self.base


def search_for(
    search: Search, sought: Sought, seed: int, known: Evaluations, watch: Callable[[State], object]
) -> State:
    """Search until all trials are made or nothing new is proposed; an interrupt ends it with what is known by then.

    `watch(state)` is called after each change. Raises UsageError or OSError.
    """
    base = Point(0, "named", search.study.strategies[0])
    known.need([base], known.step)
    goal = _goal(search, sought, known, base)
    state = State(search, goal, Race(known, goal, sought.first, sought.most), [base])
    known.tell = lambda: watch(state)
    proposer = Proposer(search.knobs, seed, sought.trials)
    try:
        _start(state)
        _tell(state, proposer, state.points)
        _enter(state, proposer, _from_formulas(state))
        while state.tried < sought.trials:
            points = _proposed(state, proposer, min(_BATCH, sought.trials - state.tried))
            if points is None:
                break
            _enter(state, proposer, points)
        known.need([state.base, state.leader], sought.most)
        for point in (state.base, state.leader):
            if not state.race.is_measured(point, known.replications(point)):
                raise state.race.unmeasurable(point)
    except KeyboardInterrupt:
        if state.race.leader is None:
            raise
        state.stopped = True
        state.points = [point for point in state.points if known.replications(point) and state.gain_over_base(point)]
    if state.refused and not state.stopped and all(point.kind != "proposed" for point in state.points):
        raise UsageError(f"no value of the knobs makes a scenario with the metric; the first: {state.refused[0][1]}")
    return state


def _goal(search: Search, sought: Sought, known: Evaluations, base: Point) -> Goal:
    """The goal, its metrics looked up among those that the base has."""
    metrics = known.of(base, known.step)[0]
    currency = search.study.scenario.reporting_currency
    limits = tuple(parse_limit(text, metrics, currency) for text in search.limits)
    return Goal(metric_path(sought.metric, metrics, "--metric"), sought.least, limits)


def _start(state: State) -> None:
    """Race the named strategies; the best of them is what the knobs are turned on, where no other was asked for."""
    others = state.search.study.strategies[1:]
    state.points += [Point(number, "named", strategy) for number, strategy in enumerate(others, start=1)]
    state.race.enter(state.points)
    if state.race.unmeasured:
        raise state.race.unmeasurable(state.race.unmeasured[0])
    state.search = search = state.search.on(state.search.start or state.leader.strategist.name)
    stands = search.point_of(search.tree)
    for number, point in enumerate(state.points):
        if point.strategist.name == search.start:
            state.points[number] = replace(point, codes=stands)
            if state.race.leader is point:
                state.race.leader = state.points[number]


def _from_formulas(state: State) -> list[Point]:
    """The answers of formulas, each at the nearest point of the knobs; one that makes no scenario is only told."""
    found: list[Point] = []
    state.answers = answers(state.search)
    for answer in state.answers:
        codes = state.search.point_near(answer.values)
        made = state.search.at(codes, answer.name)
        if not isinstance(made, Problem):
            found.append(Point(_next(state) + len(found), "analytic", made, codes))
    return found


def _proposed(state: State, proposer: Proposer, number: int) -> list[Point] | None:
    """New points; those that make no scenario are told to the proposer and count as tried. None: nothing new."""
    asked = proposer.ask(number)
    if not asked:
        return None
    points: list[Point] = []
    for codes in asked:
        at = state.tried + len(points) + 1
        made = state.search.at(codes, f"trial {at}")
        if isinstance(made, Problem):
            _refuse(state, proposer, codes, made)
        else:
            points.append(Point(_next(state) + len(points), "proposed", made, codes))
    return points


def _next(state: State) -> int:
    """The number of the next point."""
    return state.points[-1].number + 1


def _enter(state: State, proposer: Proposer, points: list[Point]) -> None:
    """Race points and tell the proposer what they came to. Of those without the metric, proposed ones are refused, and
    formulas' are only told."""
    state.points += points
    if points:
        state.race.enter(points)
    without, state.race.unmeasured = state.race.unmeasured, []
    state.points = [point for point in state.points if point not in without]
    for point in without:
        name, codes = point.strategist.name, point.codes
        if point.kind == "named":
            raise state.race.unmeasurable(point)
        if point.kind == "proposed" and codes is not None:
            why = Problem(name, 0, state.goal.metric, "not a number of every replication")
            _refuse(state, proposer, codes, why)
    _tell(state, proposer, [point for point in points if point not in without])


def _refuse(state: State, proposer: Proposer, codes: Codes, problem: Problem) -> None:
    """Leave out a point that makes no scenario, or lacks the metric, and tell the proposer so."""
    state.refused.append((codes, problem))
    proposer.tell(codes, 0.0, [*(0.0 for _ in state.goal.limits), 1.0])


def _tell(state: State, proposer: Proposer, points: list[Point]) -> None:
    """Tell the proposer what points on the knobs came to."""
    for point in points:
        if point.codes is not None:
            gains = state.gain_over_base(point)
            values = state.race.known.of(point, state.race.known.replications(point))
            proposer.tell(point.codes, mean(gains), [*state.goal.excess(values), 0.0])
