"""What no type says of a JSON body: names that come twice in an object, and texts that no database can hold."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from sim.engine.api.request import Rejected
from sim.engine.problems import http_problem


def check_texts(raw: bytes, plain: bytes, body: Any) -> None:
    """Raise Rejected where an object of a body has a name twice (400), or a value is a text with NUL in it (422).

    Parsers disagree on which of two equal names counts, so none does. `plain` is the body as it was understood, written
    anew: it holds each name once and leaves defaults out. So where it has as many quotation marks as the body, and none
    of those is escaped, nothing was dropped: a look at each object is needed only for the others.
    """
    if b"\\" not in raw and (raw == plain or raw.count(b'"') == plain.count(b'"')):
        return
    json.loads(raw or b"{}", object_pairs_hook=_once)
    if b"\\u0000" in raw:  # in JSON it cannot be written in another way
        place = _nul_in(msgspec.to_builtins(body), "")
        if place is not None:
            raise Rejected(http_problem("invalid", "A text holds NUL.", errors=[{"pointer": place, "message": "NUL"}]))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Rejected(http_problem("malformed_json", f"The name {twice[:64]!a} comes twice in an object."))
    return found


def _nul_in(value: Any, place: str) -> str | None:
    """The JSON pointer of a text with NUL, or None."""
    if isinstance(value, str):
        return place if "\0" in value else None
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next((found for name, part in parts if (found := _nul_in(part, f"{place}/{name}")) is not None), None)
