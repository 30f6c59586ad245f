"""A request as the handlers see it: who, which route, the body decoded, and a way to the engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sim.engine.calls import Call, Reply, View
from sim.engine.problems import http_problem

if TYPE_CHECKING:
    from sim.engine.api.route import Route
    from sim.engine.auth import Caller
    from sim.engine.core import Served


class Rejected(Exception):
    """The request cannot be served; carries the answer."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply


class Request:
    """One request. `parameters` come from the path, `headers` are lower-case, `body` has the route's type."""

    __slots__ = ("body", "caller", "engine", "fingerprint", "headers", "key", "parameters", "query", "raw", "route")

    def __init__(
        self,
        engine: Served,
        route: Route,
        caller: Caller | None,
        headers: dict[bytes, bytes],
        parameters: dict[str, str],
        query: dict[str, str],
        raw: bytes,
    ) -> None:
        self.engine = engine
        self.route = route
        self.caller = caller
        self.headers = headers
        self.parameters = parameters
        self.query = query
        self.raw = raw
        self.body: Any = None
        self.key = b""
        self.fingerprint = b""

    @property
    def role(self) -> str:
        return self.caller.role if self.caller else ""

    def id(self, name: str) -> int:
        """An id from the path; raises Rejected (404) for what cannot be one."""
        return number(self.parameters[name])

    def submit(self, command: Any, view: View) -> asyncio.Future[Reply]:
        """Hand a command to the writer, under the request's key."""
        return self.engine.writer.submit(Call(command, view, self.key, self.fingerprint))


def number(text: str) -> int:
    """The number of an id; raises Rejected (404) where it cannot be one."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Rejected(http_problem("not_found", "There is nothing of that id."))
    return int(text)
