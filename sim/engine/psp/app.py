"""The stand-in provider's HTTP: six routes, raw ASGI, since thousands of charges a second come through here.

`POST /charges`, `GET /charges/{id}`, `POST /refunds`, `GET /refunds/{id}`, `GET` and `PUT /behaviour`, `GET /ledger`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from sim.engine.psp.behaviour import Behaviour, befalls, latency_s
from sim.engine.psp.courier import Courier, Letter
from sim.engine.psp.ledger import PENDING, Charge, ChargeRequest, Ledger, PspRefused, Refund, RefundRequest

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

MAX_BODY_BYTES = 64 * 1024

_encode = msgspec.json.Encoder().encode
_charge_request = msgspec.json.Decoder(ChargeRequest).decode
_refund_request = msgspec.json.Decoder(RefundRequest).decode
_behaviour = msgspec.json.Decoder(Behaviour).decode


def _nobody_waits() -> None:
    """Do nothing: no event is held back until this one has arrived."""


class Psp:
    """The provider: an ASGI application over a ledger, and its webhooks."""

    def __init__(self, courier: Courier, behaviour: Behaviour | None = None) -> None:
        self.ledger = Ledger()
        self.behaviour = behaviour or Behaviour()
        self._courier = courier
        self._deciding: dict[str, asyncio.Future[None]] = {}
        self._held: dict[str, tuple[Letter, int]] = {}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            status, answer, cut = await self._route(scope["method"], scope["path"], receive)
        except PspRefused as refused:
            status, answer, cut = refused.status, {"code": refused.code}, False
        except msgspec.MsgspecError as error:
            status, answer, cut = 400, {"code": "malformed", "detail": str(error)}, False
        body = _encode(answer)
        length = str(len(body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if not cut:  # an application that ends without its body makes the server close the connection
            await send({"type": "http.response.body", "body": body})

    async def _route(self, method: str, path: str, receive: Receive) -> tuple[int, Any, bool]:
        if method == "POST" and path == "/charges":
            return await self._charge(_charge_request(await _body(receive)))
        if method == "POST" and path == "/refunds":
            return await self._refund(_refund_request(await _body(receive)))
        if method == "PUT" and path == "/behaviour":
            self.behaviour = _behaviour(await _body(receive))
            return 200, self.behaviour, False
        if method != "GET":
            raise PspRefused(405, "method_not_allowed")
        return 200, self._read(path), False

    def _read(self, path: str) -> Any:
        if path == "/behaviour":
            return self.behaviour
        if path == "/ledger":
            return self.ledger.everything()
        _, kind, *rest = path.split("/", 2)
        known: Any = {"charges": self.ledger.charges, "refunds": self.ledger.refunds}.get(kind, {})
        found = known.get(rest[0] if rest else "")
        if found is None:
            raise PspRefused(404, "not_found")
        return found.answer()

    async def _charge(self, request: ChargeRequest) -> tuple[int, Any, bool]:
        charge, new = self.ledger.charge(request)
        if new:
            self._after_latency(request.id, lambda: self._decide(charge))
        return await self._answer(charge, new)

    async def _refund(self, request: RefundRequest) -> tuple[int, Any, bool]:
        refund, new = self.ledger.refund(request)
        if new:
            self._after_latency(request.id, lambda: self._pay_out(refund))
        return await self._answer(refund, new)

    async def _answer(self, record: Charge | Refund, new: bool) -> tuple[int, Any, bool]:
        """The answer to the first or a repeated request, once it is decided or (async) at once."""
        behaviour, subject = self.behaviour, record.request.id
        if behaviour.answers == "async":
            answer = record.answer() | ({"status": PENDING, "failure": None} if new else {})
        else:
            deciding = self._deciding.get(subject)
            if deciding is not None:
                await asyncio.wait([deciding])
            answer = record.answer()
        return 200, answer, new and befalls(behaviour.drop_answer_share, behaviour.seed, subject, "drop")

    def _after_latency(self, subject: str, work: Callable[[], None]) -> None:
        delay_s = latency_s(self.behaviour, subject)
        if not delay_s:
            work()
            return
        loop = asyncio.get_running_loop()
        done = self._deciding[subject] = loop.create_future()

        def due() -> None:
            work()
            del self._deciding[subject]
            done.set_result(None)

        loop.call_later(delay_s, due)

    def _decide(self, charge: Charge) -> None:
        self.ledger.decide(charge, self.behaviour)
        asked = charge.request
        data = {
            "order_id": asked.order_id,
            "payment_id": asked.id,
            "amount": asked.amount,
            "currency": asked.currency,
        }
        if charge.failure:
            data["failure"] = charge.failure
        self._announce(asked.id, f"payment.{charge.status}", data)

    def _pay_out(self, refund: Refund) -> None:
        self.ledger.pay_out(refund)
        asked = refund.request
        data = {
            "order_id": refund.order_id,
            "payment_id": asked.charge_id,
            "refund_id": asked.id,
            "amount": asked.amount,
            "currency": asked.currency,
        }
        self._announce(asked.id, "refund.succeeded", data)

    def _announce(self, subject: str, kind: str, data: dict[str, Any]) -> None:
        """Send an event as its fate wants it: never, later, after another one, or several times."""
        behaviour, seed = self.behaviour, self.behaviour.seed
        if befalls(behaviour.lost_share, seed, subject, "lost"):
            return
        event_id = f"evt-{subject}-{kind}"
        created_at = datetime.fromtimestamp(time.time(), UTC).isoformat()
        body = _encode({"id": event_id, "type": kind, "created_at": created_at, "data": data})
        copies = 1 + behaviour.duplicates * befalls(behaviour.duplicate_share, seed, subject, "duplicate")
        if befalls(behaviour.reorder_share, seed, subject, "reorder"):
            self._held[event_id] = Letter(event_id, body, _nobody_waits), copies
            asyncio.get_running_loop().call_later(behaviour.reorder_ms / 1000, self._let_go, event_id)
            return
        late = befalls(behaviour.late_share, seed, subject, "late")
        first = Letter(event_id, body, self._let_all_go if self._held else _nobody_waits)
        self._post(first, copies, behaviour.late_ms / 1000 if late else 0)

    def _post(self, letter: Letter, copies: int, delay_s: float = 0) -> None:
        for number in range(copies):
            one = letter if not number else Letter(letter.id, letter.body, _nobody_waits)
            if delay_s:
                self._courier.post_later(one, delay_s)
            else:
                self._courier.post(one)

    def _let_all_go(self) -> None:
        for event_id in list(self._held):
            self._let_go(event_id)

    def _let_go(self, event_id: str) -> None:
        if event_id in self._held:
            self._post(*self._held.pop(event_id))


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body") and len(body) <= MAX_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
    if len(body) > MAX_BODY_BYTES:
        raise PspRefused(413, "body_too_large")
    return body
