"""Checks between parts for a file that breaks the schema, so that all its problems are told at once.

What is wrong is dropped, or replaced by a harmless value of its kind; only checks that cannot be misled by that are
made: names and references, zones and sums, and windows of broadcasts in which nothing was replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from sim.scenario.checks.findings import MAX_COLLECTED, Finding
from sim.scenario.checks.limits import check_limits
from sim.scenario.checks.logistics import check_logistics
from sim.scenario.checks.money import check_money
from sim.scenario.checks.names import check_names
from sim.scenario.checks.programme import check_programme
from sim.scenario.reading.nodes import Node, Path, locate, plain
from sim.scenario.schema import Scenario
from sim.scenario.shape import field_at, keys_at, nearest
from sim.scenario.units import Money, parse_duration_us, parse_ppm, parse_share

_ROUNDS = 3
#: Parts that others refer to; where one is dropped, or a name in it replaced, nothing between parts can be said.
_SHARED = ("currencies", "reporting_currency", "shops", "catalogue", "regions", "warehouses", "payment", "programme")
_NAMING = ("name", "currency", "skus", "methods", "category")
#: Too long or too wide is one of these for the rest of its duration, `at_most` above all.
_OF_A_DURATION = ("mean", "median", "high", "sigma")
_HARMLESS: dict[Any, Any] = {
    parse_duration_us: "1m",
    parse_share: 0.5,
    parse_ppm: 0.5,
    Money: "1 XXX",
    int: 1,
    float: 1,
    str: "XXX",
}


def crosscheck_the_rest(root: Node, error: ValidationError) -> Iterator[Finding]:
    """Findings between those parts of a broken scenario that can be read; nothing where too much is broken."""
    data = plain(root)
    repaired: list[Path] = []
    for _ in range(_ROUNDS):
        paths = [_path(root, entry) for entry in error.errors(include_url=False, include_input=False)]
        if len(paths) > MAX_COLLECTED:
            return
        now = [_repair(data, path) for path in paths]
        repaired += [*paths, *(path for path in now if path is not None)]
        if None in now:
            return
        try:
            scenario = Scenario.model_validate(data, by_alias=True, by_name=False)
        except ValidationError as next_error:
            error = next_error
        else:
            yield from _findings(scenario, repaired)
            return


def _path(root: Node, entry: Any) -> Path:
    written, _, _ = locate(root, tuple(entry["loc"]))
    if entry["type"] == "missing" and written[-1:] != entry["loc"][-1:]:
        return (*written, entry["loc"][-1])
    return written


def _repair(data: Any, path: Path) -> Path | None:
    """Rename, drop or replace what stands at `path`; return where it stands now, None where nothing can be done."""
    for key in path[:-1]:
        data = data[key]
    if not path or not isinstance(data, dict):
        return None
    info, key = field_at(path), path[-1]
    if info is None or not info.is_required():
        near = nearest(str(key), [name for name in keys_at(path[:-1]) if name not in data]) if info is None else ""
        value = data.pop(key, None)
        if near:
            data[near] = value
        return (*path[:-1], near or key)
    data[key] = _harmless(info)
    return None if data[key] is None else path


def _harmless(info: FieldInfo) -> Any:
    functions = (getattr(mark, "func", None) for mark in info.metadata)
    own = next((_HARMLESS[function] for function in functions if function in _HARMLESS), None)
    return own if own is not None else _HARMLESS.get(info.annotation)


def _findings(scenario: Scenario, repaired: Sequence[Path]) -> Iterator[Finding]:
    """Findings that do not rest on anything repaired."""
    if any(path[0] in _SHARED and (len(path) == 1 or path[-1] in _NAMING) for path in repaired):
        return
    for finding in chain(*(check(scenario) for check in (check_names, check_money, check_limits, check_logistics))):
        rests_on = finding.path[: -1 if finding.path[-1] in _OF_A_DURATION else None]
        if not any(path[: len(rests_on)] == rests_on or finding.path[: len(path)] == path for path in repaired):
            yield finding
    for finding in check_programme(scenario, priced=False):
        on_horizon = finding.path[-1] in ("start", "publish") and ("horizon",) in repaired
        if not on_horizon and not any(path[:3] == finding.path[:3] for path in repaired):
            yield finding
