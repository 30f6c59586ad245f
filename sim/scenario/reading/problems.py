"""Errors of the schema in the words of the person who wrote the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from sim.errors import Problem
from sim.scenario.checks.findings import MAX_COLLECTED
from sim.scenario.reading.nodes import Node, Path, dotted, locate, shown
from sim.scenario.shape import keys_at, listing_of, nearest, suggestion

MAX_PROBLEMS = 100
_Words = Callable[[dict[str, Any]], tuple[str, str]]


def plain_number(number: float) -> str:
    """A limit as a plain number: 1000 and not 1000.0."""
    return f"{int(number):,}" if number == int(number) else f"{number:,}"


#: Error type of pydantic -> what is wrong, and what is allowed.
_WORDS: dict[str, _Words] = {
    "missing": lambda _: ("required, but absent", ""),
    "greater_than": lambda c: ("too small", f"above {plain_number(c['gt'])}"),
    "greater_than_equal": lambda c: ("too small", f"{plain_number(c['ge'])} or more"),
    "less_than": lambda c: ("too large", f"below {plain_number(c['lt'])}"),
    "less_than_equal": lambda c: ("too large", f"{plain_number(c['le'])} or less"),
    "literal_error": lambda c: ("not one of the words allowed here", str(c["expected"])),
    "string_pattern_mismatch": lambda c: ("not of the form allowed here", f"text like {c['pattern']}"),
    "string_type": lambda _: ("not a text", "text"),
    "int_type": lambda _: ("not a whole number", "a whole number"),
    "int_parsing": lambda _: ("not a whole number", "a whole number"),
    "int_from_float": lambda _: ("not a whole number", "a whole number"),
    "int_parsing_size": lambda _: ("too large", "a smaller whole number"),
    "float_type": lambda _: ("not a number", "a number"),
    "float_parsing": lambda _: ("not a number", "a number"),
    "finite_number": lambda _: ("not a number that can be used", "finite numbers"),
    "bool_type": lambda _: ("not a yes or no", "true or false"),
    "bool_parsing": lambda _: ("not a yes or no", "true or false"),
    "tuple_type": lambda _: ("not a list", "a list"),
    "dict_type": lambda _: ("not a mapping", "a mapping of keys to values"),
    "model_type": lambda _: ("not a mapping", "a mapping of keys to values"),
    "model_attributes_type": lambda _: ("not a mapping", "a mapping of keys to values"),
    "too_short": lambda c: ("too few elements", f"{c['min_length']} or more"),
    "too_long": lambda c: ("too many elements", f"{c['max_length']} or fewer"),
    "union_tag_not_found": lambda _: (
        "not one of the kinds known here",
        "immediate, group_commit, or a mapping for it",
    ),
    "timezone_aware": lambda _: ("the time has no zone", "a date and time with its offset, 2026-11-20T19:00:00+00:00"),
}
_DATES = "a date such as 2026-11-20, for a moment with time and offset: 2026-11-20T19:00:00+00:00"


def schema_problems(error: ValidationError, root: Node) -> list[Problem]:
    """Every error of the schema as a problem with its place in the file."""
    entries = error.errors(include_url=False, include_input=False)[:MAX_COLLECTED]
    misspelt = {_meant(tuple(entry["loc"]), root) for entry in entries if entry["type"] == "extra_forbidden"}
    told = [entry for entry in entries if entry["type"] != "missing" or tuple(entry["loc"]) not in misspelt]
    problems = [_problem(entry, root) for entry in told]
    return list(dict.fromkeys(problem for problem in problems if problem is not None))


def problem_at(root: Node, path: Path, message: str, allowed: str = "", found: str | None = None) -> Problem:
    """A problem at `path`; `found` is the value there unless it is given ('' hides it)."""
    written, node, place = locate(root, path)
    if found is None:
        found = shown(node.value) if written == path or not isinstance(node.value, dict | list) else ""
    return Problem(place.file, place.line, dotted(written), message, found, allowed, place.cell)


def _problem(entry: Any, root: Node) -> Problem | None:
    loc: Path = tuple(entry["loc"])
    written, node, place = locate(root, loc)
    kind, context = str(entry["type"]), dict(entry.get("ctx") or {})
    if kind == "extra_forbidden":
        return _unknown_key(loc, written, place.file, place.line, place.cell)
    if kind == "missing":
        path = written if written and written[-1] == loc[-1] else (*written, loc[-1])
        return Problem(place.file, place.line, dotted(path), "required, but absent", place=place.cell)
    message, allowed = _words(kind, context, str(entry["msg"]))
    found = "" if kind == "value_error" and isinstance(node.value, dict) else shown(node.value)
    if kind == "too_short" and isinstance(node.value, list):
        found = str(len(node.value))
        if len(node.value) >= int(context["min_length"]):
            return None  # elements with errors of their own are not counted
    return Problem(place.file, place.line, dotted(written), message, found, allowed, place.cell)


def _meant(unknown: Path, root: Node) -> Path:
    """Where the key would stand that an unknown one comes near to: told there, it is not told as absent too."""
    return (*unknown[:-1], nearest(str(unknown[-1]), _keys_beside(unknown, locate(root, unknown)[0])) or "")


def _keys_beside(loc: Path, written: Path) -> list[str]:
    return keys_at(loc[:-1]) or keys_at(written[:-1])


def _unknown_key(loc: Path, written: Path, file: str, line: int, cell: str) -> Problem:
    keys = _keys_beside(loc, written)
    near = suggestion(str(loc[-1]), keys)
    return Problem(file, line, dotted(written), f"unknown key{near}", "", listing_of(keys, 40), cell)


def _words(kind: str, context: dict[str, Any], message: str) -> tuple[str, str]:
    if kind == "value_error":
        return str(context.get("error", message)), ""
    if kind.startswith(("date", "timezone_naive")):
        return "not a date or time", _DATES
    words = _WORDS.get(kind)
    return words(context) if words is not None else (message[:1].lower() + message[1:], "")


def limited(problems: list[Problem]) -> list[Problem]:
    """At most MAX_PROBLEMS problems; the last then says how many there are in all."""
    if len(problems) <= MAX_PROBLEMS:
        return problems
    rest = len(problems) - MAX_PROBLEMS
    more = f"and {rest:,} more problems" if len(problems) < MAX_COLLECTED else f"and more than {rest:,} more problems"
    return [*problems[:MAX_PROBLEMS], Problem(problems[0].file, 0, "", more)]
