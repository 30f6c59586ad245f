"""Inputs that nobody knows exactly: `{low: 5 %, mode: 8 %, high: 20 %}` in place of a number, share or amount.

They are triangular. A scenario that is loaded has the modes in their places; `sim.scenario.studies.study` puts others
there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, get_args, get_origin

from sim.errors import Problem
from sim.scenario.reading.nodes import Node, Path, Place, Scalar, dotted, shown
from sim.scenario.shape import annotation_at
from sim.scenario.units import Money, parse_duration_us, parse_share
from sim.scenario.writing.human import duration_text, money_text

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

    measured = [measure(text) for text in texts]
    units = {unit for unit, _ in filter(None, measured)}
    if None in measured or (len(units) > 1 and units != {"", "share"}):
        return wrong("not an uncertain input", _FORM)
    low, mode, high = (number for _, number in filter(None, measured))
    if not (low <= mode <= high and low < high):
        return wrong("the three values are not in order", "low <= mode <= high, low below high")
    unit = "share" if "share" in units else units.pop()
    whole = unit == "" and is_whole(annotation_at(path))
    if whole and any(not float(number).is_integer() for number in (low, mode, high)):
        return wrong("not whole numbers", "whole numbers")
    return Uncertain(path, place, texts, (low, mode, high), unit, whole)  # type: ignore[arg-type]


def measure(text: Any) -> tuple[str, float] | None:
    """A unit and a number, or None for what has none."""
    if isinstance(text, bool) or text is None:
        return None
    if isinstance(text, int | float):
        return "", float(text)
    if not isinstance(text, str):
        return None
    try:
        if text.strip().endswith("%"):
            return "share", parse_share(text)
        if text.strip()[-3:].isupper():
            money = Money.model_validate(text)
            return money.currency, float(money.minor)
        return "us", float(parse_duration_us(text))
    except ValueError:
        return None


def write(unit: str, whole: bool, number: float) -> Scalar:
    """A number of a unit as it is written in the file."""
    if unit == "us":
        return duration_text(round(number))
    if unit == "share":
        return min(1.0, max(0.0, number))
    if unit:
        return money_text(Money(minor=round(number), currency=unit))
    return round(number) if whole else number


def is_whole(annotation: Any) -> bool:
    """Whether a field takes whole numbers only."""
    if get_origin(annotation) is Annotated:
        return is_whole(get_args(annotation)[0])
    kinds = [each for each in get_args(annotation) or (annotation,) if each is not type(None)]
    return bool(kinds) and all(each is int or (get_args(each) and is_whole(each)) for each in kinds)
