"""Where every value of a scenario comes from: written by its author (`yours`), or a default and its source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from sim.scenario.parts.base import Duration
from sim.scenario.policies import Policy, policy_of
from sim.scenario.reading.nodes import Node, Path, dotted
from sim.scenario.schema import Scenario
from sim.scenario.shape import field_names, fields_by_key
from sim.scenario.studies.uncertain import KEYS
from sim.scenario.units import Money
from sim.scenario.writing.human import field_text, value_text
from sim.scenario.writing.sources import ASSUMED, NOTHING, source_of


class ValueRow(NamedTuple):
    """One value: its dotted path, the value as people write it, where it comes from and (defaults) on what it rests."""

    path: str
    value: Any
    origin: Literal["yours", "default"]
    source: str


def provenance(scenario: Scenario, written: Node | None = None) -> list[ValueRow]:
    """Every value of `scenario` in the order of the schema; `written` is the tree that `load_with_source` returns.

    Without `written` nothing is known to be yours, and every value is marked default.
    """
    policy = policy_of(written) if written is not None else None
    rows = list(_rows(scenario, written, ()))
    return rows if policy is None else [_of_policy(row, policy) for row in rows]


def _of_policy(row: ValueRow, policy: Policy) -> ValueRow:
    """A value that the scenario leaves to a policy rests on that policy's source."""
    if row.origin == "yours":
        return row
    around = (path for path in policy.sources if f"{row.path}.".startswith((f"{dotted(path)}.", f"{dotted(path)}[")))
    source = next((policy.sources[path] for path in around), row.source)
    return row._replace(source=policy.title if row.path == "dispatch.rules" else source)


def _rows(value: Any, node: Node | None, path: Path) -> Iterator[ValueRow]:
    if isinstance(value, Duration):
        node = _spelled_out(node, "mean", "median", "sigma")
    if isinstance(value, BaseModel) and not isinstance(value, Money):
        names = field_names(type(value))
        for key, info in fields_by_key(type(value)).items():
            name = names[key]
            if not _unused(value, name):
                yield from _rows(field_text(info, getattr(value, name)), _child(node, key), (*path, key))
    elif isinstance(value, tuple | list) and value:
        for i, element in enumerate(value):
            yield from _rows(element, _child(node, i), (*path, i))
    elif isinstance(value, dict) and value:
        for key, element in value.items():
            yield from _rows(element, _child(node, key), (*path, key))
    else:
        yield _row(value_text(value), node, path)


def _row(value: Any, node: Node | None, path: Path) -> ValueRow:
    shown = [] if value == () else {} if value == {} else value
    if node is not None:
        return ValueRow(dotted(path), shown, "yours", node.place.file if node.place.file.startswith("--set") else "")
    empty = shown in (None, "", [], {}) or (path[-1] == "at_most" and value == "0s")
    source = source_of(path)
    return ValueRow(dotted(path), shown, "default", NOTHING if empty and source == ASSUMED else source)


def _child(node: Node | None, key: str | int) -> Node | None:
    if node is None:
        return None
    child = node.child(key)
    if child is not None or isinstance(node.value, dict):
        return child
    if isinstance(node.value, list):
        return node if key == "shifts" else None  # a list alone is the short form of shifts
    return node if key == "constant" else None  # as a number alone is that of a constant


def _spelled_out(node: Node | None, *keys: str) -> Node | None:
    """A short form (`250ms`, `premium`) as the mapping that it stands for."""
    if node is None or isinstance(node.value, list) or (isinstance(node.value, dict) and set(node.value) != set(KEYS)):
        return node
    return Node(node.place, dict.fromkeys(("dist", *keys), node))


def _unused(part: BaseModel, name: str) -> bool:
    """Whether the field means nothing for this law of a duration."""
    return isinstance(part, Duration) and name in part.unused()
