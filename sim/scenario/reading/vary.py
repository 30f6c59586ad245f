"""Dotted overrides: `stock.policy=base_stock`, `catalogue[0].price=9.90 GBP`, `catalogue.lipstick.price=9.90 GBP`.

The value is read as YAML. A list element is named by its number or by its name (`catalogue[No.5].price` for a name with
dots; `categories["[a] = b"]` for any key). What the file leaves to its default is filled in first, so that
`payment.methods[0].declines=5 %` works.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from sim.errors import Problem, ScenarioError
from sim.scenario.reading.catalogue import read_catalogue
from sim.scenario.reading.nodes import Key, Node, Path, Place, dotted, shown
from sim.scenario.reading.yaml_tree import read_yaml
from sim.scenario.shape import field_at, keys_at, listing_of, suggestion

_STEP = re.compile(r'\[("(?:[^"\\]|\\.)*")\]|\[([^\[\]]+)\]|\.?([^.\[\]=]+)')
#: Keys by which an element of a list may be called.
_NAMES = ("name", "listing", "sku", "currency", "endpoint")


class _WrongOverrideError(Exception):
    """An override that cannot be applied: path, message, found, allowed."""


def apply_overrides(root: Node, overrides: Sequence[str], folder: FilePath) -> tuple[Node, list[Problem]]:
    """Put overrides and the catalogue file into the tree; return it with the problems met on the way."""
    problems: list[Problem] = []
    for text in overrides:
        try:
            path, value = _parse(text)
            if path[0] == "catalogue" and len(path) > 1:
                root = _with_catalogue(root, folder)
            root = _put(root, path, value, ())
        except _WrongOverrideError as error:
            at, message, found, allowed = error.args
            problems.append(Problem(f"--set {text}", 0, dotted(at), message, found, allowed))
        except ScenarioError as error:
            problems += error.problems
    try:
        return _with_catalogue(root, folder), list(dict.fromkeys(problems))
    except ScenarioError as error:
        raise ScenarioError(list(dict.fromkeys([*problems, *error.problems]))) from None


#: What a strategy must not change: sums would be of two currencies, buyers not the same, times of two lengths.
_SHARED = ("strategies", "reporting_currency", "seed", "horizon")


def put_changes(root: Node, changes: Mapping[str, Node]) -> tuple[Node, list[Problem]]:
    """Put a strategy's changes, `dotted.path` -> value, into the tree; return it with the problems met on the way."""
    problems: list[Problem] = []
    for text, value in changes.items():
        try:
            path = parse_path(text)
            if path[0] in _SHARED:
                raise _WrongOverrideError(path, f"a strategy cannot change the {path[0]}", "", "another key")
            root = put(root, path, value)
        except _WrongOverrideError as error:
            at, message, found, allowed = error.args
            place = value.place
            problems.append(Problem(place.file, place.line, dotted(at) or text, message, found, allowed, place.cell))
    return root, problems


def put(root: Node, path: Path, value: Node) -> Node:
    """A copy of the tree with `value` at `path`; what the schema fills in on the way is spelled out."""
    return _put(root, path, value, ())


def fill_in(root: Node, path: Path, value: Node) -> Node:
    """A copy of the tree with `value`, which nobody wrote, at `path`, where nothing stands yet.

    What was written keeps its place. The tree as it is where something else is written above, which the schema refuses.
    """
    try:
        return _put(root, path, value, (), written=False)
    except _WrongOverrideError:
        return root


def node_at(root: Node, path: Path) -> Node | None:
    """What is written at `path`, whose list elements are named by number or by name; None where nothing is."""
    node: Node | None = root
    for key in path:
        if node is not None and isinstance(node.value, list) and isinstance(key, str):
            names = [_name_of(element) for element in node.value]
            node = node.value[names.index(key)] if names.count(key) == 1 else None
        elif node is not None:
            node = node.child(key)
    return node


def parse_path(text: str) -> Path:
    """`catalogue.lipstick.price` or `payment.methods[0].declines` as a path."""
    return _parse(f"{text}=0")[0]


