"""Reading one thing of the catalogue, or a page of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec

from sim.engine.api.parameters import etag, page
from sim.engine.api.request import Rejected, Request
from sim.engine.calls import Reply
from sim.engine.catalogue.reading import read_record, read_records
from sim.engine.problems import http_problem
from sim.engine.resources import Id, id_or_none
from sim.engine.views import encode

T = TypeVar("T")
RecordView = Callable[[Any, Any], Any]


class Page(msgspec.Struct, Generic[T]):
    """Some of many; of large things fewer than `limit`. Ask again with `next_page_token` until it is null."""

    items: list[T]
    next_page_token: Id | None


def missing(what: str) -> Rejected:
    """The rejection of an id that nothing has."""
    return Rejected(http_problem("not_found", f"There is no such {what}."))


async def one(request: Request, table: str, parameter: str, what: str, view: RecordView) -> Reply:
    """The thing that the path names, with its ETag. Raises Rejected where there is none."""
    found, shelf = await read_record(request.engine.store, table, request.id(parameter))
    if found is None:
        raise missing(what)
    return Reply(200, encode(view(shelf, found)), etag=etag(found.version))


async def many(request: Request, table: str, view: RecordView, filters: Iterable[str]) -> Reply:
    """A page of things; `filters` are parameters of the query that are columns of the table."""
    after, limit = page(request)
    given = {_column(name): _value(name, request.query[name]) for name in filters if name in request.query}
    found, shelf, rest_after = await read_records(request.engine.store, table, given, after, limit)
    return Reply(200, encode(paged([view(shelf, thing) for thing in found], rest_after)))


def _column(parameter: str) -> str:
    return "room_id" if parameter == "live_room_id" else parameter


def _value(parameter: str, text: str) -> int | str:
    return int(text) if parameter.endswith("_id") else text


def paged(views: list[Any], rest_after: int) -> Page[Any]:
    """A page, with the id behind which there are others (0: none)."""
    return Page(views, id_or_none(rest_after))
