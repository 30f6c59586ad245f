"""`--vary KEY=LOW:HIGH:STEP`: every strategy at each value of a grid, as strategies of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from sim.errors import UsageError
from sim.scenario.amounts import common_unit, count_of, is_whole, measured, written
from sim.scenario.checks.names import MAX_NAME
from sim.scenario.reading.nodes import Node, Place, Scalar, dotted
from sim.scenario.reading.vary import parse_path
from sim.scenario.shape import annotation_at
from sim.scenario.texts import scalar

MOST = 200
_FORM = "write KEY=LOW:HIGH:STEP such as stock.S=100:1000:100 or fees.platform=2 %:8 %:1 %"


def with_grid(root: Node, texts: Sequence[str], only: Sequence[str]) -> Node:
    """The tree with one strategy for each strategy (of those in `only`) and value; values of several keys in all
    combinations. Raises UsageError."""
    if not texts or not isinstance(root.value, dict):
        return root
    axes = [_axis(text) for text in texts]
    listed = root.child("strategies")
    elements = list(listed.value) if listed is not None and isinstance(listed.value, list) else []
    elements = [each for each in elements if not only or _name(each) in only]
    points = list(product(*axes))
    number = len(points) * max(1, len(elements))
    if number > MOST:
        raise UsageError(f"--vary makes {number:,} combinations; at most {MOST} can be compared")
    cells = [(element, point) for element in elements or [None] for point in points]  # type: ignore[list-item]
    names = _names([_called(element, point) for element, point in cells])
    listed_anew = [_cell(element, point, name) for (element, point), name in zip(cells, names, strict=True)]
    return replace(root, value={**root.value, "strategies": Node(Place("--vary"), listed_anew)})


def _name(element: Node) -> str:
    name = element.child("name")
    return "" if name is None else str(name.value)


def _called(element: Node | None, values: Sequence[tuple[str, Scalar]]) -> tuple[str, str]:
    """The name of the strategy that is varied, if any, and what says where."""
    at = ", ".join(f"{key} {_shown(value)}" for key, (_, value) in zip(_short(values), values, strict=True))
    return _name(element) if element is not None else "", at


def _names(called: Sequence[tuple[str, str]]) -> list[str]:
    """A name for each that fits and that no other has: the strategy's own is cut first, then what says where."""
    found: list[str] = []
    for number, (own, at) in enumerate(called, start=1):
        name = ", ".join(filter(None, (own, at)))
        if len(name) > MAX_NAME:
            mark = f"... {number}"
            own = own[: max(0, MAX_NAME - len(mark) - len(at) - 2)].rstrip()
            name = f"{own}{mark}, {at}"
            name = name if len(name) <= MAX_NAME else f"{at[: MAX_NAME - len(mark)].rstrip()}{mark}"
        found.append(name)
    return found


def _cell(element: Node | None, values: Sequence[tuple[str, Scalar]], name: str) -> Node:
    place = Place("--vary " + ",".join(f"{key}={value}" for key, value in values))
    changes = element.child("set") if element is not None else None
    had = changes.value if changes is not None and isinstance(changes.value, dict) else {}
    added = {key: Node(place, value) for key, value in values}
    return Node(place, {"name": Node(place, name), "set": Node(place, {**had, **added})})


def _short(values: Sequence[tuple[str, Scalar]]) -> list[str]:
    """What each key is called in names: its last word, or all of it where two keys end alike."""
    last = [str(parse_path(key)[-1]) for key, _ in values]
    words = last if len(set(last)) == len(last) else [key for key, _ in values]
    return [re.sub(r"[/\[\]=]+", " ", word).strip() for word in words]


def _shown(value: Scalar) -> str:
    return str(value).replace("/", " ")


def _axis(text: str) -> list[tuple[str, Scalar]]:
    """A key's dotted path with each value of its grid."""
    key, _, tail = text.partition("=")
    parts = [scalar(part.strip()) for part in tail.split(":")]
    unit, (low, high, step) = _span(text, parts if key.strip() else [])
    try:
        path = parse_path(key.strip())
    except Exception:  # the override's own error has no place here
        raise UsageError(f"--vary {text!r}: {_FORM}") from None
    number = count_of(low, high, step)
    if number > MOST:
        raise UsageError(f"--vary {text!r} has {number:,} values; at most {MOST} can be compared")
    whole = unit == "" and (all(isinstance(part, int) for part in parts) or is_whole(annotation_at(path)))
    return [(dotted(path), written(unit, whole, round(low + k * step, 9))) for k in range(number)]


def _span(text: str, parts: Sequence[Scalar]) -> tuple[str, list[float]]:
    """The unit of a grid, and its lowest number, its highest and the step. Raises UsageError."""
    read = measured(parts)
    if read is None or len(read) != 3:
        raise UsageError(f"--vary {text!r}: {_FORM}")
    unit = common_unit(read)
    if unit is None:
        raise UsageError(f"--vary {text!r}: the three values need one unit")
    low, high, step = (number for _, number in read)
    if step <= 0 or high < low:
        raise UsageError(f"--vary {text!r}: LOW is at most HIGH and STEP above 0")
    return unit, [low, high, step]
