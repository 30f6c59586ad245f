"""The harness's own HTTP client: blocking, one connection, for filling a target and looking at it afterwards.

As the replay's client it sends again, once and on a new connection, what a kept connection that ended without an answer
may have lost, if doing that twice is the same as once; a POST without a key is not.
"""

from __future__ import annotations

import http.client
import os
import select
import socket
from typing import Any

import msgspec

from loadtests.certificates import trusting
from loadtests.targets.base import Answer, HttpFailed, HttpStale, HttpTimeout, joined_fields, may_be_repeated, split_url


class BlockingHttp:
    """`loadtests.targets.base.Http` by the standard library. `ca_file`: whom to trust besides the system's own.

    `run_id`: what each request says it belongs to, in `X-LiveRush-Run`, with a `traceparent` of its own (not sampled).
    """

    def __init__(self, url: str, *, timeout_s: float = 30.0, ca_file: str = "", run_id: str = "") -> None:
        parts = split_url(url)
        self._host, self._port, self._base = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._context = trusting(ca_file) if parts.scheme == "https" else None
        self._timeout_s = timeout_s
        self._run_id = run_id
        self._connection: http.client.HTTPConnection | None = None

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
        traced = f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00"
        sent = {"x-liverush-run": self._run_id, "traceparent": traced, **(headers or {})}
        if json is not None:
            body = msgspec.json.encode(json)
            if not any(name.lower() == "content-type" for name in sent):
                sent["content-type"] = "application/json"
        if self._connection is not None and self._connection.sock and _is_over(self._connection.sock):
            self.close()
        fresh = self._connection is None
        try:
            return self._ask(method, path, body, sent)
        except HttpStale:
            if fresh or not may_be_repeated(method, sent):
                raise
            return self._ask(method, path, body, sent)

    def get(self, path: str, *, headers: dict[str, str] | None = None) -> Answer:
        """See `Http.get`."""
        return self.request("GET", path, headers=headers)

    def post(self, path: str, *, json: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """See `Http.post`."""
        return self.request("POST", path, json=json, headers=headers)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        connection = self._connection or self._open()
        self._connection = connection
        answer = None
        try:
            connection.request(method, self._base + path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except TimeoutError as error:
            self.close()
            raise HttpTimeout(f"no answer within {self._timeout_s:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            kind = HttpFailed if answer or not isinstance(error, ConnectionError) else HttpStale
            raise kind(f"{self._host}: {error or type(error).__name__}") from error
        if answer.will_close:
            self.close()
        return Answer(answer.status, joined_fields(answer.getheaders()), content)

    def _open(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=self._context)


def _is_over(idle: socket.socket) -> bool:
    """Whether a kept connection that should be silent has something to say: as a rule that its server has closed it."""
    return bool(select.select([idle], [], [], 0)[0])
