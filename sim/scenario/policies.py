"""Dated policies of platforms: files whose values stand in for what a scenario leaves to its defaults.

`dispatch: {policy: tiktok_us_2026_03}` names one that is shipped, `{policy: mine.yaml}` a file of the same form beside
the scenario. What the scenario writes itself wins; the name is gone once its values are in place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path as FilePath

from sim.errors import Problem, ScenarioError
from sim.scenario.reading.files import read_text
from sim.scenario.reading.nodes import Node, Path, Place, dotted, shown
from sim.scenario.reading.vary import fill_in, parse_path
from sim.scenario.reading.yaml_tree import read_yaml
from sim.scenario.shape import annotation_at, listing_of, suggestion

_SHIPPED = FilePath(__file__).parent / "dispatch_policies"
_FORM = "`title`, `read` and `values`, a mapping of paths to {value: ..., source: ..., known: published or secondhand}"
_KNOWN = ("published", "secondhand")
_ALLOWED = ("dispatch", "confirmation")  # the parts that a policy may fill in


@dataclass(frozen=True)
class Policy:
    """A policy file: what it is called, and by path its values and where they were read."""

    title: str
    read: str
    values: dict[Path, Node]
    sources: dict[Path, str]


def shipped_policies() -> list[str]:
    """The names of the policies that come with the package."""
    return sorted(file.stem for file in _SHIPPED.glob("*.yaml"))


def policy_of(root: Node) -> Policy | None:
    """The policy that a scenario's tree names, None where it names none. Raises ScenarioError."""
    rules = root.child("dispatch")
    node = rules.child("policy") if rules is not None else None
    if node is None or node.value in (None, ""):
        return None
    name = str(node.value)
    if name.endswith((".yaml", ".yml")):
        scenario = FilePath(node.place.file)
        return _read((scenario.parent if scenario.is_file() else FilePath()) / name)
    if name not in shipped_policies():
        known = shipped_policies()
        message, allowed = (
            f"no such policy{suggestion(name, known)}",
            f"{listing_of(known)}, or the path of a .yaml file",
        )
        place = node.place
        raise ScenarioError(Problem(place.file, place.line, "dispatch.policy", message, shown(name), allowed))
    return _read(_SHIPPED / f"{name}.yaml")


def with_policy(root: Node) -> Node:
    """The tree with the values of the policy that it names, where it has none of its own. Raises ScenarioError."""
    policy = policy_of(root)
    if policy is None or not isinstance(root.value, dict):
        return root
    for path, node in policy.values.items():
        if not _is_written(root, path):
            root = fill_in(root, path, node)
    if not _is_written(root, ("dispatch", "rules")):
        place = next(iter(policy.values.values())).place
        root = fill_in(root, ("dispatch", "rules"), Node(place, policy.title))
    rules = root.child("dispatch")
    assert rules is not None
    assert isinstance(rules.value, dict)
    kept = {key: node for key, node in rules.value.items() if key != "policy"}
    assert isinstance(root.value, dict)
    return replace(root, value={**root.value, "dispatch": replace(rules, value=kept)})


def _is_written(root: Node, path: Path) -> bool:
    node: Node | None = root
    for key in path:
        node = node.child(key) if node is not None else None
    return node is not None


@cache
def _read(file: FilePath) -> Policy:
    root, problems = read_yaml(read_text(file, "policy"), str(file))
    if problems:
        raise ScenarioError(problems)
    values = root.child("values")
    if values is None or not isinstance(values.value, dict) or not values.value:
        raise ScenarioError(Problem(str(file), root.place.line, "", "not a policy", "", _FORM))
    found: dict[Path, Node] = {}
    sources: dict[Path, str] = {}
    for text, row in values.value.items():
        path = parse_path(text)
        _check(file, path, row)
        found[path], known = row.child("value") or row, str((row.child("known") or row).value)
        source = str((row.child("source") or row).value)
        sources[path] = f"{_text(root, 'title')}: {source}" + (" (secondhand)" if known != _KNOWN[0] else "")
    return Policy(_text(root, "title"), _text(root, "read"), found, sources)


def _text(root: Node, key: str) -> str:
    node = root.child(key)
    if node is None or not isinstance(node.value, str | int):
        raise ScenarioError(Problem(root.place.file, root.place.line, key, "required, but absent", "", _FORM))
    return str(node.value)


def _check(file: FilePath, path: Path, row: Node) -> None:
    """Raise ScenarioError where a row of a policy is not of the form."""
    place: Place = row.place
    if path[0] not in _ALLOWED or annotation_at(path) is None:
        allowed = "a path such as dispatch.dispatch_days"
        raise ScenarioError(Problem(str(file), place.line, dotted(path), "not a value of a policy", "", allowed))
    rows = row.value if isinstance(row.value, dict) else {}
    known = rows.get("known")
    if set(rows) != {"value", "source", "known"} or known is None or known.value not in _KNOWN:
        raise ScenarioError(Problem(str(file), place.line, dotted(path), "wrong form", "", _FORM))
