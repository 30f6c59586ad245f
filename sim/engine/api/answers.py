"""What is sent back: an answer's headers and body; and the answers to what reaches no operation."""

from __future__ import annotations

import msgspec
from starlette.types import Scope, Send

from sim.engine.calls import JSON, PROBLEM, Reply
from sim.engine.core import Served

Headers = list[tuple[bytes, bytes]]

BAD_REQUEST = 400
#: Seconds after which a client should try again, by status.
_RETRY_AFTER = {429: b"1", 503: b"1"}
_JSON_HEADER = (b"content-type", JSON.encode())
_PROBLEM_HEADER = (b"content-type", PROBLEM.encode())


class Unserved:
    """Answers what reaches no operation: another path or method, what is no HTTP, what is shed. It is counted too."""

    def __init__(self, engine: Served) -> None:
        self._request_ids = engine.request_ids
        self.count = engine.metrics.count_unserved

    def answer(self, reply: Reply, path: str = "", allow: bytes = b"") -> tuple[Headers, bytes]:
        """The headers and the body of the answer to a request for `path`; it is counted."""
        self.count(reply.status)
        return written(reply, tail(path, next(self._request_ids)), allow=allow)

    async def respond(self, scope: Scope, send: Send, reply: Reply, allow: bytes = b"") -> None:
        """Send the answer to a request, and count it."""
        await send_answer(send, reply.status, *self.answer(reply, path_of(scope), allow))


def path_of(scope: Scope) -> str:
    """A request's path as it was sent."""
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("latin-1") if raw is not None else scope["path"]


async def send_answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send an answer the usual way."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def tail(path: str, request_id: bytes) -> bytes:
    """The end of a problem: the request's path, where it is known, and the id by which the log knows it."""
    instance = b',"instance":' + msgspec.json.encode(path) if path else b""
    return b'%b,"request_id":"%b"}' % (instance, request_id)


def written(reply: Reply, end: bytes = b"", media: str = JSON, allow: bytes = b"") -> tuple[Headers, bytes]:
    """An answer's headers and body; a problem gets its `end`."""
    body = reply.body
    if end and body.endswith(b"}"):
        body = body[:-1] + end
        headers = [_PROBLEM_HEADER]
    else:
        headers = [_JSON_HEADER if media == JSON else (b"content-type", media.encode())]
    headers.append((b"content-length", b"%d" % len(body)))
    if reply.location:
        headers.append((b"location", reply.location.encode()))
    if reply.etag:
        headers.append((b"etag", reply.etag.encode()))
    if reply.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    if reply.status >= BAD_REQUEST:
        if reply.status in _RETRY_AFTER or b'"key_in_use"' in reply.body[-200:]:
            headers.append((b"retry-after", b"1"))
        if allow:
            headers.append((b"allow", allow))
        if reply.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
    return headers, body
