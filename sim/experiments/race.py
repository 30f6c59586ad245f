"""The race of the points of a search: all get a few replications, those that may still win get more."""

from __future__ import annotations

from collections.abc import Sequence

from sim.errors import UsageError
from sim.experiments.evaluating import Evaluations, Point
from sim.experiments.goals import Goal
from sim.stats.intervals import mean
from sim.stats.racing import is_behind, is_beyond, levels


class Race:
    """Points compared on shared replications; `leader` is the best so far."""

    def __init__(self, known: Evaluations, goal: Goal, first: int, most: int) -> None:
        """`first`, `most`: replications that every point gets, and that the best get."""
        self.known, self._goal = known, goal
        self._levels = levels(first, most)
        self.leader: Point | None = None
        self.unmeasured: list[Point] = []

    def enter(self, points: Sequence[Point]) -> None:
        """Race new points against the leader. A point that no longer may be the best is given up; the leader only when
        all replications have spoken. Points without the metric are set aside, in `unmeasured`. Raises UsageError where
        that is the leader, or all of the first."""
        alive = [*([self.leader] if self.leader is not None else []), *points]
        for level in self._levels:
            alive = self._measured(alive, level)
            best = self._best(alive, level)
            kept = (best, self.leader)
            alive = [point for point in alive if point in kept or not self._is_out(point, best, level)]
            if len(alive) == 1 or not self._is_feasible(best, level):
                break
        self.leader = self._either(best)

    def _measured(self, points: Sequence[Point], level: int) -> list[Point]:
        """Those that have the metric in each of the replications, which are made where they are missing."""
        self.known.need(points, level)
        without = [point for point in points if not self.is_measured(point, level)]
        if len(without) == len(points) or self.leader in without:
            raise self.unmeasurable(without[0])
        self.unmeasured += without
        return [point for point in points if point not in without]

    def is_measured(self, point: Point, replications: int) -> bool:
        """Whether each replication has the metric."""
        return all(self._goal.metric in values for values in self.known.of(point, replications))

    def unmeasurable(self, point: Point) -> UsageError:
        """The error of a point that has to be compared, and has no such number."""
        name = point.strategist.name
        return UsageError(f"--metric {self._goal.metric}: not a number of every replication of {name!r}")

    def _either(self, best: Point) -> Point:
        """The best of a race, or the leader that it found where that is better over the replications which the leader
        has: a race ends early where nothing keeps the limits at its first looks."""
        if self.leader is None or best is self.leader:
            return best
        level = self.known.replications(self.leader)
        return self._best(self._measured([self.leader, best], level), level)

    def best(self, points: Sequence[Point]) -> Point:
        """The best of points on the replications that all of them have."""
        return self._best(points, min(self.known.replications(point) for point in points))

    def gains(self, point: Point, replications: int) -> list[float]:
        """What a point came to by replication, more is better."""
        return [self._goal.gain(values) for values in self.known.of(point, replications)]

    def _best(self, points: Sequence[Point], level: int) -> Point:
        """The point with the largest mean among those that keep every limit; else the one that breaks them least. Of
        equals the first."""

        def rank(point: Point) -> tuple[bool, float]:
            excess = sum(max(0.0, each) for each in self._goal.excess(self.known.of(point, level)))
            return excess <= 0, -excess if excess > 0 else mean(self.gains(point, level))

        return max(points, key=rank)

    def _is_feasible(self, point: Point, level: int) -> bool:
        return self._goal.feasible(self.known.of(point, level))

    def _is_out(self, point: Point, best: Point, level: int) -> bool:
        values = self.known.of(point, level)
        for limit in self._goal.limits:
            over = [limit.excess(each[limit.path]) for each in values if limit.path in each]
            if len(over) > 1 and is_beyond(over, 0.0):
                return True
        pairs = zip(self.gains(best, level), self.gains(point, level), strict=True)
        return is_behind([mine - leading for leading, mine in pairs])
