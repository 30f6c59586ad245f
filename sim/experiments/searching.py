"""The loop of a search: propose points, race them, tell what they came to, until all trials are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sim.errors import Problem, UsageError
from sim.experiments.analytic import answers
from sim.experiments.evaluating import Evaluations, Point
from sim.experiments.goals import Goal, metric_path, parse_limit
from sim.experiments.proposing import Proposer
from sim.experiments.race import Race
from sim.scenario.search import Codes, Search

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

    `points`: tried, the base first. `refused`: points that make no scenario, and why. `leader`: the best so far.
    """

    goal: Goal
    race: Race
    points: list[Point]
    refused: list[tuple[Codes, Problem]] = field(default_factory=list)
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
        """Points proposed by now, those that make no scenario included."""
        return len(self.refused) + sum(point.kind == "proposed" for point in self.points)

    def gain_over_base(self, point: Point) -> list[float]:
        """By how much a point is better than the base, by replication (draw) that both have."""
        n = min(self.race.known.replications(each) for each in (point, self.base))
        pairs = zip(self.race.gains(point, n), self.race.gains(self.base, n), strict=True)
        return [mine - base for mine, base in pairs]

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
    start = search.point_of(search.tree)
    base = Point(0, "named", search.study.strategies[0], start if search.start == search.study.names[0] else None)
    known.need([base], known.step)
    goal = _goal(search, sought, known, base)
    state = State(goal, Race(known, goal, sought.first, sought.most), [base])
    known.tell = lambda: watch(state)
    proposer = Proposer(search.knobs, seed, sought.trials)
    try:
        _enter(state, proposer, _given(search, base), new=[base])
        while state.tried < sought.trials:
            points = _proposed(search, state, proposer, min(_BATCH, sought.trials - state.tried))
            if points is None:
                break
            _enter(state, proposer, points)
        known.need([state.base, state.leader], sought.most)
    except KeyboardInterrupt:
        if state.race.leader is None:
            raise
        state.stopped = True
        state.points = [point for point in state.points if known.replications(point)]
    if state.refused and not state.stopped and all(point.kind != "proposed" for point in state.points):
        raise UsageError(f"no value of the knobs makes a scenario; the first: {state.refused[0][1]}")
    return state


def _goal(search: Search, sought: Sought, known: Evaluations, base: Point) -> Goal:
    """The goal, its metrics looked up among those that the base has."""
    metrics = known.of(base, known.step)[0]
    currency = search.study.scenario.reporting_currency
    limits = tuple(parse_limit(text, metrics, currency) for text in search.limits)
    return Goal(metric_path(sought.metric, metrics, "--metric"), sought.least, limits)


def _given(search: Search, base: Point) -> list[Point]:
    """The other named strategies, and the answers of formulas."""
    start = search.point_of(search.tree)
    found = [base]
    for strategy in search.study.strategies[1:]:
        found.append(Point(len(found), "named", strategy, start if strategy.name == search.start else None))
    for name, answer in answers(search):
        codes = search.point_near(answer, start or tuple(0 for _ in search.knobs))
        made = search.at(codes, name)
        if not isinstance(made, Problem):
            found.append(Point(len(found), "analytic", made, codes))
    return found[1:]


def _proposed(search: Search, state: State, proposer: Proposer, number: int) -> list[Point] | None:
    """New points; those that make no scenario are told to the proposer and count as tried. None: nothing new."""
    asked = proposer.ask(number)
    if not asked:
        return None
    points: list[Point] = []
    for codes in asked:
        at = state.tried + len(points) + 1
        made = search.at(codes, f"trial {at}")
        if isinstance(made, Problem):
            state.refused.append((codes, made))
            proposer.tell(codes, 0.0, [*(0.0 for _ in state.goal.limits), 1.0])
        else:
            points.append(Point(len(state.points) + len(points), "proposed", made, codes))
    return points


def _enter(state: State, proposer: Proposer, points: list[Point], new: list[Point] | None = None) -> None:
    """Race points and tell the proposer what they came to. `new`: points known already that it has not been told of."""
    state.points += points
    entering = [*(new or []), *points]
    if not entering:
        return
    state.race.enter(entering)
    for point in entering:
        if point.codes is not None:
            gains = state.gain_over_base(point)
            values = state.race.known.of(point, state.race.known.replications(point))
            proposer.tell(point.codes, sum(gains) / len(gains), [*state.goal.excess(values), 0.0])
