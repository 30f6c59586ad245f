"""A payment provider at a URL: asked over HTTP, it says `unknown` where it cannot tell what happened.

Nothing here raises for a fault of the network.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from sim.engine.paying.provider import Amount, Charge, Outcome, Payback, Status
from sim.engine.resources import Currency

CONNECT_WITHIN_S = 2.0
ANSWER_WITHIN_S = 10.0
#: Requests at once; the others wait here, where waiting is no fault of the provider.
IN_FLIGHT = 512
#: A connection that the provider has closed meanwhile, or cut instead of its answer, gets one more try at once.
TRIES = 2


class _Answer(msgspec.Struct):
    """The parts of a provider's answer that are read."""

    status: Status = Status.UNKNOWN
    failure: str | None = None
    amount: Any = None
    currency: Any = None
    code: str = ""


class _Taken(msgspec.Struct):
    """What is read of money that was taken: elsewhere the provider may write it as it likes."""

    amount: Amount | None = None
    currency: Currency | None = None


#: What a 404 must say to mean it; one from a wrong address or a proxy says nothing of the charge.
_NEVER_HEARD = ("not_found", "unknown_charge")
_MOST_OF_A_FAILURE = 255
_UNKNOWN = Outcome(Status.UNKNOWN)
_decode = msgspec.json.Decoder(_Answer).decode


class Provider:
    """The provider at a URL. It connects when it is first asked; `close` it before the event loop ends."""

    def __init__(
        self, url: str, *, in_flight: int = IN_FLIGHT, timeout_s: float = ANSWER_WITHIN_S, tries: int = TRIES
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(timeout_s, CONNECT_WITHIN_S))
        self._slots = asyncio.Semaphore(in_flight)
        self._tries = tries
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def charge(self, charge: Charge) -> Outcome:
        """See `PaymentProvider.charge`."""
        asked = {
            "id": str(charge.payment_id),
            "order_id": str(charge.order_id),
            "amount": str(charge.amount_minor),
            "currency": charge.currency,
            "method": charge.method,
        }
        return await self._ask("POST", "/charges", asked)

    async def refund(self, payback: Payback) -> Outcome:
        """See `PaymentProvider.refund`."""
        asked = {
            "id": str(payback.refund_id),
            "charge_id": payback.charge_id,
            "amount": str(payback.amount_minor),
            "currency": payback.currency,
        }
        return await self._ask("POST", "/refunds", asked)

    async def look(self, charge_id: str) -> Outcome:
        """See `PaymentProvider.look`."""
        return await self._ask("GET", f"/charges/{quote(charge_id, safe='')}")

    async def _ask(self, method: str, path: str, asked: dict[str, Any] | None = None) -> Outcome:
        body = None if asked is None else msgspec.json.encode(asked)
        async with self._slots:
            for _ in range(self._tries):
                try:
                    return await self._send(method, path, body)
                except TimeoutError:
                    break  # a provider that is slow is not helped by being asked twice
                except (aiohttp.ClientError, OSError):
                    continue
        return _UNKNOWN

    async def _send(self, method: str, path: str, body: bytes | None) -> Outcome:
        session = self._session or self._connect()
        async with session.request(method, self.url + path, data=body, allow_redirects=False) as response:
            return _outcome(response.status, await response.read())

    def _connect(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # the semaphore bounds them, outside of the time-out
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"content-type": "application/json"},
        )
        return self._session


def _outcome(status: int, body: bytes) -> Outcome:
    """What an answer means; one that cannot be understood means `unknown`, never `declined`, and why in `failure`."""
    try:
        answer = _decode(body)
        taken = _Taken()
        if answer.status == Status.CAPTURED:
            taken = msgspec.convert(answer, _Taken, from_attributes=True)
    except msgspec.MsgspecError as error:
        return _not_understood(status, str(error))
    if status == 404 and answer.code in _NEVER_HEARD:
        return Outcome(Status.MISSING, answer.code)
    if status in (400, 422):  # the provider will never do this one; 409 may hide one that it did
        return Outcome(Status.DECLINED, answer.code or "rejected")
    if status != 200 or answer.status == Status.UNKNOWN:
        return _not_understood(status, answer.code)
    amount_minor = None if taken.amount is None else int(taken.amount)
    failure = (answer.failure or "").replace("\0", "")[:_MOST_OF_A_FAILURE]  # it will be stored
    return Outcome(answer.status, failure, amount_minor, taken.currency)


def _not_understood(status: int, why: str) -> Outcome:
    """From 500 on there is nothing to understand: the provider has trouble, which passes."""
    return Outcome(Status.UNKNOWN, f"answered {status} {why}".rstrip()[:_MOST_OF_A_FAILURE] if status < 500 else "")
