"""Routes as data: what is served where, to whom, what goes in and what may come out. OpenAPI is made from these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim.engine.calls import Call, Reply

if TYPE_CHECKING:
    from sim.engine.api.request import Request

Handler = Callable[["Request"], Awaitable[Reply]]

ANYONE = frozenset({"buyer", "merchant", "psp", "admin"})
BUYER = frozenset({"buyer", "admin"})
MERCHANT = frozenset({"merchant", "admin"})
BUYER_OR_MERCHANT = frozenset({"buyer", "merchant", "admin"})
ADMIN = frozenset({"admin"})
OPEN: frozenset[str] = frozenset()  # no key needed


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter: its name, type (`int` or `str`), meaning and what is allowed."""

    name: str
    kind: type
    meaning: str
    words: tuple[str, ...] = ()
    pattern: str = ""  # of a `str`
    least: int = 0  # of an `int`
    most: int = 10**18 - 1
    format: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One operation. `answers` maps a success status to the type of its body (None: empty); `problems` are codes."""

    method: str
    path: str
    summary: str
    handler: Handler
    roles: frozenset[str]
    tag: str
    answers: dict[int, Any]
    body: Any = None
    problems: tuple[str, ...] = ()
    idempotent: bool = False  # needs an Idempotency-Key
    if_match: bool = False  # takes If-Match
    query: tuple[Query, ...] = ()
    any_query: bool = False  # the query belongs to who asks, and is not looked at
    etag: bool = False  # answers with an ETag
    media: str = "application/json"
    guard: Callable[[Request], None] | None = None  # raises Rejected before the body is looked at
    bad_body: str = "invalid"  # the code of JSON that is not the body
    call: Callable[[Request], Call] | None = None  # what the handler submits, where it does nothing else
    name: str = field(default="")  # operation id; the handler's name when empty

    @property
    def sheds(self) -> bool:
        """Whether it may be answered 503 because too much is under way: whoever watches the engine must see it then."""
        return self.tag != "operating"

    @property
    def operation_id(self) -> str:
        return self.name or self.handler.__name__