def _parse(text: str) -> tuple[Path, Node]:
    path: list[Key] = []
    end = 0
    while match := _STEP.match(text, end):
        path.append(_key(*match.groups()))
        end = match.end()
    tail = text[end + 1 :]
    if text[end : end + 1] != "=" or not path or not isinstance(path[0], str) or end > 500:
        raise _WrongOverrideError((), "not an override", "", "dotted.path=value, such as stock.policy=none")
    if not tail.strip():
        return tuple(path), _text(tail, text)
    value, problems = read_yaml(tail, f"--set {text}", first_line=0)
    if problems:
        raise ScenarioError(problems)
    return tuple(path), value


def _key(quoted: str | None, bracket: str | None, word: str | None) -> Key:
    if quoted:
        try:
            return str(json.loads(quoted))
        except ValueError:  # a backslash that means nothing: it stands for itself
            return quoted[1:-1]
    return int(bracket) if bracket and bracket.isdecimal() else (bracket or word or "").strip()


def _text(value: str, override: str) -> Node:
    return Node(Place(f"--set {override}"), value.strip())


def _put(node: Node, path: Path, value: Node, above: Path, *, written: bool = True) -> Node:
    """A copy of `node` with `value` at `path`; `written`: the keys above it have their place where it has its own."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(node.value, list):
        return _put_in_list(node, _index(node, key, above), rest, value, above, written)
    if not isinstance(node.value, dict):
        raise _WrongOverrideError(
            (*above, key), "cannot be set here, since a plain value stands above it", shown(node.value), ""
        )
    if isinstance(key, int):
        raise _WrongOverrideError((*above, key), "not a list", "", "keys: " + listing_of(keys_at(above), 40))
    return _put_in_mapping(node, key, rest, value, above, written)


def _put_in_list(node: Node, index: int, rest: Path, value: Node, above: Path, written: bool) -> Node:
    assert isinstance(node.value, list)
    changed = list(node.value)
    changed[index] = _put(changed[index], rest, value, (*above, index), written=written)
    return replace(node, value=changed)


def _put_in_mapping(node: Node, key: str, rest: Path, value: Node, above: Path, written: bool) -> Node:
    assert isinstance(node.value, dict)
    known = keys_at(above)
    if known and key not in known:
        raise _WrongOverrideError((*above, key), "unknown key" + suggestion(key, known), "", listing_of(known, 40))
    child = node.value.get(key)
    if child is None or (child.value is None and rest):
        child = _default((*above, key), value.place)
    changed = {**node.value, key: _put(child, rest, value, (*above, key), written=written)}
    place = value.place if written else node.key_places.get(key, value.place)
    return replace(node, value=changed, key_places={**node.key_places, key: place})


def _default(path: Path, place: Place) -> Node:
    """What the schema fills in at `path` as it would be written, or an empty mapping."""
    info = field_at(path)
    default = info.default if info is not None else None
    return _as_node(default if isinstance(default, dict | tuple | list) else {}, place)


def _as_node(value: Any, place: Place) -> Node:
    if isinstance(value, dict):
        return Node(place, {key: _as_node(child, place) for key, child in value.items()})
    if isinstance(value, list | tuple):
        return Node(place, [_as_node(child, place) for child in value])
    return Node(place, value)


def _index(node: Node, key: Key, above: Path) -> int:
    """The number of the list element that `key` names."""
    assert isinstance(node.value, list)
    if isinstance(key, int):
        if key < len(node.value):
            return key
        raise _WrongOverrideError((*above, key), "no such element", "", f"0 to {len(node.value) - 1}")
    names = [_name_of(element) for element in node.value]
    if names.count(key) == 1:
        return names.index(key)
    message = f"{names.count(key)} elements have this name" if key in names else "no element has this name"
    raise _WrongOverrideError(
        (*above, key), message + suggestion(key, names), "", listing_of(list(filter(None, names)))
    )


def _name_of(element: Node) -> str:
    named = (element.child(key) for key in _NAMES)
    return next((str(node.value) for node in named if node is not None), "")


def _with_catalogue(root: Node, folder: FilePath) -> Node:
    """The tree with a catalogue file read in, where `catalogue` is a path."""
    catalogue = root.child("catalogue")
    if catalogue is None or not isinstance(catalogue.value, str) or not isinstance(root.value, dict):
        return root
    return replace(root, value={**root.value, "catalogue": read_catalogue(catalogue.value, folder, catalogue.place)})
