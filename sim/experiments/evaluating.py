"""Points of a search simulated: each replication once, kept on disk until the search is whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property

from sim.arrays import Ints
from sim.experiments.ahead import Ahead, Say, ahead, compiles
from sim.experiments.journal import Journal
from sim.experiments.replicating import A_DRAW, Result, make_traces, replicate_study, runs_a_draw
from sim.experiments.workers import Meanwhile, in_order
from sim.measure.machine import usable_cores
from sim.operations.simulate import is_compiled
from sim.operations.strategies.planned import pilots_for
from sim.scenario.studies.search import Codes
from sim.scenario.studies.study import Strategist, Study
from sim.stats.intervals import mean

Values = dict[str, float]
#: How many workers a cluster may have that are worth a piece of work of their own.
_ON_A_CLUSTER = 64


@dataclass(frozen=True)
class Where:
    """Where replications run: see `sim.experiments.workers.in_order`."""

    workers: int | None = None
    cluster: str | None = None

    @property
    def lanes(self) -> int:
        """How many may run at once."""
        return _ON_A_CLUSTER if self.cluster else self.workers or usable_cores()


@dataclass(frozen=True)
class Point:
    """A strategy that is tried. `codes`: where it stands on the knobs, if it does."""

    number: int
    kind: str  # 'named', 'analytic' or 'proposed'
    strategist: Strategist
    codes: Codes | None = None

    @cached_property
    def key(self) -> str:
        """What it is known by: a hash of its scenario."""
        return hashlib.sha256(json.dumps(self.strategist.content()).encode("ascii")).hexdigest()[:24]


@dataclass(frozen=True)
class _Piece:
    """Some points in one replication: they share its trace where they leave demand alone."""

    study: Study
    replication: int
    keys: tuple[str, ...]

    def __str__(self) -> str:
        return str(self.replication)


@dataclass
class Evaluations:
    """What is known of each point: its metrics by replication. Replication r has the same buyers at every point.

    `runs`: about how many simulations the search makes. `tell()` is called after each piece of work, `say(text)` before
    what takes long.
    """

    study: Study
    seed: int
    runs: int
    journal: Journal
    where: Where
    tell: Callable[[], object] = lambda: None
    say: Say = lambda _text: None
    _known: dict[tuple[str, int], Values] = field(default_factory=dict)
    _written: int = 0

    def resume(self) -> None:
        """Take what an earlier start has kept."""
        kept = self.journal.read()
        self.journal.start(kept)
        for line in kept.values():
            self._take(line)

    @property
    def simulations(self) -> int:
        """How many simulations are known."""
        return len(self._known)

    def need(self, points: Sequence[Point], replications: int) -> None:
        """See to it that the first `replications` of every point are known. Raises UsageError or OSError."""
        by_key = {point.key: point.strategist for point in points}
        missing = {r: [key for key in by_key if (key, r) not in self._known] for r in range(replications)}
        groups = max(1, -(-self.where.lanes // max(1, sum(map(bool, missing.values())))))
        pieces = [
            _Piece(replace(self.study, strategies=tuple(by_key[key] for key in part)), r, tuple(part))
            for r, keys in missing.items()
            for part in _parts(keys, groups)
        ]
        if not pieces:
            return
        pilots = {key: units for point in points for key, units in pilots_for(point.strategist.scenario).items()}
        compiling = compiles(self.study.scenario, self.runs, self.where.cluster, self.say)
        with ahead() as shelf:
            work = _Work(self.seed, self.runs, pilots, shelf if compiling else None)
            meanwhile = Meanwhile(work.make_traces, is_compiled) if compiling else None
            fresh = in_order(work, pieces, self.where.workers, self.where.cluster, meanwhile)
            self._take_all(pieces, fresh)

    def _take_all(self, pieces: Sequence[_Piece], fresh: Generator[Result, None, None]) -> None:
        with closing(fresh):
            for piece in pieces:
                result = next(fresh)["strategies"]
                found = {key: each["values"] for key, each in zip(piece.keys, result, strict=True)}
                line = {"piece": self._written, "replication": piece.replication, "found": found}
                self.journal.add(line)
                self._take(line)
                self.tell()

    def _take(self, line: Result) -> None:
        self._written += 1
        self._known |= {(key, line["replication"]): values for key, values in line["found"].items()}

    @property
    def step(self) -> int:
        """Replications that belong together: those of one draw of uncertain inputs."""
        return runs_a_draw(self.study)

    def replications(self, point: Point) -> int:
        """How many replications of a point are known, from the first on, in whole draws."""
        number = 0
        while (point.key, number) in self._known:
            number += 1
        return number - number % self.step

    def of(self, point: Point, replications: int) -> list[Values]:
        """The metrics of a point by replication; where inputs are uncertain by draw, the mean of its runs."""
        single = [self._known[point.key, r] for r in range(replications)]
        if not self.study.uncertain:
            return single
        return [_means(single[k : k + A_DRAW]) for k in range(0, len(single), A_DRAW)]


@dataclass(frozen=True)
class _Work:
    seed: int
    runs: int
    pilots: dict[str, Ints]
    ahead: Ahead | None = None

    def __call__(self, piece: _Piece) -> Result:
        return replicate_study(piece.study, self.seed, self.runs, piece.replication, self.pilots, self.ahead)

    def make_traces(self, piece: _Piece) -> None:
        assert self.ahead is not None
        make_traces(piece.study, self.seed, self.ahead, piece.replication)


def _parts(keys: Sequence[str], groups: int) -> list[Sequence[str]]:
    """Keys in at most `groups` parts of about the same size."""
    size = max(1, -(-len(keys) // groups))
    return [keys[k : k + size] for k in range(0, len(keys), size)]


def _means(values: Sequence[Values]) -> Values:
    shared = set.intersection(*(set(each) for each in values))
    return {path: mean([each[path] for each in values]) for path in values[0] if path in shared}
