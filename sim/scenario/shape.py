"""The shape of the schema: which part stands at a path, which keys it takes, and what it is filled with by default."""

from __future__ import annotations

import difflib
import types
from collections.abc import Collection, Iterable
from functools import cache
from itertools import islice
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim.scenario.parts.base import Part, Servers, Shift
from sim.scenario.reading.nodes import Key, Path
from sim.scenario.schema import Scenario

#: How many known words a wrong one is compared with.
MAX_COMPARED = 700
_LONGEST = 100
_UNIONS = (Union, types.UnionType)


@cache
def fields_by_key(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a part under the keys that people write."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


@cache
def field_names(model: type[BaseModel]) -> dict[str, str]:
    """Keys that people write -> attribute names."""
    return {info.alias or name: name for name, info in model.model_fields.items()}


def part_in(annotation: Any) -> type[Part] | None:
    """The part that an annotation holds, looked for in unions and lists too."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    if get_origin(annotation) in (Annotated, Literal, dict):
        return part_in(get_args(annotation)[0]) if get_origin(annotation) is Annotated else None
    return next((part for part in map(part_in, get_args(annotation)) if part is not None), None)


def is_list(annotation: Any) -> bool:
    """Whether a value of this annotation is a list."""
    return get_origin(annotation) is tuple


def step(annotation: Any, key: Key) -> Any:
    """The annotation of what stands under `key`, or None."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return step(arguments[0], key)
    if origin in _UNIONS:
        found = (step(argument, key) for argument in arguments)
        return next((annotation for annotation in found if annotation is not None), None)
    if origin is tuple:
        return arguments[0] if isinstance(key, int) else None
    if origin is dict:
        return arguments[1] if isinstance(key, str) else None
    if annotation is Servers and isinstance(key, int):
        return Shift  # a list alone is the short form of shifts
    if isinstance(annotation, type) and issubclass(annotation, Part) and isinstance(key, str):
        info = fields_by_key(annotation).get(key)
        return None if info is None else info.annotation
    return None


def annotation_at(path: Path) -> Any:
    """The annotation at a path of the scenario file, or None where the schema has nothing."""
    annotation: Any = Scenario
    for key in path:
        annotation = step(annotation, key)
        if annotation is None:
            return None
    return annotation


def field_at(path: Path) -> FieldInfo | None:
    """The field at a path, or None where the path ends in a list element, a table's key or nothing."""
    parent = part_in(annotation_at(path[:-1])) if path and not is_list(annotation_at(path[:-1])) else None
    return fields_by_key(parent).get(str(path[-1])) if parent is not None else None


def keys_at(path: Path) -> list[str]:
    """The keys that a mapping at `path` takes, or none where it is not a part."""
    annotation = annotation_at(path)
    part = None if annotation is None or is_list(annotation) else part_in(annotation)
    return list(fields_by_key(part)) if part is not None else []


def nearest(found: str, known: Iterable[str]) -> str:
    """The known word that is nearest to `found`, or nothing."""
    names = [name for name in islice(known, MAX_COMPARED) if len(name) <= _LONGEST and len(found) <= _LONGEST]
    near = difflib.get_close_matches(found, names, n=1, cutoff=0.6)
    return next(iter(near or [name for name in names if name.casefold() == found.casefold()]), "")


def suggestion(found: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where a known word is near, otherwise nothing."""
    near = nearest(found, known)
    return f"; did you mean '{near}'?" if near else ""


def listing_of(words: Collection[str], limit: int = 12) -> str:
    """`a, b, c` cut after `limit` words."""
    names = [word if len(word) <= _LONGEST else word[:_LONGEST] + "..." for word in islice(words, limit)]
    more = f" and {len(words) - limit:,} more" if len(words) > limit else ""
    return ", ".join(names) + more or "none"
