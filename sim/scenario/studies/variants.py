"""The strategies of a scenario as trees: the scenario as written with what each of them changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import NamedTuple

from sim.errors import Problem, ScenarioError, UsageError
from sim.scenario.reading.nodes import Node, Place
from sim.scenario.reading.vary import put_changes
from sim.scenario.reading.yaml_tree import read_yaml
from sim.scenario.texts import split

_FORM = "NAME=KEY=VALUE,KEY=VALUE such as big=stock.policy=s_S,stock.S=900"


class Variant(NamedTuple):
    """A strategy's name, its tree, and the problems met while making it."""

    name: str
    tree: Node
    problems: list[Problem]


def variants(root: Node, folder: FilePath) -> list[Variant]:
    """Every strategy of the tree, in order. Elements of a wrong form are left to the schema."""
    listed = root.child("strategies")
    found = []
    for number, element in enumerate(listed.value if listed is not None and isinstance(listed.value, list) else []):
        name, changes = element.child("name"), element.child("set")
        called = str(name.value) if name is not None else f"strategies[{number}]"
        given = changes.value if changes is not None and isinstance(changes.value, dict) else {}
        tree, problems = put_changes(root, given)
        found.append(Variant(called, tree, [of_strategy(called, problem) for problem in problems]))
    return found


def of_strategy(name: str, problem: Problem) -> Problem:
    """The problem, told of a strategy."""
    return replace(problem, path=f"strategy {name}: {problem.path}")


def add_strategies(root: Node, texts: Sequence[str]) -> Node:
    """The tree with `NAME=KEY=VALUE,KEY=VALUE` from the command line among its strategies. Raises UsageError.

    A strategy of a name that the file has already takes that one's place.
    """
    if not texts or not isinstance(root.value, dict):
        return root
    listed = root.child("strategies")
    elements = list(listed.value) if listed is not None and isinstance(listed.value, list) else []
    for text in texts:
        added = _strategy(text)
        elements = [*(element for element in elements if _name(element) != _name(added)), added]
    place = Place(f"--strategy {texts[0]}")
    return replace(root, value={**root.value, "strategies": Node(place, elements)})


def _name(element: Node) -> object:
    name = element.child("name")
    return None if name is None else name.value


def _strategy(text: str) -> Node:
    place = Place(f"--strategy {text}")
    name, equals, tail = text.partition("=")
    changes = {}
    for change in split(tail, ","):
        key, sign, value = change.partition("=")
        if not key.strip() or not sign or not value.strip():
            raise UsageError(f"--strategy {text!r}: write {_FORM}")
        changes[key.strip()] = _value(text, value, place)
    if not name.strip() or (equals and not changes):
        raise UsageError(f"--strategy {text!r}: write {_FORM}")
    return Node(place, {"name": Node(place, name.strip()), "set": Node(place, changes)})


def _value(text: str, value: str, place: Place) -> Node:
    try:
        node, problems = read_yaml(value, place.file, first_line=0)
    except ScenarioError as error:
        problems = list(error.problems)
    if problems:
        raise UsageError(f"--strategy {text!r}: {value.strip()}: {problems[0].message}")
    return node
