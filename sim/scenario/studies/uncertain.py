"""Inputs that nobody knows exactly: `{low: 5 %, mode: 8 %, high: 20 %}` in place of a number, share or amount.

They are triangular. A scenario that is loaded has the modes in their places; `sim.scenario.studies.study` puts others
there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sim.errors import Problem
from sim.scenario.amounts import common_unit, is_whole, measured, write
from sim.scenario.reading.nodes import Node, Path, Place, Scalar, dotted, shown
from sim.scenario.shape import annotation_at

KEYS = ("low", "mode", "high")
_FORM = "three numbers, durations, shares or amounts of one currency: {low: 5 %, mode: 8 %, high: 20 %}"


@dataclass(frozen=True)
class Uncertain:
    """One uncertain input: where it stands, and its three values, as written and as numbers of one unit."""

    path: Path
    place: Place
    texts: tuple[Scalar, Scalar, Scalar]
    numbers: tuple[float, float, float]
    unit: str  # 'share', 'us', a currency, or '' for a plain number
    whole: bool

    @property
    def name(self) -> str:
        """The dotted path."""
        return dotted(self.path)

    @property
    def law(self) -> tuple[str, tuple[float, float, float], str]:
        """What tells it from another: path, numbers and unit."""
        return self.name, self.numbers, self.unit

    def number(self, uniform: float) -> float:
        """The quantile of the triangular law at `uniform` in [0, 1]."""
        low, mode, high = self.numbers
        if uniform * (high - low) < mode - low:
            return low + math.sqrt(uniform * (high - low) * (mode - low))
        return high - math.sqrt((1 - uniform) * (high - low) * (high - mode))

    def value(self, number: float) -> Scalar:
        """A number as it is written in the file."""
        return write(self.unit, self.whole, number)


def take_uncertain(root: Node) -> tuple[Node, list[Uncertain], list[Problem]]:
    """The tree with modes in place of uncertain inputs, what was uncertain, and what is wrong with it."""
    found: list[Uncertain] = []
    problems: list[Problem] = []

    def walk(node: Node, path: Path) -> Node:
        if isinstance(node.value, list):
            return replace(node, value=[walk(child, (*path, i)) for i, child in enumerate(node.value)])
        if not isinstance(node.value, dict):
            return node
        if set(node.value) == set(KEYS):
            read = _read(node, path)
            if isinstance(read, Problem):
                problems.append(read)
            else:
                found.append(read)
            return node.value["mode"]
        return replace(node, value={key: walk(child, (*path, key)) for key, child in node.value.items()})

    assert isinstance(root.value, dict)
    # What strategies set is looked at where it is put.
    parts = {key: child if key == "strategies" else walk(child, (key,)) for key, child in root.value.items()}
    return replace(root, value=parts), found, problems


def _read(node: Node, path: Path) -> Uncertain | Problem:
    assert isinstance(node.value, dict)
    texts = tuple(node.value[key].value for key in KEYS)
    place = node.value["mode"].place

    def wrong(message: str, allowed: str) -> Problem:
        written = ", ".join(f"{key}: {shown(text)}" for key, text in zip(KEYS, texts, strict=True))
        return Problem(place.file, place.line, dotted(path), message, written, allowed, place.cell)

    read = measured(texts)
    unit = common_unit(read or ())
    if read is None or unit is None:
        return wrong("not an uncertain input", _FORM)
    low, mode, high = (number for _, number in read)
    if not (low <= mode <= high and low < high):
        return wrong("the three values are not in order", "low <= mode <= high, low below high")
    whole = unit == "" and is_whole(annotation_at(path))
    if whole and any(not float(number).is_integer() for number in (low, mode, high)):
        return wrong("not whole numbers", "whole numbers")
    return Uncertain(path, place, texts, (low, mode, high), unit, whole)  # type: ignore[arg-type]
