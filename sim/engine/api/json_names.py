"""Names that come twice in a JSON object: parsers disagree on which one counts, so none does."""

from __future__ import annotations

import json
from typing import Any

from sim.engine.api.request import Rejected
from sim.engine.problems import http_problem


def check_names(raw: bytes, plain: bytes) -> None:
    """Raise Rejected (400) where an object in a body has a name twice; `plain` is the body as it was understood.

    What was understood holds each name once and leaves defaults out. So where it has as many quotation marks as the
    body, and none of those is escaped, nothing was dropped: a look at each object is needed only for the others.
    """
    if raw.count(b'"') != plain.count(b'"') or b"\\" in raw:
        json.loads(raw or b"{}", object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Rejected(http_problem("malformed_json", f"The name {twice[:64]!a} comes twice in an object."))
    return found
