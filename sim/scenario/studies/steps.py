"""A sensible step of each default of a scenario, to see how much rests on it.

Numbers, shares, durations and amounts go 20 % down and up; whole numbers at least by one, shares at most half way to
100 %. A share of 0 becomes 1 %, a number of 0 becomes 0.1. Words go to the other words that the schema knows, clocks an
hour, answers to the other one. What is empty, a whole 0 (which switches something off) or a name has no step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from sim.scenario.amounts import is_whole, measure, write
from sim.scenario.load import validate_tree
from sim.scenario.reading.nodes import Node, Path, Scalar
from sim.scenario.reading.vary import parse_path, put
from sim.scenario.schema import Scenario
from sim.scenario.shape import annotation_at

STEP = 0.2
_ZERO = {"share": 0.01, "": 0.1}
_EMPTY: tuple[Any, ...] = (None, "", [], {})
#: What says how a run is made and told, not what is simulated.
_NOT_OF_THE_MODEL = ("name", "description", "start", "horizon", "seed", "max_rows", "slos", "strategies", "currencies")
_INDEX, _CLOCK = re.compile(r"\[\d+\]"), re.compile(r"(\d\d):(\d\d)\Z")
_HOUR_MIN, _DAY_MIN = 60, 1440


@dataclass(frozen=True)
class Default:
    """A value that nobody set, in every place where it stands: `path` has `[*]` for elements of lists."""

    path: str
    source: str
    places: tuple[tuple[Path, Scalar], ...]

    @property
    def value(self) -> str:
        """The value, or the values, as people write them."""
        return ", ".join(dict.fromkeys(str(value) for _, value in self.places))


def defaults(rows: Sequence[Mapping[str, Any]]) -> list[Default]:
    """The defaults among rows of `provenance.json` that are not empty, those of all elements of a list together."""
    found: dict[str, list[tuple[Path, Scalar]]] = {}
    sources: dict[str, str] = {}
    for row in rows:
        top = re.split(r"[.\[]", row["path"], maxsplit=1)[0]
        if row["origin"] == "default" and row["value"] not in _EMPTY and top not in _NOT_OF_THE_MODEL:
            path = _INDEX.sub("[*]", row["path"])
            sources.setdefault(path, row["source"])
            found.setdefault(path, []).append((parse_path(row["path"]), row["value"]))
    return [Default(path, sources[path], tuple(places)) for path, places in found.items()]


def stepped(root: Node, default: Default) -> list[tuple[str, Scenario]]:
    """The scenario at each step of a default, with the value as told; steps that the schema refuses are left out."""
    whole = [_steps(path, value) for path, value in default.places]
    found: list[tuple[str, Scenario]] = []
    for k in range(max(map(len, whole))):
        tree, told = root, dict[str, None]()
        for (path, _), steps in zip(default.places, whole, strict=True):
            if k < len(steps):
                tree = put(tree, path, Node(root.place, steps[k]))
                told[str(steps[k])] = None
        scenario, problems = validate_tree(tree)
        if scenario is not None and not problems:
            found.append((", ".join(told), scenario))
    return found


def _steps(path: Path, value: Scalar) -> list[Scalar]:
    """The other values of one default, least first."""
    if isinstance(value, bool):
        return [not value]
    clock = _CLOCK.match(value) if isinstance(value, str) else None
    if clock is not None:
        minute = int(clock[1]) * 60 + int(clock[2])
        return [f"{at // 60 % 24:02d}:{at % 60:02d}" for at in (minute - _HOUR_MIN, minute + _HOUR_MIN)
                if 0 <= at < _DAY_MIN]  # fmt: skip
    measured = measure(value)
    if measured is None:
        return list(_words(path, value))
    unit, number = measured
    whole = unit == "" and is_whole(annotation_at(path))
    if number == 0:
        return [] if whole or unit not in _ZERO else [_written(unit, whole, _ZERO[unit])]
    sides = [number * (1 - STEP), number * (1 + STEP)]
    if whole:
        sides = [min(round(sides[0]), number - 1), max(round(sides[1]), number + 1)]
    if unit == "share":
        sides = [sides[0], *([min(sides[1], (1 + number) / 2)] if number < 1 else [])]
    return [_written(unit, whole, side) for side in sides]


def _written(unit: str, whole: bool, number: float) -> Scalar:
    if unit == "share":
        return f"{number * 100:.6g} %"
    return float(f"{number:.6g}") if unit == "" and not whole else write(unit, whole, number)


def _words(path: Path, value: Scalar) -> Iterator[Scalar]:
    """The other words that may stand there; elements of lists are left alone."""
    if isinstance(path[-1], str):
        for option in get_args(annotation_at(path)) if get_origin(annotation_at(path)) is Literal else ():
            if option != value:
                yield option
