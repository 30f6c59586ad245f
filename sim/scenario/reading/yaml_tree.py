"""YAML text -> a tree of nodes with line numbers, within limits, and without YAML 1.1's surprises.

Only `true` and `false` are booleans (`on`, `off`, `yes`, `no` are text), `18:00` is text and not a number to base 60,
`010` is text and not octal, dates are text, keys are always text and may not repeat, and tags other than `!!str` are
refused. What is no finite number stays text. Aliases count with everything that they repeat.
"""

from __future__ import annotations

import math
import re
from typing import NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from sim.errors import Problem, ScenarioError
from sim.scenario.reading.nodes import Node, Place, Scalar, shown

MAX_NODES = 200_000
MAX_DEPTH = 24
MAX_DIGITS = 30
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(?:0|[1-9]\d*(?:_\d+)*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?\Z")
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null", "Null", "NULL")
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")


def read_yaml(text: str, file: str, first_line: int = 1) -> tuple[Node, list[Problem]]:
    """Parse one YAML document into a tree; the problems are keys that were given twice.

    Raises ScenarioError for anything that is not plain, valid and within limits.
    """
    reader = _Reader(text, file, first_line)
    return reader.read(), reader.problems


class _Reader:
    """Builds nodes from the parser's events without recursion, so that deep nesting cannot break the stack."""

    def __init__(self, text: str, file: str, first_line: int) -> None:
        self.text, self.file, self.first_line = text, file, first_line
        self.anchors: dict[str, Node] = {}
        self.open: list[tuple[Node, str | None]] = []  # collections begun, with their anchors
        self.keys: list[tuple[str, Place] | None] = []  # for each open collection the key that waits for its value
        self.documents = self.count = 0
        self.problems: list[Problem] = []

    def read(self) -> Node:
        root: Node | None = None
        try:
            for event in yaml.parse(self.text, Loader=_LOADER):
                done = self._take(event)
                root = done if done is not None and not self.open else root
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
        except yaml.YAMLError as error:
            self._refuse(0, "not valid YAML", shown(str(error).splitlines()[0]), "printable characters")
        return root or Node(Place(self.file, self.first_line), None)

    def _take(self, event: Event) -> Node | None:
        """Handle one event; return the node that it completes."""
        if isinstance(event, DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._refuse(self._line(event), "a second document begins", "'---'", "one document a file")
        elif isinstance(event, ScalarEvent):
            return self._scalar(event)
        elif isinstance(event, AliasEvent):
            return self._alias(event)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._begin(event)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            node, anchor = self.open.pop()
            self.keys.pop()
            return self._complete(node, anchor)
        return None

    def _begin(self, event: MappingStartEvent | SequenceStartEvent) -> None:
        line = self._line(event)
        mapping = isinstance(event, MappingStartEvent)
        if event.tag is not None:
            self._refuse(line, "tags are not allowed", shown(event.tag), "plain values")
        if self.open and isinstance(self.open[-1][0].value, dict) and self.keys[-1] is None:
            self._refuse(line, "a key must be plain text", "a mapping" if mapping else "a list", "text")
        if len(self.open) >= MAX_DEPTH:
            self._refuse(line, "nested too deeply", f"more than {MAX_DEPTH} levels", f"at most {MAX_DEPTH}")
        self._grow(1, line)
        self.open.append((Node(Place(self.file, line), {} if mapping else []), event.anchor))
        self.keys.append(None)

    def _scalar(self, event: ScalarEvent) -> Node | None:
        place = Place(self.file, self._line(event))
        if event.tag not in (None, *_TEXT_TAGS):
            self._refuse(place.line, "tags are not allowed", shown(event.tag), "plain values")
        if self.open and isinstance(self.open[-1][0].value, dict) and self.keys[-1] is None:
            self._key(event.value, place)
            return None
        self._grow(1, place.line)
        value = event.value if event.tag or event.style else resolve(event.value)
        return self._complete(Node(place, value), event.anchor)

    def _key(self, key: str, place: Place) -> None:
        known = self.open[-1][0].key_places
        if key in known:
            path = ".".join(filter(None, (self._path(), key)))
            message = f"the key is given twice, first in line {known[key].line}"
            self.problems.append(Problem(self.file, place.line, path, message))
        known[key] = place
        self.keys[-1] = (key, place)

    def _alias(self, event: AliasEvent) -> Node:
        node = self.anchors.get(str(event.anchor))
        if node is None:
            where = "inside itself" if any(name == event.anchor for _, name in self.open) else "that is not defined"
            self._refuse(self._line(event), f"the alias stands {where}", f"'*{event.anchor}'", "an alias defined above")
        if self.open and isinstance(self.open[-1][0].value, dict) and self.keys[-1] is None:
            self._refuse(self._line(event), "a key must be plain text", f"'*{event.anchor}'", "text")
        self._grow(node.size, self._line(event))
        return self._complete(node, None)

    def _complete(self, node: Node, anchor: str | None) -> Node:
        if anchor is not None:
            self.anchors[anchor] = node
        if self.open:
            parent = self.open[-1][0]
            parent.size += node.size
            if isinstance(parent.value, list):
                parent.value.append(node)
            else:
                self._put(parent, node)
        return node

    def _put(self, parent: Node, node: Node) -> None:
        key, place = self.keys[-1] or ("", node.place)
        self.keys[-1] = None
        assert isinstance(parent.value, dict)
        if key != "<<":
            parent.value[key] = node
            return
        del parent.key_places[key]
        for source in reversed(node.value) if isinstance(node.value, list) else [node]:
            if not isinstance(source.value, dict):
                self._refuse(place.line, "'<<' merges mappings", shown(source.value), "an alias of a mapping")
            for name, child in source.value.items():
                if name not in parent.key_places:
                    parent.value[name] = child

    def _path(self) -> str:
        text = ""
        for (node, _), key in zip(self.open, self.keys, strict=True):
            if isinstance(node.value, list):
                text += f"[{len(node.value)}]"
            elif key is not None:
                text += f".{key[0]}" if text else key[0]
        return text

    def _grow(self, nodes: int, line: int) -> None:
        self.count += nodes
        if self.count > MAX_NODES:
            allowed = f"at most {MAX_NODES:,} values, aliases written out (a large catalogue goes into a CSV file)"
            self._refuse(line, "too many values", f"more than {MAX_NODES:,}", allowed)

    def _line(self, event: Event) -> int:
        mark = event.start_mark
        return self._numbered(mark.line if mark is not None else 0)

    def _numbered(self, line: int) -> int:
        """A line as people count; 0 (unknown) inside an override."""
        return line + self.first_line if self.first_line else 0

    def _refuse(self, line: int, message: str, found: str, allowed: str) -> NoReturn:
        raise ScenarioError([*self.problems, Problem(self.file, line, self._path(), message, found, allowed)])

    def _syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        mark = error.problem_mark or error.context_mark
        if error.context == "while scanning a simple key":  # the colon is missing there, and missed only further down
            mark = error.context_mark
        number, at = (mark.line, mark.column) if mark is not None else (0, 0)
        line = self._numbered(number)
        lines = self.text.splitlines()
        source = lines[number] if number < len(lines) else ""
        if "\t" in source[: len(source) - len(source.lstrip())] or source[at : at + 1] == "\t":
            self._refuse(line, "a tab stands where YAML needs spaces", "a tab", "spaces")
        message = f"not valid YAML: {error.problem or error.context} (column {at + 1})"
        self._refuse(line, message, shown(source.strip()) if source.strip() else "", "")


def resolve(text: str) -> Scalar:
    """The value of a plain scalar; what is no number that can be used (`.nan`, `1e999`) stays text."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.match(text) and len(text) <= MAX_DIGITS:
        return int(text)
    if len(text) <= 2 * MAX_DIGITS and _FLOAT.match(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text
