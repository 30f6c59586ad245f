"""What comes beside a body: query parameters, checked against the route; pages; If-Match."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from sim.engine.api.request import Rejected, Request
from sim.engine.api.route import Query, Route
from sim.engine.problems import http_problem

MAX_PAGE = 500
DEFAULT_PAGE = 100
ID_PATTERN = "^[0-9]{1,18}$"
PROVIDER_PATTERN = "^[A-Za-z0-9_-]{1,64}$"
#: Texts that may be looked for: no NUL, which PostgreSQL cannot take.
WORD_PATTERN = r"^[^\x00]{1,160}$"

PAGE: tuple[Query, ...] = (
    Query("page_token", str, "`next_page_token` of the page before", pattern=ID_PATTERN),
    Query("limit", int, f"at most so many; {DEFAULT_PAGE} if absent", least=1, most=MAX_PAGE),
)

Moment = Annotated[datetime, Meta(tz=True)]

_MOST_PARAMETERS = 20
_ETAG = re.compile(rb'"([0-9]{1,18})"')
#: Longest offset of an RFC 3339 instant: its plus is a space in a query that was not escaped.
_OFFSET = 6


def id_query(name: str, what: str) -> Query:
    """A query parameter that holds an id."""
    return Query(name, str, what, pattern=ID_PATTERN)


def parse_query(route: Route, text: bytes) -> dict[str, str]:
    """The query's parameters. Raises Rejected (400) where the route does not know them like that."""
    try:
        pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise Rejected(http_problem("invalid_parameter", "Too many parameters.")) from None
    known = {query.name: query for query in route.query}
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise wrong(name, f"Known are: {', '.join(known) or 'none'}.")
        if name in found:
            raise wrong(name, "Give it once.")
        _check(known[name], value)
        found[name] = value
    return found


def wrong(name: str, message: str) -> Rejected:
    """The rejection of a query parameter."""
    error = {"parameter": name[:64], "message": message}
    return Rejected(http_problem("invalid_parameter", message, errors=[error]))


def _check(query: Query, value: str) -> None:
    if query.kind is int:
        right = value.isascii() and value.isdigit() and len(value) <= 18
        if not right or not query.least <= int(value) <= query.most:
            raise wrong(query.name, f"A whole number from {query.least} to {query.most}.")
    elif query.words and value not in query.words:
        raise wrong(query.name, f"One of: {', '.join(query.words)}.")
    elif query.pattern and not re.fullmatch(query.pattern, value):
        raise wrong(query.name, f"It must match {query.pattern}")


def page(request: Request) -> tuple[int, int]:
    """After which id a page begins, and how many it has at most."""
    query = request.query
    return int(query.get("page_token", "0")), int(query.get("limit", DEFAULT_PAGE))


def instant_us(moment: datetime) -> int:
    """An instant as microseconds since 1970."""
    return round(moment.timestamp()) * 1_000_000 if not moment.microsecond else _exact_us(moment)


def _exact_us(moment: datetime) -> int:
    whole = moment.replace(microsecond=0)
    return round(whole.timestamp()) * 1_000_000 + moment.microsecond


def instant_query(request: Request, name: str) -> int | None:
    """An instant of the query in microseconds, None where it is not given. Raises Rejected (400)."""
    text = request.query.get(name)
    if text is None:
        return None
    text = text[:-_OFFSET] + text[-_OFFSET:].replace(" ", "+")
    try:
        moment: Any = msgspec.convert(text, Moment)
    except msgspec.ValidationError:
        raise wrong(name, "RFC 3339, such as 2026-11-20T19:00:00Z.") from None
    return instant_us(moment)


def if_match(request: Request) -> int:
    """The version that If-Match asks for, 0 for `*`. Raises Rejected: 428 where missing, 400 where wrong."""
    header = request.headers.get(b"if-match", b"").strip()
    if not header:
        raise Rejected(http_problem("precondition_required", "Send If-Match with the ETag that you read, or *."))
    if header == b"*":
        return 0
    match = _ETAG.fullmatch(header)
    if match is None:
        raise Rejected(http_problem("malformed", "If-Match is one ETag in quotes, or *."))
    return int(match[1]) or -1  # no version is 0


def etag(version: int) -> str:
    """A version as an ETag."""
    return f'"{version}"'
