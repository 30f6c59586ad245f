"""What happens to every request, in this order: headers that come twice, key, rate, role, then, once its body has come,
size, query, signature, body, idempotency; its handler.

What its headers tell is looked at before: nobody is kept waiting by who may not ask.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import re
import time
from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from sim.engine.api.answers import BAD_REQUEST, Headers, path_of, send_answer, tail, written
from sim.engine.api.json_texts import check_texts
from sim.engine.api.parameters import etag, parse_query
from sim.engine.api.request import Rejected, Request
from sim.engine.api.route import Route
from sim.engine.auth import Caller
from sim.engine.calls import JSON, Reply
from sim.engine.core import Served
from sim.engine.problems import DEFECT, OVERLOADED, STORE_UNAVAILABLE, http_problem
from sim.engine.resources import Body
from sim.engine.stores.store import StoreUnavailable
from sim.engine.webhooks.signatures import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER
from sim.engine.writer import Deliver

_log = logging.getLogger("liverush.engine")

#: The same for equal values: names in an object have no order.
_encode = msgspec.json.Encoder(order="deterministic").encode
#: A name or a number in the place of an error, as msgspec tells it: `$.lines[0].quantity`, `$.address[...]`.
_STEP = re.compile(r"(?<=[.\[])\w+")

MAX_KEY_LENGTH = 255
_KEY = re.compile(rb"[ -~]{1,%d}" % MAX_KEY_LENGTH)
_JSON = JSON.encode()
#: Headers that mean something to us, and nothing when they come twice.
_ONCE = (
    *(b"authorization", b"content-type", b"idempotency-key", b"if-match"),
    *(name.encode() for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)),
)


#: Of operations that take no body; many clients send an empty object all the same.
_NO_BODY = msgspec.json.Decoder(Body)


class _Versioned(msgspec.Struct):
    version: int


_versioned = msgspec.json.Decoder(_Versioned).decode


class UnderWay:
    """Counts the requests that are being answered of routes that share a bound; those whose body comes do not count."""

    def __init__(self, most: int) -> None:
        self.now = 0
        self._most = most

    @property
    def full(self) -> bool:
        """Whether no more may begin."""
        return self.now >= self._most


class Endpoint:
    """A route as an ASGI application; with `under_way` it is answered only while not too much is."""

    def __init__(self, engine: Served, route: Route, under_way: UnderWay | None = None) -> None:
        self._engine = engine
        self._route = route
        self._under_way = under_way
        self._decoder = msgspec.json.Decoder(route.body) if route.body is not None else None
        self._observe = engine.metrics.observer(f"{route.method} {route.path}")
        self._tail = tail(route.path, b"").removesuffix(b'"}')

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of this route; `path_params` of the scope holds what the path matched."""
        begun_ns = time.monotonic_ns()
        reply = await self._answer(scope, receive)
        path = path_of(scope) if reply.status >= BAD_REQUEST else ""
        await send_answer(send, reply.status, *self.answer(reply, begun_ns, path))

    def admitted(self, headers: dict[bytes, bytes]) -> Caller | None:
        """Whose request a head begins, None where they may not, or not now: `__call__` tells them why."""
        keys = self._engine.keys
        caller = keys.find(headers.get(b"authorization", b""))
        if caller is None or caller.role not in self._route.roles or not keys.admit(caller, self._engine.clock):
            return None
        return caller

    def put(self, caller: Caller, headers: dict[bytes, bytes], raw: bytes, deliver: Deliver) -> None:
        """Check the request of who is `admitted` and hand its call to the writer, without a task.

        `deliver` gets the answer.
        """
        try:
            assert self._route.call is not None
            call = self._route.call(self._request(caller, headers, raw, self._route.path, {}))
        except Rejected as rejected:
            deliver(rejected.reply)
        except Exception:
            _log.exception("%s %s failed", self._route.method, self._route.path)
            deliver(DEFECT)
        else:
            self._engine.writer.put(call, deliver)

    def count(self, reply: Reply, begun_ns: int) -> None:
        """Count an answer."""
        self._observe(reply.status, (time.monotonic_ns() - begun_ns) / 1e9)

    def answer(self, reply: Reply, begun_ns: int, path: str = "") -> tuple[Headers, bytes]:
        """The headers and the body of the answer to a request for `path` (the route's own); it is counted."""
        self.count(reply, begun_ns)
        if reply.status >= BAD_REQUEST:
            request_id = next(self._engine.request_ids)
            if reply.status == DEFECT.status:  # its cause is in the log already, from here or from the store's process
                place = path or self._route.path
                _log.error("request %s: %s %s was answered 500", request_id.decode(), self._route.method, place)
            return written(reply, tail(path, request_id) if path else b'%b%b"}' % (self._tail, request_id))
        if reply.replayed and self._route.etag:
            reply = replace(reply, etag=etag(_versioned(reply.body).version))
        return written(reply, media=self._route.media)

    @property
    def max_body_bytes(self) -> int:
        return self._engine.max_body_bytes

    def too_large(self) -> Reply:
        """The answer to a body that is larger than that."""
        return _too_large(self.max_body_bytes)

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        try:
            headers, parameters = dict(scope["headers"]), scope.get("path_params") or {}
            if len(headers) < len(scope["headers"]):
                _check_once(scope["headers"])
            caller = self._caller(headers)
            raw = await _body(receive, self._engine.max_body_bytes)
            request = self._request(caller, headers, raw, scope["path"], parameters, scope["query_string"])
            if self._under_way is None:
                return await self._route.handler(request)
            return await self._handle(request, self._under_way)
        except Rejected as rejected:
            return rejected.reply
        except StoreUnavailable:
            return STORE_UNAVAILABLE
        except Exception:
            _log.exception("%s %s failed", self._route.method, self._route.path)
            return DEFECT

    async def _handle(self, request: Request, under_way: UnderWay) -> Reply:
        if under_way.full:
            return OVERLOADED
        under_way.now += 1
        try:
            return await self._route.handler(request)
        finally:
            under_way.now -= 1

    def _caller(self, headers: dict[bytes, bytes]) -> Caller | None:
        """Who asks, None where nobody needs a key. Raises Rejected for who may not."""
        engine, route = self._engine, self._route
        if not route.roles:
            return None
        caller = engine.keys.find(headers.get(b"authorization", b""))
        if caller is None:
            raise Rejected(http_problem("unauthorized"))
        if not engine.keys.admit(caller, engine.clock):
            raise Rejected(http_problem("rate_limited"))
        if caller.role not in route.roles:
            raise Rejected(http_problem("forbidden", f"This needs one of: {', '.join(sorted(route.roles))}."))
        return caller

    def _request(
        self,
        caller: Caller | None,
        headers: dict[bytes, bytes],
        raw: bytes,
        path: str,
        parameters: dict[str, str],
        query: bytes = b"",
    ) -> Request:
        """Check a caller's request and return it with its body decoded. Raises Rejected."""
        engine, route = self._engine, self._route
        known = parse_query(route, query) if query and not route.any_query else {}
        request = Request(engine, route, caller, headers, parameters, known, raw)
        if route.guard is not None:
            route.guard(request)
        if self._decoder is not None:
            request.body = self._decode(self._decoder, headers, raw)
        elif raw and route.method != "GET":
            self._decode(_NO_BODY, headers, raw)
            raw = b""  # an empty object says as much as nothing
        if isinstance(request.body, Body):
            raw = _encode(request.body)
            check_texts(request.raw, raw, request.body)
        if route.idempotent:
            assert caller is not None
            request.key = _key(headers.get(b"idempotency-key", b""), caller.role, path)
            request.fingerprint = hashlib.sha256(raw).digest()
        return request

    def _decode(self, decoder: msgspec.json.Decoder[Any], headers: dict[bytes, bytes], raw: bytes) -> Any:
        kind = headers.get(b"content-type", _JSON)
        if kind != _JSON and kind.partition(b";")[0].strip().lower() != _JSON:
            raise Rejected(http_problem("unsupported_media_type", "Send application/json."))
        try:
            return decoder.decode(raw or b"{}")
        except msgspec.ValidationError as error:
            raise Rejected(_unfit(self._route.bad_body, str(error))) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Rejected(http_problem("malformed_json", str(error))) from None


