"""Scenario files -> `Scenario`: read, override, check against the schema, check the parts against each other.

All problems are told at once, each with file, line, dotted path, what was found and what is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path as FilePath
from typing import NamedTuple

from pydantic import ValidationError

from sim.errors import Problem, ScenarioError
from sim.scenario.crosscheck import crosscheck
from sim.scenario.files import read_text
from sim.scenario.findings import MAX_COLLECTED, Finding
from sim.scenario.nodes import Node, plain, shown
from sim.scenario.problems import limited, problem_at, schema_problems
from sim.scenario.repair import crosscheck_the_rest
from sim.scenario.schema import Scenario
from sim.scenario.vary import apply_overrides
from sim.scenario.yaml_tree import read_yaml


class Loaded(NamedTuple):
    """A scenario and what was written for it: the tree of the file with overrides and catalogue put in."""

    scenario: Scenario
    written: Node


def load_scenario(path: str | FilePath, overrides: Sequence[str] = ()) -> Scenario:
    """Read the scenario file at `path`; each override is `dotted.path=value`. Raises ScenarioError."""
    return load_with_source(path, overrides).scenario


def load_with_source(path: str | FilePath, overrides: Sequence[str] = ()) -> Loaded:
    """Like `load_scenario`, with the tree of what was written (for `sim.scenario.provenance`)."""
    file = FilePath(path)
    return _load(read_text(file), str(path), file.parent, overrides)


def scenario_from_text(text: str, file: str = "<text>", overrides: Sequence[str] = ()) -> Scenario:
    """Read a scenario from YAML text; a catalogue file is looked for in the working directory."""
    return _load(text, file, FilePath("."), overrides).scenario


def _load(text: str, file: str, folder: FilePath, overrides: Sequence[str]) -> Loaded:
    root, problems = read_yaml(text, file)
    if root.value is None:
        raise ScenarioError(Problem(file, 0, "", "the file is empty", allowed="a mapping with name, catalogue, ..."))
    if not isinstance(root.value, dict):
        line = root.place.line
        raise ScenarioError(Problem(file, line, "", "not a scenario", shown(root.value), "a mapping with name, ..."))
    root, more = apply_overrides(root, overrides, folder)
    scenario, found = _validate(root)
    problems += more + found
    if problems or scenario is None:
        raise ScenarioError(limited(sorted(dict.fromkeys(problems), key=lambda p: (p.file != file, p.file, p.line))))
    return Loaded(scenario, root)


def _validate(root: Node) -> tuple[Scenario | None, list[Problem]]:
    """The scenario, where the tree fits the schema, and every problem with it."""
    try:
        scenario = Scenario.model_validate(plain(root), by_alias=True, by_name=False)
    except ValidationError as error:
        return None, schema_problems(error, root) + _told(root, crosscheck_the_rest(root, error))
    return scenario, _told(root, crosscheck(scenario))


def _told(root: Node, findings: Iterable[Finding]) -> list[Problem]:
    return [
        problem_at(root, finding.path, finding.message, finding.allowed, finding.found)
        for finding in islice(findings, MAX_COLLECTED)
    ]
