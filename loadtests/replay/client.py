"""A lean keep-alive HTTP/1.1 client for generators: gevent's hub, httptools' parser, as many connections as it takes.

A connection is never a hidden queue: a request takes a free one or opens another. Above a stated limit it is not sent,
and that is counted (HttpDropped). Each request carries `X-LiveRush-Run` and a `traceparent` of its own (not sampled:
a target that traces by it would be slowed by the measurement).

One silent retry there is: where a kept connection ends before a byte of the answer, perhaps the server had closed it
while it was idle. On a new connection the request is sent again, once, if doing it twice is the same as once: its
method is safe or idempotent (RFC 9110, 9.2.2), or it carries an `Idempotency-Key`. That is counted, and allowed to so
few requests as such races may meet: a server that throws requests away must not look as if it answered them. All else
is HttpFailed, and the journey decides. A request that timed out is never sent again here, and its connection is closed.
"""

from __future__ import annotations

import hashlib
import os
import resource
import socket
import time
from typing import Any, cast

import gevent
import msgspec

from loadtests.certificates import trusting
from loadtests.replay.connection import Connection, TlsConnection, open_socket
from loadtests.targets.base import Answer, HttpDropped, HttpFailed, HttpStale, may_be_repeated, split_url
from sim.errors import UsageError

#: Connections at most, unless the plan says otherwise or fewer files may be open.
MAX_CONNECTIONS = 8_000
_SPARE_FILES = 200
#: Silent retries at most: this many, and one in so many requests. Connections are listened to while they are idle,
#: so a race is lost only within the time that a packet takes.
STALE_LEAST, STALE_ONE_IN = 3, 1_000
#: How often time-outs are looked for, as a share of the time-out, and its bounds in seconds.
_SWEEP_SHARE, _SWEEP_LEAST_S, _SWEEP_MOST_S = 0.02, 0.005, 0.1