async def _body(receive: Receive, most_bytes: int) -> bytes:
    """Read a request's body. Raises Rejected where it is too large or its client has gone, maybe before any of it."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Rejected(http_problem("malformed", "The body ended early."))
        body += message.get("body", b"")
        if len(body) > most_bytes:
            raise Rejected(_too_large(most_bytes))
        more = message.get("more_body", False)
    return body


def _check_once(headers: Headers) -> None:
    """Raise Rejected where a header that we go by comes twice: none of the two counts more."""
    names = [name for name, _value in headers]
    for name in _ONCE:
        if names.count(name) > 1:
            raise Rejected(http_problem("malformed", f"The header {name.decode()} comes twice."))


def _too_large(most_bytes: int) -> Reply:
    return http_problem("body_too_large", f"At most {most_bytes} bytes.")


def _key(header: bytes, role: str, path: str) -> bytes:
    """The stored form of an Idempotency-Key: a hash of who, where and what."""
    key = header.strip().strip(b'"')
    if not key:
        raise Rejected(http_problem("key_missing", "Send a header Idempotency-Key, new for each thing you want done."))
    if not _KEY.fullmatch(key):
        detail = f"An Idempotency-Key has at most {MAX_KEY_LENGTH} characters, all of printable ASCII."
        raise Rejected(http_problem("malformed", detail))
    return hashlib.blake2b(_scope(role, path) + key, digest_size=16).digest()


@functools.lru_cache(maxsize=1024)
def _scope(role: str, path: str) -> bytes:
    """What stands before a key in what is hashed: who and where."""
    return f"{role}\0{path}\0".encode()


def _unfit(code: str, message: str) -> Reply:
    """The answer for a body that breaks its type, with a pointer to where."""
    text, _, path = message.partition(" - at `")
    pointer = "".join(f"/{step}" for step in _STEP.findall(path))
    return http_problem(code, text + ".", errors=[{"pointer": pointer, "message": text}])
