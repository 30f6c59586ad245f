"""uvicorn's HTTP protocol with a short way for the one request that comes in masses: `POST /v1/orders`.

A request of such a route goes from the parser to the writer and back without a task and without ASGI messages, which
cost more than all else that is done for it; the checks and the answers are the pipeline's own. Whatever is unusual
about a request (another route, a query, pipelining, `Expect`, a connection that is to be closed, a key that may not)
takes the usual way.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from sim.engine.api.answers import BAD_REQUEST, Headers
from sim.engine.api.app import App
from sim.engine.api.pipeline import Endpoint
from sim.engine.auth import Caller
from sim.engine.calls import Reply
from sim.engine.problems import http_problem

#: Bytes of a request's line and headers that are always taken; from half as many more on it is refused.
MAX_HEAD_BYTES = 64 * 1024
#: What comes is parsed in pieces of at most so many bytes: a head is counted in whole pieces.
_PIECE_BYTES = MAX_HEAD_BYTES // 4
_NO_HEAD = -1
#: Looks at a message that has come in part, after which its connection is closed: nobody holds one for ever.
PATIENT_LOOKS = 6
_CLOSE = b"connection: close\r\n\r\n"
_CREATED = 201
#: How nearly all answers begin, as the usual way writes it.
_PLACED = STATUS_LINE[_CREATED] + b"content-type: application/json\r\ncontent-length: %d\r\nlocation: %b\r\n"


class _Exchange:
    """A request that waits for its answer: what the protocol asks of a cycle of its own."""

    __slots__ = (
        "begun_ns",
        "body",
        "caller",
        "disconnected",
        "endpoint",
        "headers",
        "keep_alive",
        "more_body",
        "response_complete",
    )

    def __init__(self, endpoint: Endpoint, caller: Caller, headers: dict[bytes, bytes]) -> None:
        self.endpoint = endpoint
        self.caller = caller
        self.headers = headers
        self.begun_ns = time.monotonic_ns()
        self.body = b""
        self.more_body = True
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True

    #: The usual way changes nothing about it when its body has come.
    response_started = True

    @property
    def message_event(self) -> _Nobody:
        return _NOBODY


class _Nobody:
    """Nobody waits for the body of an exchange."""

    def set(self) -> None:
        """Wake nobody."""


_NOBODY = _Nobody()


class _Deaf:
    """Stands for the parser of a connection on which nothing more is answered."""

    def feed_data(self, _data: bytes) -> None:
        """Take what comes for nothing."""


class _Leaving:
    """What an answer is written to while its request has not come whole.

    Only our side of the connection is closed after it: whoever still sends would find a reset instead of the answer
    (RFC 9112, 9.6). The other side ends with `QuickProtocol.look` at the latest.
    """

    __slots__ = ("_protocol",)

    def __init__(self, protocol: QuickProtocol) -> None:
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        self._protocol.transport.write(data)

    def is_closing(self) -> bool:
        return self._protocol.transport.is_closing()

    def close(self) -> None:
        if not self.is_closing():
            self._protocol.listen_no_more()
            self._protocol.transport.write_eof()


def _lines(headers: Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def _is_plain(parser: httptools.HttpRequestParser, headers: dict[bytes, bytes]) -> bool:
    """Whether the connection stays as it is: an older client that wants to keep it has to say so."""
    return (
        parser.should_keep_alive()
        and b"expect" not in headers
        and b"upgrade" not in headers
        and (b"connection" not in headers or parser.get_http_version() == "1.1")
    )


class QuickProtocol(HttpToolsProtocol):
    """One connection of a server whose application is an `App`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app = self.config.app
        assert isinstance(app, App)
        self._quick = app.quick
        self._unserved = app.unserved
        self._exchange: _Exchange | None = None  # of the message that is being read
        self._leaving: Any = _Leaving(self)
        self._keeps = True  # whether the connection is kept after the message that is being read, if it comes whole
        self._ahead: list[Any] = []  # those that still waited when the next head came: the last is that before `cycle`
        self._head_bytes = _NO_HEAD  # what was read of a head, or of trailers, that have not ended yet
        self._usual: tuple[Headers, bytes] = [], b""  # the headers of all answers as they were last: the date changes
        self._rested = 0.0  # when the last short answer was written
        self._half_sent: object = None  # stands for the message that had come in part at the last look
        self._looks = 0  # at that message
        self._resting: asyncio.TimerHandle | None = None  # looks, now and then, whether that was long ago

    def data_received(self, data: bytes) -> None:
        if len(data) > _PIECE_BYTES:
            for start in range(0, len(data), _PIECE_BYTES):
                if not self.transport.is_closing():
                    self.data_received(data[start : start + _PIECE_BYTES])
            return
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # to nothing that we speak; the request has its answer all the same
        except httptools.HttpParserError:
            self._unserved.count(BAD_REQUEST)
            self.send_400_response("This is no HTTP.")
            return
        if self._head_bytes != _NO_HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES + _PIECE_BYTES:
                self._refuse_head()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whether to keep the connection: of one who has sent all that it will, until its last answer."""
        return self._take_no_more()

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        self.url = b""
        self.headers = []  # most of what the usual way notes here it notes when the headers are there: see below

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._head_bytes = _NO_HEAD
        parser: httptools.HttpRequestParser = self.parser
        endpoint = self._quick.get((parser.get_method(), self.url))
        waiting: Any = self.cycle
        if waiting is not None and not waiting.response_complete:
            self._wait_behind(waiting)
        elif endpoint is not None:
            headers = dict(self.headers)
            if len(headers) == len(self.headers) and _is_plain(parser, headers):
                caller = endpoint.admitted(headers)
                if caller is not None:
                    self._exchange = self.cycle = _Exchange(endpoint, caller, headers)  # type: ignore[assignment]
                    return
        self._exchange = None
        url, known = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers += known
        for name, value in known:
            if name == b"expect":
                self.expect_100_continue = value.lower() == b"100-continue"
        super().on_headers_complete()
        self.headers = []  # whatever comes after the body is no header
        cycle: Any = self.cycle
        self._keeps = cycle.keep_alive
        cycle.keep_alive, cycle.transport = False, self._leaving  # until its body has come

    def _wait_behind(self, waiting: Any) -> None:
        if not self.pipeline:
            self._ahead.clear()
        self._ahead.append(waiting)

    def on_chunk_header(self) -> None:
        """Count what comes until there is a body: after the last chunk come trailers."""
        self._head_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._head_bytes = _NO_HEAD
        exchange = self._exchange
        if exchange is None:
            super().on_body(body)
        elif not exchange.response_complete:
            exchange.body += body
            if len(exchange.body) > exchange.endpoint.max_body_bytes:
                self._exchange = None  # the rest counts for nothing
                self.loop.call_soon(self._refuse_body, exchange)  # it may have come already

    def on_message_complete(self) -> None:
        self._head_bytes = _NO_HEAD
        exchange = self._exchange
        if exchange is None:
            cycle: Any = self.cycle
            if not cycle.response_started:
                cycle.keep_alive, cycle.transport = self._keeps, self.transport
            super().on_message_complete()
        else:
            exchange.more_body = False
            exchange.endpoint.put(exchange.caller, exchange.headers, exchange.body, partial(self._answer, exchange))

    def connection_lost(self, exc: Exception | None) -> None:
        self._exchange = self._leaving = None
        for waiting in self._ahead:
            waiting.disconnected = True
        self._ahead.clear()
        if self._resting is not None:
            self._resting.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End the connection once what it waits for is answered; at once where its request has not come whole."""
        if not self._take_no_more():
            self.transport.close()

    def _take_no_more(self) -> bool:
        """Let the last request that has come whole be the connection's last; return whether it waits for its answer."""
        last: Any = self.cycle
        if self.pipeline and last.more_body:
            last = self._ahead[-1]
        if last is None or last.response_complete or last.more_body:
            return False
        last.keep_alive = False
        return True

    def listen_no_more(self) -> None:
        """Take whatever comes for nothing."""
        self.parser = _Deaf()  # type: ignore[assignment]
        self._head_bytes = _NO_HEAD

    def look(self) -> None:
        """Close the connection if the same message has come in part at this and earlier looks."""
        found = self._in_part()
        self._looks = self._looks + 1 if found is self._half_sent else 0
        self._half_sent = found
        if found is not None and self._looks >= PATIENT_LOOKS:
            self.transport.close()

    def _in_part(self) -> object:
        """What stands for a message that has come in part, None where none has."""
        waiting: Any = self.cycle
        if self.pipeline or (waiting is not None and not waiting.response_complete and not waiting.more_body):
            return None  # it is we who let it wait
        if waiting is not None and waiting.more_body:
            return waiting
        return self.headers if self._head_bytes != _NO_HEAD else None

    def _refuse_head(self) -> None:
        """End the connection of a request whose head does not end, with an answer where no other is awaited."""
        waiting: Any = self.cycle
        if waiting is None or waiting.response_complete:
            long_url = not self.headers and len(self.url) > _PIECE_BYTES
            reply = http_problem(
                "uri_too_long" if long_url else "headers_too_large", f"At most {MAX_HEAD_BYTES} bytes."
            )
            headers, body = self._unserved.answer(reply)
            lines = _lines([*headers, *self.server_state.default_headers])
            self.transport.write(b"".join((STATUS_LINE[reply.status], lines, _CLOSE, body)))
        self.transport.close()

    def _refuse_body(self, exchange: _Exchange) -> None:
        """Refuse a body that is too large; while more of it is to come, with the connection's last answer."""
        if not self.transport.is_closing():
            exchange.keep_alive = exchange.keep_alive and not exchange.more_body
            self._answer(exchange, exchange.endpoint.too_large())

    def _answer(self, exchange: _Exchange, reply: Reply) -> None:
        """Write an answer, head and body at once."""
        if reply.status == _CREATED and reply.location and not reply.replayed:
            exchange.endpoint.count(reply, exchange.begun_ns)
            head, body = _PLACED % (len(reply.body), reply.location.encode()), reply.body
        else:
            headers, body = exchange.endpoint.answer(reply, exchange.begun_ns)
            head = STATUS_LINE[reply.status] + _lines(headers)
        if exchange.disconnected:
            return
        end = b"\r\n" if exchange.keep_alive else _CLOSE
        usual = self.server_state.default_headers
        if usual is not self._usual[0]:
            self._usual = usual, _lines(usual)
        self.transport.write(b"".join((head, self._usual[1], end, body)))
        exchange.response_complete = True
        if not exchange.keep_alive:
            (self._leaving if exchange.more_body else self.transport).close()
        if self.pipeline or self.flow.read_paused or self.transport.is_closing():
            self.on_response_complete()
        else:
            self._rest()

    def _rest(self) -> None:
        """Do what `on_response_complete` does, but for a timer an answer, which is cancelled by the next request."""
        self.server_state.total_requests += 1
        self._rested = self.loop.time()
        if self._resting is None:
            self._resting = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _close_if_idle(self) -> None:
        """Close the connection if the last short answer was its last and is old enough; else look again."""
        self._resting = None
        waiting: Any = self.cycle
        if not isinstance(waiting, _Exchange):
            return  # the usual way has its own timer
        left = self._rested + self.timeout_keep_alive - self.loop.time()
        if left <= 0 and waiting.response_complete:
            self.timeout_keep_alive_handler()
        else:
            self._resting = self.loop.call_later(max(left, 1.0), self._close_if_idle)