class HttpClient:
    """Implements `Http`. For one process: make it after a fork."""

    def __init__(
        self,
        url: str,
        *,
        run_id: str = "",
        timeout_s: float = 10.0,
        ca_file: str = "",
        max_connections: int = 0,
    ) -> None:
        parts = split_url(url)
        self._host = parts.hostname or ""
        self._base = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._context = trusting(ca_file) if parts.scheme == "https" else None
        self._addresses = _addresses(self._host, parts.port or (443 if self._context else 80))
        self._limit = max_connections or min(MAX_CONNECTIONS, _files() - _SPARE_FILES)
        self._free: list[Connection] = []
        self._open: set[Connection] = set()
        self._opening = 0
        self._asked = 0
        self._between = _fixed_head(parts.netloc.rpartition("@")[2], run_id)
        self.opened = self.most_open = self.dropped = self.stale_retries = 0
        sweep_s = min(max(timeout_s * _SWEEP_SHARE, _SWEEP_LEAST_S), _SWEEP_MOST_S)
        self._sweeper: Any = gevent.get_hub().loop.timer(sweep_s, repeat=sweep_s, ref=False)
        self._sweeper.start(self._sweep)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """See `Http.request`."""
        message = self._message(method, path, json, body, headers)
        deadline = time.monotonic() + self._timeout_s
        free = self._free
        while free:
            connection = free.pop()
            if not connection.closed:
                break
        else:
            connection = self._another(deadline)
        try:
            answer = connection.exchange(message, deadline, method == "HEAD")
            if not connection.closed:
                free.append(connection)
            return answer
        except HttpStale:
            if not (self._may_be_a_race() and may_be_repeated(method, headers)):
                raise
            self.stale_retries += 1
        finally:
            if connection.closed:
                self._open.discard(connection)
        return self._on_another(message, deadline, method)

    def get(self, path: str, *, headers: dict[str, str] | None = None) -> Answer:
        """See `Http.get`."""
        return self.request("GET", path, headers=headers)

    def post(self, path: str, *, json: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """See `Http.post`."""
        return self.request("POST", path, json=json, headers=headers)

    def warm(self, connections: int) -> None:
        """Open connections before they are needed. Raises HttpFailed where the target cannot be reached."""
        deadline = time.monotonic() + self._timeout_s
        while len(self._free) < min(connections, self._limit):
            self._free.append(self._another(deadline))

    def close(self) -> None:
        """Close all connections."""
        self._sweeper.stop()
        for connection in list(self._open):
            connection.close()
        self._open.clear()
        self._free.clear()

    def _on_another(self, message: bytes, deadline: float, method: str) -> Answer:
        connection = self._another(deadline)
        try:
            answer = connection.exchange(message, deadline, method == "HEAD")
        finally:
            if connection.closed:
                self._open.discard(connection)
        if not connection.closed:
            self._free.append(connection)
        return answer

    def _may_be_a_race(self) -> bool:
        return self.stale_retries < STALE_LEAST + self._asked // STALE_ONE_IN

    def _another(self, deadline: float) -> Connection:
        if len(self._open) + self._opening >= self._limit:
            self._forget_closed()
        if len(self._open) + self._opening >= self._limit:
            self.dropped += 1
            raise HttpDropped(f"{self._limit} connections are busy")
        self._opening += 1
        try:
            connection = self._connected(deadline)
        except HttpDropped:
            self.dropped += 1
            raise
        finally:
            self._opening -= 1
        self._open.add(connection)
        self.opened += 1
        self.most_open = max(self.most_open, len(self._open))
        return connection

    def _connected(self, deadline: float) -> Connection:
        sock = open_socket(self._addresses, deadline)
        if self._context is None:
            return Connection(sock)
        try:
            return TlsConnection(sock, self._context, self._host, deadline)
        except OSError as error:
            sock.close()
            raise HttpFailed(f"TLS: {error.strerror or error}") from error
        except BaseException:
            sock.close()
            raise

    def _sweep(self) -> None:
        now = time.monotonic()
        for connection in [one for one in self._open if 0 < one.deadline <= now]:
            connection.expire()

    def _forget_closed(self) -> None:
        """Connections that servers closed while they were idle are no longer open."""
        self._open.difference_update([connection for connection in self._open if connection.closed])
        self._free[:] = [connection for connection in self._free if not connection.closed]  # requests hold this list

    def _message(self, method: str, path: str, json: Any, body: bytes | None, headers: dict[str, str] | None) -> bytes:
        number = self._asked = self._asked + 1
        head = f"{method} {self._base}{path}{self._between}{number:016x}-{number:016x}-00\r\n"
        if headers:
            for name, value in headers.items():
                head += f"{name}: {value}\r\n"
            if head.count("\n") != self._lines + len(headers):
                raise ValueError("a header or the path has a line break")
        if json is not None:
            body = msgspec.json.encode(json)
            if not headers or not any(name.lower() == "content-type" for name in headers):
                head += "content-type: application/json\r\n"
        if body is None:
            if method in ("POST", "PUT", "PATCH"):
                head += "content-length: 0\r\n"
            return (head + "\r\n").encode("latin-1")
        return f"{head}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body

    @property
    def _lines(self) -> int:
        return self._between.count("\n") + 1


def _fixed_head(host: str, run_id: str) -> str:
    """What stands between the path and the number of a request; the trace ID begins with a hash of the run."""
    seed = f"{run_id}/{os.getpid()}" if run_id else os.urandom(8).hex()
    trace = hashlib.sha256(seed.encode()).hexdigest()[:16]
    if "\n" in run_id or "\r" in run_id:
        raise UsageError("a run's name has no line breaks")
    return (
        f" HTTP/1.1\r\nhost: {host}\r\nuser-agent: liverush\r\naccept: */*\r\n"
        f"x-liverush-run: {run_id}\r\ntraceparent: 00-{trace}"
    )


def _addresses(host: str, port: int) -> list[tuple[Any, ...]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise HttpFailed(f"{host}: {error.strerror or error}") from error
    return [(family, cast("tuple[Any, ...]", address)) for family, _, _, _, address in found]


def _files() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft
