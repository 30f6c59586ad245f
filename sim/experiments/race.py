"""The race of the points of a search: all get a few replications, those that may still win get more."""

from __future__ import annotations

from collections.abc import Sequence

from sim.experiments.evaluating import Evaluations, Point
from sim.experiments.goals import Goal
from sim.stats.racing import is_behind, is_beyond, levels


class Race:
    """Points compared on shared replications; `leader` is the best so far."""

    def __init__(self, known: Evaluations, goal: Goal, first: int, most: int) -> None:
        """`first`, `most`: replications that every point gets, and that the best get."""
        self.known, self._goal = known, goal
        self._levels = levels(first, most)
        self.leader: Point | None = None

    def enter(self, points: Sequence[Point]) -> None:
        """Race new points against the leader. A point that no longer may be the best is given up; the leader only when
        all replications have spoken."""
        alive = [*([self.leader] if self.leader is not None else []), *points]
        for level in self._levels:
            self.known.need(alive, level)
            best = self._best(alive, level)
            kept = (best, self.leader)
            alive = [point for point in alive if point in kept or not self._is_out(point, best, level)]
            if len(alive) == 1 or not self._is_feasible(best, level):
                break
        self.leader = best

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
            return excess <= 0, -excess if excess > 0 else _mean(self.gains(point, level))

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


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
