"""A scenario to be searched: its named strategies, and knobs on one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

from sim.errors import Problem, ScenarioError, UsageError
from sim.scenario.parts.comparing import AS_WRITTEN
from sim.scenario.reading.nodes import Node
from sim.scenario.reading.vary import node_at, put_changes
from sim.scenario.reading.yaml_tree import read_yaml
from sim.scenario.shape import listing_of, suggestion
from sim.scenario.studies.knobs import Knob, outer_of, parse_knob
from sim.scenario.studies.study import Strategist, Study, read_variants, strategist, study_of
from sim.scenario.writing.as_run import scenario_yaml

Codes = tuple[int, ...]


@dataclass(frozen=True)
class Search:
    """Named strategies, the first of them the base, and the knobs that a search turns on the strategy `start`.

    An empty `start` is still to be chosen (`on`). `trees`: by strategy. A point is one code a knob
    (`sim.scenario.studies.knobs`).
    """

    study: Study
    start: str
    trees: Mapping[str, Node]
    knobs: tuple[Knob, ...]
    limits: tuple[str, ...] = ()

    @property
    def tree(self) -> Node:
        """What the knobs are turned on; as long as that is open, the base."""
        return self.trees[self.start or self.study.names[0]]

    @property
    def started(self) -> Strategist:
        """The strategy that the knobs are turned on."""
        return strategist(self.start or self.study.names[0], self.tree)

    def on(self, start: str) -> Search:
        """The same with the knobs turned on this strategy."""
        return replace(self, start=start)

    def at(self, codes: Codes, name: str) -> Strategist | Problem:
        """The strategy at a point, or why the scenario cannot be so."""
        values = {knob.name: knob.node(code) for knob, code in zip(self.knobs, codes, strict=True)}
        tree, problems = put_changes(self.tree, values)
        if problems:
            return problems[0]
        try:
            return strategist(name, tree)
        except ScenarioError as error:
            return error.problems[0]

    def point_of(self, tree: Node) -> Codes | None:
        """The point at which the knobs stand in a tree, by default where nothing is written; None where one stands
        outside its range, or nowhere."""
        codes = [knob.code_of(_standing(tree, knob)) for knob in self.knobs]
        return None if None in codes else tuple(code for code in codes if code is not None)

    def point_near(self, values: Mapping[str, float | str]) -> Codes:
        """The point nearest to values given by dotted path, in the units of the knobs or as choices; the other knobs
        as they stand, at the nearest end where that is outside, at the first choice where it is none."""
        return tuple(self._code_near(knob, values.get(knob.name)) for knob in self.knobs)

    def _code_near(self, knob: Knob, value: float | str | None) -> int:
        if value is None:
            return knob.code_from(_standing(self.tree, knob))
        if knob.choices:
            return knob.labels.index(str(value))
        return knob.clipped_code(float(value))

    def changes(self, codes: Codes) -> dict[str, str]:
        """What a point changes, as people write it: dotted path -> value."""
        return {knob.name: knob.shown(code) for knob, code in zip(self.knobs, codes, strict=True)}


def _standing(tree: Node, knob: Knob) -> Node | None:
    """The value that a knob would change: as written, else its default; None where it has none."""
    written = node_at(tree, knob.path)
    if written is not None:
        return written
    whole, _ = read_yaml(scenario_yaml(strategist("", tree).scenario), "")
    return node_at(whole, knob.path)


def load_search(
    path: str | FilePath,
    overrides: Sequence[str] = (),
    strategies: Sequence[str] = (),
    only: Sequence[str] = (),
    knobs: Sequence[str] = (),
    limits: Sequence[str] = (),
    start: str = "",
) -> Search:
    """Read a scenario to be searched; knobs and limits are those given and those of the scenario's `optimise:`.

    `start`: the strategy on which the knobs are turned, by default open: the search takes the best. A knob
    that is given takes the place of
    the scenario's on the same value. Raises ScenarioError or UsageError.
    """
    loaded, found = read_variants(path, overrides, strategies, only)
    study = study_of(loaded, found)
    trees = {AS_WRITTEN: loaded.written} | {variant.name: variant.tree for variant in found}
    if start and start not in trees:
        raise UsageError(f"no strategy is called {start!r}{suggestion(start, trees)}; there are: {listing_of(trees)}")
    own = loaded.scenario.optimise
    turned = _knobs([f"{key}={value}" for key, value in own.knobs.items()], knobs)
    search = Search(study, start, trees, turned, (*own.subject_to, *limits))
    for knob in turned:
        _, problems = put_changes(search.tree, {knob.name: knob.node(0)})
        if problems:
            raise UsageError(str(replace(problems[0], file=f"--knob {knob.text}", line=0)))
    return search


def _knobs(own: Sequence[str], given: Sequence[str]) -> tuple[Knob, ...]:
    """The knobs of the scenario and of the command line, which come first where both name a value."""
    by_path = {knob.path: knob for knob in map(parse_knob, own)}
    names = [knob.name for knob in map(parse_knob, given)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"--knob {twice} is given twice")
    by_path |= {knob.path: knob for knob in map(parse_knob, given)}
    if not by_path:
        raise UsageError(
            "nothing to search: name knobs with --knob KEY=LOW:HIGH or in the scenario's `optimise: {knobs: ...}`"
        )
    for inner in by_path:
        outer = outer_of(inner, by_path)
        if outer:
            raise UsageError(f"--knob {by_path[inner].name} lies inside another knob, {by_path[outer].name}")
    return tuple(by_path.values())
