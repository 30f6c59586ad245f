"""What a check between parts reports, and small helpers that several checks share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from sim.scenario.reading.nodes import Path
from sim.scenario.shape import field_names, listing_of, suggestion

SHARE_TOLERANCE = 1e-6
#: No more problems of one kind than this are put into words.
MAX_COLLECTED = 200


class Finding(NamedTuple):
    """Something wrong between parts: where it is, what it is and what is allowed.

    `found` is told as it stands; None means the value written at `path`, '' nothing.
    """

    path: Path
    message: str
    allowed: str = ""
    found: str | None = None


def unknown(path: Path, what: str, name: str, known: Mapping[str, object]) -> Iterator[Finding]:
    """A finding where `name` is none of the `known` ones."""
    if name not in known:
        yield Finding(path, f"there is no {what} of this name{suggestion(name, known)}", listing_of(known), repr(name))


def repeated(path: Path, names: Sequence[str], message: str, allowed: str) -> Iterator[Finding]:
    """A finding for each name of the list at `path` that stands there already."""
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            yield Finding((*path, i), message, allowed)
        seen.add(name)


def sum_to_one(path: Path, what: str, shares: list[float]) -> Iterator[Finding]:
    """A finding where shares do not add up to 1."""
    total = sum(shares)
    if abs(total - 1) > SHARE_TOLERANCE:
        allowed = "100 %, or no share at all for equal ones"
        yield Finding(path, f"the shares of the {what} add up to {total * 100:.6g} %", allowed, "")


def ascending(path: Path, key: str, values: list[int], strict: bool = True) -> Iterator[Finding]:
    """A finding for each element of the list at `path` that does not come after the one before it."""
    for i in range(1, len(values)):
        if values[i] < values[i - 1] or (strict and values[i] == values[i - 1]):
            yield Finding((*path, i, key) if key else (*path, i), "comes before the one above it", "ascending order")


def overlapping(path: Path, what: str, windows: list[tuple[int, int]]) -> Iterator[Finding]:
    """A finding for each window [start, end) that begins before an earlier one has ended; the list may be unsorted."""
    order = sorted(range(len(windows)), key=lambda i: windows[i])
    latest = order[0] if order else 0
    for i in order[1:]:
        if windows[i][0] < windows[latest][1]:
            yield Finding((*path, i), f"overlaps {what} {latest}", "one after the other", "")
        if windows[i][1] > windows[latest][1]:
            latest = i


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, BaseModel]]:
    """Every part inside `value` with its path in the file's words."""
    if isinstance(value, BaseModel):
        yield path, value
        for key, name in field_names(type(value)).items():
            yield from walk(getattr(value, name), (*path, key))
    elif isinstance(value, tuple | list):
        for i, element in enumerate(value):
            yield from walk(element, (*path, i))
    elif isinstance(value, dict):
        for key, element in value.items():
            yield from walk(element, (*path, key))
