"""Knobs: values of a scenario that a search may turn. `KEY=LOW:HIGH`, `KEY=LOW:HIGH:STEP`, or `KEY=one|other|third`.

Every knob is a whole number from 0 to its `count` less 1, which stands for a value as the file would have it. So a
search meets no rounding, and what it finds is what people would write.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sim.errors import ScenarioError, UsageError
from sim.scenario.amounts import common_unit, count_of, is_whole, measure, measured, written
from sim.scenario.reading.nodes import Node, Path, Place, Scalar, dotted, plain
from sim.scenario.reading.vary import parse_path
from sim.scenario.reading.yaml_tree import read_yaml
from sim.scenario.shape import annotation_at
from sim.scenario.texts import scalar, split
from sim.scenario.units import US_PER_DAY, US_PER_H, US_PER_MIN, US_PER_S

_FORM = "write KEY=LOW:HIGH, KEY=LOW:HIGH:STEP or KEY=one|other, such as stock.S=500:5000:100 or stock.policy=none|s_S"
#: A range without a step gets one of about this many parts.
_PARTS = 50
_MOST_VALUES = 10_000_000
_CLOCK_STEPS_US = (US_PER_DAY, US_PER_H, US_PER_MIN, US_PER_S, 1_000)


class WrongKnobError(UsageError):
    """A knob that cannot be read; `reason` says why."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"--knob {text!r}: {reason}")
        self.reason = reason


@dataclass(frozen=True)
class Knob:
    """One value that is searched over: `count` values at `path`, either low + k x step in `unit`, or `choices`."""

    path: Path
    text: str
    count: int
    low: float = 0.0
    step: float = 1.0
    unit: str = ""  # as in `sim.scenario.amounts`
    whole: bool = False
    choices: tuple[Node, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The dotted path."""
        return dotted(self.path)

    def node(self, code: int) -> Node:
        """The value that `code` stands for, as a piece of the file."""
        if self.choices:
            return self.choices[code]
        return Node(Place(f"--knob {self.text}"), written(self.unit, self.whole, self.number(code)))

    def number(self, code: int) -> float:
        """The value in its unit (us, minor units, a share or a plain number); of a choice its place."""
        return float(code) if self.choices else round(self.low + code * self.step, 9)

    def shown(self, code: int) -> str:
        """The value as people write it."""
        return self.labels[code] if self.choices else str(self.node(code).value)

    def code_of(self, node: Node | None) -> int | None:
        """The code of a value that stands in a file, or None where the search does not reach it."""
        if node is None:
            return None
        if self.choices:
            found = [k for k, choice in enumerate(self.choices) if plain(choice) == plain(node)]
            return found[0] if found else None
        code = self._position(node)
        near = None if code is None else self.clipped_code(self.low + code * self.step)
        return near if near is not None and code is not None and abs(code - near) <= 1e-6 else None

    def code_from(self, node: Node | None) -> int:
        """The code nearest to a value that stands in a file; 0 for what is no value of the knob."""
        exact, code = self.code_of(node), None if node is None or self.choices else self._position(node)
        if exact is not None:
            return exact
        return 0 if code is None else self.clipped_code(self.low + code * self.step)

    def clipped_code(self, number: float) -> int:
        """The code nearest to a number in the knob's unit."""
        return min(self.count - 1, max(0, round((number - self.low) / self.step)))

    def _position(self, node: Node) -> float | None:
        """Where a value stands, in steps from the lowest; None for what has another unit."""
        measured = measure(node.value)
        if measured is None or measured[0] not in (self.unit, "" if self.unit == "share" else self.unit):
            return None
        return (measured[1] - self.low) / self.step


def outer_of(path: Path, others: Iterable[Path]) -> Path | None:
    """The one of the other knobs' paths that `path` lies inside of."""
    return next((other for other in others if other != path and path[: len(other)] == other), None)


def parse_knob(text: str) -> Knob:
    """A knob from the command line or from the scenario's `optimise:`. Raises UsageError."""
    key, _, tail = text.partition("=")
    try:
        path = parse_path(key.strip())
    except Exception:  # the override's own error has no place here
        raise WrongKnobError(text, _FORM) from None
    options = split(tail, "|")
    if len(options) > 1:
        return _choices(text, path, options)
    found = _range(text, path, [part.strip() for part in split(tail, ":")])
    if found.count < 2:
        raise WrongKnobError(text, "one value leaves nothing to search; give a range or several choices")
    if found.count > _MOST_VALUES:
        raise WrongKnobError(text, f"{found.count:,} values; give a larger step")
    return found


def _choices(text: str, path: Path, options: list[str]) -> Knob:
    nodes = []
    for option in options:
        try:
            node, problems = read_yaml(option.strip(), f"--knob {text}", first_line=0)
        except ScenarioError as error:
            problems = list(error.problems)
        if problems:
            raise WrongKnobError(text, f"{option.strip()}: {problems[0].message}")
        nodes.append(node)
    values = [plain(node) for node in nodes]
    if any(value in values[:k] for k, value in enumerate(values)):
        raise WrongKnobError(text, "a choice is given twice")
    labels = tuple(option.strip() for option in options)
    return Knob(path, text, len(nodes), choices=tuple(nodes), labels=labels)


def _range(text: str, path: Path, parts: list[str]) -> Knob:
    values = [scalar(part) for part in parts]
    read = measured(values)
    if read is None or not 2 <= len(read) <= 3:
        raise WrongKnobError(text, _FORM)
    unit = common_unit(read)
    if unit is None:
        raise WrongKnobError(text, "its values need one unit")
    whole = unit == "" and _takes_whole(path, values)
    low, high = read[0][1], read[1][1]
    step = read[2][1] if len(read) == 3 else _step(unit, whole, high - low)
    if high <= low or step <= 0:
        raise WrongKnobError(text, "the range is empty; LOW is below HIGH and STEP above 0")
    if whole and not all(float(number).is_integer() for number in (low, high, step)):
        raise WrongKnobError(text, f"{dotted(path)} takes whole numbers")
    return Knob(path, text, count_of(low, high, step), low, step, unit, whole)


def _takes_whole(path: Path, values: Sequence[Scalar]) -> bool:
    """Whether a knob stands for whole numbers: as the schema says or, where that says nothing, as they are written."""
    annotation = annotation_at(path)
    return is_whole(annotation) or (annotation is None and all(isinstance(value, int) for value in values))


def _step(unit: str, whole: bool, span: float) -> float:
    """A step that people would choose: a whole unit, minute or penny, or a power of ten."""
    if span <= 0:
        return 1.0
    if unit == "us":
        return float(next((step for step in _CLOCK_STEPS_US if span >= _PARTS * step), 1))
    if whole or unit not in ("", "share"):
        return 1.0
    return float(10.0 ** math.floor(math.log10(span / _PARTS)))
