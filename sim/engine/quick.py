"""uvicorn's HTTP protocol with a short way for the one request that comes in masses: `POST /v1/orders`.

A request of such a route goes from the parser to the writer and back without a task and without ASGI messages, which
cost more than all else that is done for it; the checks and the answers are the pipeline's own. Whatever is unusual
about a request (another route, a query, pipelining, `Expect`, a connection that is to be closed) takes the usual way.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from sim.engine.api.app import App
from sim.engine.api.pipeline import Endpoint
from sim.engine.calls import Reply


class _Exchange:
    """A request that waits for its answer: what the protocol asks of a cycle of its own."""

    __slots__ = ("begun_ns", "body", "disconnected", "endpoint", "keep_alive", "message_event", "response_complete")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.begun_ns = time.monotonic_ns()
        self.body = b""
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True
        self.message_event = _NOBODY


class _Nobody:
    """Nobody waits for the body of an exchange."""

    def set(self) -> None:
        """Wake nobody."""


_NOBODY = _Nobody()


class QuickProtocol(HttpToolsProtocol):
    """One connection of a server whose application is an `App`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app = self.config.app
        assert isinstance(app, App)
        self._quick = app.quick
        self._exchange: _Exchange | None = None  # of the message that is being read

    def on_headers_complete(self) -> None:
        endpoint = self._quick.get((self.parser.get_method(), self.url))
        waiting: Any = self.cycle
        if endpoint is None or not self._is_plain() or (waiting is not None and not waiting.response_complete):
            self._exchange = None
            super().on_headers_complete()
        else:
            self._exchange = self.cycle = _Exchange(endpoint)  # type: ignore[assignment]

    def _is_plain(self) -> bool:
        parser: httptools.HttpRequestParser = self.parser
        return (
            not self.expect_100_continue
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
            and not parser.should_upgrade()
        )

    def on_body(self, body: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            super().on_body(body)
        elif not exchange.response_complete:
            exchange.body += body
            if len(exchange.body) > exchange.endpoint.max_body_bytes:
                self._answer(exchange, exchange.endpoint.too_large())

    def on_message_complete(self) -> None:
        exchange = self._exchange
        if exchange is None:
            super().on_message_complete()
        elif not exchange.response_complete:
            path = self.url.decode("ascii")
            scope = {"headers": self.headers, "path": path, "query_string": b""}
            exchange.endpoint.put(scope, exchange.body, partial(self._answer, exchange))

    def connection_lost(self, exc: Exception | None) -> None:
        self._exchange = None
        super().connection_lost(exc)

    def _answer(self, exchange: _Exchange, reply: Reply) -> None:
        """Write an answer, head and body at once."""
        headers, body = exchange.endpoint.answer(reply, exchange.begun_ns)
        if exchange.disconnected:
            return
        lines = [STATUS_LINE[reply.status]]
        for name, value in (*self.server_state.default_headers, *headers):
            lines += (name, b": ", value, b"\r\n")
        lines.append(b"\r\n" if exchange.keep_alive else b"connection: close\r\n\r\n")
        lines.append(body)
        self.transport.write(b"".join(lines))
        exchange.response_complete = True
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()
