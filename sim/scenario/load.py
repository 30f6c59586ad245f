"""Scenario files -> `Scenario`: read, override, check against the schema, check the parts against each other.

All problems are told at once, each with file, line, dotted path, what was found and what is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path as FilePath
from typing import NamedTuple

from pydantic import ValidationError

from sim.errors import Problem, ScenarioError
from sim.scenario.checks.crosscheck import crosscheck
from sim.scenario.checks.findings import MAX_COLLECTED, Finding
from sim.scenario.checks.search import search_problems
from sim.scenario.policies import with_policy
from sim.scenario.reading.files import read_text
from sim.scenario.reading.nodes import Node, plain, shown
from sim.scenario.reading.problems import limited, problem_at, schema_problems
from sim.scenario.reading.repair import crosscheck_the_rest
from sim.scenario.reading.vary import apply_overrides, put
from sim.scenario.reading.yaml_tree import read_yaml
from sim.scenario.references import with_references
from sim.scenario.schema import Scenario
from sim.scenario.studies.uncertain import Uncertain, take_uncertain
from sim.scenario.studies.variants import Variant, of_strategy, variants


class Loaded(NamedTuple):
    """A scenario and what was written for it: the tree of the file with overrides and catalogue put in.

    Uncertain inputs have their modes in the scenario and stand in the tree as written.
    """

    scenario: Scenario
    written: Node

    @property
    def uncertain(self) -> list[Uncertain]:
        """The uncertain inputs, in the order of the file."""
        return take_uncertain(self.written)[1]


def load_scenario(path: str | FilePath, overrides: Sequence[str] = ()) -> Scenario:
    """Read the scenario file at `path`; each override is `dotted.path=value`. Raises ScenarioError."""
    return load_with_source(path, overrides).scenario


def load_with_source(path: str | FilePath, overrides: Sequence[str] = ()) -> Loaded:
    """Like `load_scenario`, with the tree of what was written (for `sim.scenario.writing.provenance`)."""
    root, folder, problems = read_root(path, overrides)
    return validate_root(root, folder, str(path), problems)


def scenario_from_text(text: str, file: str = "<text>", overrides: Sequence[str] = ()) -> Scenario:
    """Read a scenario from YAML text; a catalogue file is looked for in the working directory."""
    folder = FilePath(".")
    root, problems = _root_of(text, file, folder, overrides)
    return validate_root(root, folder, file, problems).scenario


def read_root(path: str | FilePath, overrides: Sequence[str] = ()) -> tuple[Node, FilePath, list[Problem]]:
    """The tree of a file with overrides and catalogue put in, its folder, and the problems met on the way."""
    file = FilePath(path)
    root, problems = _root_of(read_text(file), str(path), file.parent, overrides)
    return root, file.parent, problems


def _root_of(text: str, file: str, folder: FilePath, overrides: Sequence[str]) -> tuple[Node, list[Problem]]:
    root, problems = read_yaml(text, file)
    if root.value is None:
        raise ScenarioError(Problem(file, 0, "", "the file is empty", allowed="a mapping with name, catalogue, ..."))
    if not isinstance(root.value, dict):
        line = root.place.line
        raise ScenarioError(Problem(file, line, "", "not a scenario", shown(root.value), "a mapping with name, ..."))
    changed, more = apply_overrides(root, overrides, folder)
    return replace(changed, before=_as_written(root, folder) if overrides else changed), problems + more


def _as_written(root: Node, folder: FilePath) -> Node | None:
    """The tree of the file alone, with its catalogue; None where that cannot be read (an override may name another)."""
    try:
        return apply_overrides(root, (), folder)[0]
    except ScenarioError:
        return None


def validate_root(root: Node, folder: FilePath, file: str, problems: list[Problem]) -> Loaded:
    """The scenario of a tree; its strategies and the ends of uncertain inputs are checked too. Raises ScenarioError."""
    with_modes, uncertain, wrong = take_uncertain(root)
    scenario, found = validate_tree(with_modes)
    problems = problems + wrong + found
    if scenario is not None and not problems:
        strategies = variants(root, folder)
        problems += _ends(with_modes, uncertain) + _of_strategies(strategies, uncertain)
        if scenario.optimise.knobs or scenario.optimise.subject_to:
            trees = [root, *(strategy.tree for strategy in strategies)]
            problems += search_problems(root, scenario.optimise, trees)
    if problems or scenario is None:
        raise ScenarioError(limited(sorted(dict.fromkeys(problems), key=lambda p: (p.file != file, p.file, p.line))))
    return Loaded(scenario, root)


def _ends(root: Node, uncertain: Iterable[Uncertain]) -> list[Problem]:
    """What is wrong with the least and the greatest value of each uncertain input."""
    problems = []
    for each in uncertain:
        for text in (each.texts[0], each.texts[2]):
            problems += validate_tree(put(root, each.path, Node(each.place, text)))[1]
    return problems


def _of_strategies(strategies: Iterable[Variant], known: Iterable[Uncertain]) -> list[Problem]:
    """What is wrong with the scenario as a strategy changes it; each of them alone."""
    problems = []
    for name, tree, found in strategies:
        with_modes, uncertain, wrong = take_uncertain(tree)
        if not found and not wrong:
            wrong = validate_tree(with_modes)[1]
        if not found and not wrong:
            wrong = _ends(with_modes, [each for each in uncertain if each not in known])
        problems += found + [of_strategy(name, problem) for problem in wrong]
    return problems


def validate_tree(root: Node) -> tuple[Scenario | None, list[Problem]]:
    """The scenario, where the tree fits the schema, and every problem with it."""
    try:
        root = with_references(with_policy(root))
    except ScenarioError as error:
        return None, list(error.problems)
    try:
        scenario = Scenario.model_validate(plain(root), by_alias=True, by_name=False)
    except ValidationError as error:
        return None, schema_problems(error, root) + _told(root, crosscheck_the_rest(root, error))
    return scenario.read_from(str(FilePath(root.place.file).resolve().parent)), _told(root, crosscheck(scenario))


def _told(root: Node, findings: Iterable[Finding]) -> list[Problem]:
    return [
        problem_at(root, finding.path, finding.message, finding.allowed, finding.found)
        for finding in islice(findings, MAX_COLLECTED)
    ]
