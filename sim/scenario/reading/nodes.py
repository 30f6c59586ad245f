"""A scenario as written: a tree of nodes that know where they stand, so that every error can say so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Key = str | int
Path = tuple[Key, ...]
Scalar = str | int | float | bool | None
_ODD = re.compile(r"[.\[\]=]|^\s|\s\Z|^\Z")


class Place(NamedTuple):
    """Where a value was written: a file and line, a `cell` of a table, or an override (`file` is then `--set ...`)."""

    file: str
    line: int = 0
    cell: str = ""


@dataclass(slots=True)
class Node:
    """One value: a scalar, a list of nodes or a mapping of text to nodes. `key_places` says where its keys stand.

    Of a root `before` is the file as written, without what overrides and strategies changed since.
    """

    place: Place
    value: Scalar | list[Node] | dict[str, Node]
    key_places: dict[str, Place] = field(default_factory=dict)
    size: int = 1
    before: Node | None = field(default=None, repr=False, compare=False)

    def child(self, key: Key) -> Node | None:
        """The node under `key`, or None."""
        if isinstance(self.value, dict) and isinstance(key, str):
            return self.value.get(key)
        if isinstance(self.value, list) and isinstance(key, int) and 0 <= key < len(self.value):
            return self.value[key]
        return None


def plain(node: Node) -> Any:
    """The value of `node` in dicts, lists and scalars."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def leaves(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every scalar and every empty collection below `node`, with its path."""
    if isinstance(node.value, dict) and node.value:
        for key, child in node.value.items():
            yield from leaves(child, (*path, key))
    elif isinstance(node.value, list) and node.value:
        for index, child in enumerate(node.value):
            yield from leaves(child, (*path, index))
    else:
        yield path, node


def locate(root: Node, path: Path) -> tuple[Path, Node, Place]:
    """How far `path` leads in the file: the part that was written, the node there, and the place to point at.

    A key that was written but is not a node (an unknown key) is found too; for what is absent the place is that of
    the mapping it is missing from. Parts that the file does not spell out (the inside of a short form) are skipped.
    """
    node, place, seen = root, root.place, []
    for index, key in enumerate(path):
        child = node.child(key)
        if child is None:
            if isinstance(node.value, dict) and index == len(path) - 1:
                seen.append(key)
            continue
        place = node.key_places.get(key, child.place) if isinstance(key, str) else child.place
        node = child
        seen.append(key)
    return tuple(seen), node, place


def dotted(path: Path) -> str:
    """`('programme', 'broadcasts', 0, 'start')` -> `programme.broadcasts[0].start`; a key that could not be told apart
    stands as in `categories["T-shirts, etc."]`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        elif _ODD.search(key):
            text += f"[{json.dumps(key, ensure_ascii=False)}]"
        else:
            text += f".{key}" if text else key
    return text


def shown(value: Any, limit: int = 60) -> str:
    """A value as people would recognise it, cut to `limit` characters."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
