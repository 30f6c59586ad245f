"""A target: how one shop is filled, bought from, paid and looked at. Write one small class for yours.

The methods run in Locust's workers, each call in a greenlet of its own, so plain blocking code is right: send requests
with `http` and return what came of it. The time from before the call to after it is the step's; a step may take as many
requests as the shop needs. `setup` and `teardown` run once, in the harness.

    class MyShop(Target):
        def place(self, http, cart, key):
            answer = http.post("/cart/checkout", json={...}, headers={"Idempotency-Key": key})
            if answer.status == 409:
                return refused("sold_out", answer.status)
            return ok(answer.status, order=answer.json()["id"])
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol
from urllib.parse import SplitResult, urlsplit

from loadtests.records import Outcome
from loadtests.schedule import DealPlan, Offer, ShelfPlan
from sim.errors import UsageError


class Answer:
    """A complete HTTP answer. `headers` (lower-case names) may be given as the raw head, and is read when asked for."""

    __slots__ = ("_headers", "body", "status")

    def __init__(self, status: int, headers: dict[str, str] | bytes, body: bytes) -> None:
        self.status = status
        self.body = body
        self._headers = headers

    @property
    def headers(self) -> dict[str, str]:
        if isinstance(self._headers, bytes):
            self._headers = head_fields(self._headers)
        return self._headers

    def json(self) -> Any:
        """The body decoded; raises ValueError where it is no JSON."""
        import msgspec

        return msgspec.json.decode(self.body)


def head_fields(raw: bytes) -> dict[str, str]:
    """The header fields of a raw answer, interim answers (1xx) before it left out; a repeated one is joined."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    while head[9:10] == b"1":
        head, _, rest = rest.partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return joined_fields((name, value) for name, _, value in lines)


def joined_fields(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Header fields by their names in lower case, the values of a repeated one joined by commas."""
    joined: dict[str, str] = {}
    for name, value in fields:
        name, value = name.strip().lower(), value.strip()
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
_KEYS = frozenset({"idempotency-key", "x-idempotency-key"})


def may_be_repeated(method: str, headers: dict[str, str] | None) -> bool:
    """Whether a request of which nobody knows what came may be sent again: twice must be the same as once.

    So it is for safe and idempotent methods (RFC 9110, 9.2.2), and for what carries an `Idempotency-Key`.
    """
    return method in _IDEMPOTENT or any(name.lower() in _KEYS for name in headers or ())


def split_url(url: str) -> SplitResult:
    """Take the URL of a target apart; its port is one. Raises UsageError for what is none, without its password."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # half an IPv6 address, a port that is none
        pass
    told = re.sub(r"^(\w+://)?.*@", r"\1", url)
    raise UsageError(f"{told!r} is no http or https URL")


class Http(Protocol):
    """The client that a step gets: keep-alive, one base URL, stamps and retries are not its business.

    `request` raises HttpTimeout (no complete answer in time: indeterminate) or HttpFailed (refused, reset, no HTTP).
    """

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request and wait for its whole answer."""

    def get(self, path: str, *, headers: dict[str, str] | None = None) -> Answer:
        """Send a GET."""

    def post(self, path: str, *, json: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """Send a POST."""


class HttpFailed(Exception):
    """No answer: the connection was refused or reset, or what came was no HTTP."""


class HttpStale(HttpFailed):
    """A kept connection ended before a byte of the answer came: perhaps the server had closed it while it was idle."""


class HttpDropped(HttpFailed):
    """Not sent: as many connections as may be open were busy."""


class HttpTimeout(HttpFailed):
    """No complete answer in time; what was asked may have happened."""


class Unexpected(Exception):
    """An answer that a step cannot go on with: raised in a step it counts as `failed(status)`."""

    def __init__(self, status: int) -> None:
        super().__init__(f"it answered {status}")
        self.status = status


def expected(answer: Answer) -> Answer:
    """An answer that says yes (below 300). Raises Unexpected for all others."""
    if answer.status >= 300:
        raise Unexpected(answer.status)
    return answer


def in_words(error: BaseException) -> str:
    """What went wrong; what a client tells of a connection speaks for itself."""
    return str(error) if isinstance(error, HttpFailed) else f"{type(error).__name__}: {error}"


def on_a_line(error: BaseException) -> str:
    """An error's kind and what it says, however many lines that has, on one."""
    return " ".join(f"{type(error).__name__}: {error}".split())


@dataclass(frozen=True, slots=True)
class Step:
    """What came of a step. `order` is the target's name of the order; `reason` a refusal's code."""

    outcome: Outcome
    status: int = 0
    order: str = ""
    reason: str = ""
    paid: bool = False  # the order is paid now (a payment that is only accepted is paid later)


def ok(status: int = 200, *, order: str = "", paid: bool = False) -> Step:
    """The step that did what it should."""
    if not order and not paid:
        return _plain_ok(status)
    return Step(Outcome.OK, status, order, "", paid)


@functools.lru_cache(maxsize=100)
def _plain_ok(status: int) -> Step:
    return Step(Outcome.OK, status)


def refused(reason: str, status: int = 409) -> Step:
    """A correct refusal: sold out, limit reached, deal closed."""
    return Step(Outcome.REFUSED, status, reason=reason)


def declined(status: int = 402) -> Step:
    """A payment that the provider declined."""
    return Step(Outcome.DECLINED, status, reason="payment_declined")


def failed(status: int, reason: str = "") -> Step:
    """An error; 429 and 503 count as shed."""
    return Step(Outcome.SHED if status in (429, 503) else Outcome.ERROR, status, reason=reason)


@dataclass(frozen=True, slots=True)
class CartLine:
    """A line of a cart; `sku` is an index into World.offers."""

    sku: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Cart:
    """What a buyer wants. `deal` is an index into World.deals, -1 for none."""

    number: int
    buyer: int
    lines: tuple[CartLine, ...]
    deal: int = -1
    content: int = -1
    declines: int = 0  # payments that should be declined first, where the target can; at `pay`: those still to come


@dataclass(frozen=True, slots=True)
class World:
    """What a target is set up with."""

    run_id: str
    offers: list[Offer]
    deals: list[DealPlan]
    contents: list[str]
    shelf: list[ShelfPlan]
    speed: float
    folder: Path  # the run's own folder: logs and databases of what the target starts go here
    options: dict[str, str] = field(default_factory=dict)  # --target-option key=value
    secrets: dict[str, str] = field(default_factory=dict)  # from the environment variables that --secret names
    timers: dict[str, int] = field(default_factory=dict)  # the scenario's own, not divided by speed: pay_window_us, ...


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the audit found: which rule, which ids, what."""

    rule: str
    ids: tuple[str, ...]
    found: str


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What was looked at, what could not be seen, what is wrong, and what should have been looked at and was not.

    What a target does not show is unseen. What it shows but did not when it was asked has failed: nobody knows then.
    """

    checked: dict[str, int]  # rule -> how many things were looked at
    unseen: dict[str, str]  # rule -> why it could not be looked at
    findings: tuple[Finding, ...]
    failed: tuple[str, ...] = ()


class Target:
    """Base of targets. `place` must be written; the other steps are left out of the journey where they are not."""

    #: Whether its stock follows --share and --from, and its timers follow --speed.
    scales_stock = True
    scales_timers = False
    #: Codes with which this target refuses what it has no more units of: the audit holds it to them.
    sold_out: ClassVar[frozenset[str]] = frozenset({"sold_out"})
    #: How long `start` may take, in seconds; the replay begins no earlier than that after it was called.
    start_within_s = 1.0
    #: Steps that this target has; the journey leaves the others out.
    steps: frozenset[str] = frozenset({"place"})

    def setup(self, world: World) -> dict[str, Any]:
        """Reset stock, map SKUs, log buyers in. Runs in the harness; returns what the workers need, as plain JSON."""
        return {"url": world.options.get("url", "")}

    def attach(self, state: dict[str, Any]) -> None:
        """Take what `setup` returned; runs in each worker before the first request."""
        self.state = state

    def start(self, http: Http, at_unix_us: int) -> None:
        """The replay starts at this instant: open deals relative to it. Runs once, in the harness."""

    def put_on_shelf(self, http: Http, sku: int, *, on: bool) -> None:
        """Put a SKU's listing on the shelf or take it off: for targets with the step "shelf". Runs in the harness."""
        raise NotImplementedError

    def view(self, http: Http, sku: int) -> Step:
        """Look at a product page."""
        raise NotImplementedError

    def refresh(self, http: Http, sku: int) -> Step:
        """Look again, impatiently."""
        return self.view(http, sku)

    def quote(self, http: Http, cart: Cart) -> Step:
        """Ask what a cart costs."""
        raise NotImplementedError

    def place(self, http: Http, cart: Cart, key: str) -> Step:
        """Check out; the same `key` again must not make a second order."""
        raise NotImplementedError

    def pay(self, http: Http, order: str, cart: Cart, key: str) -> Step:
        """Pay an order; `paid` says whether it is paid at once."""
        raise NotImplementedError

    def paid_since(self, http: Http, cursor: str) -> tuple[list[str], str]:
        """The orders that were paid since a cursor, and the next cursor: how a merchant learns of payments.

        Only for targets with the step "follow", whose `pay` is answered before the money is there.
        """
        raise NotImplementedError

    def confirm(self, http: Http, order: str, key: str) -> Step:
        """Accept a paid order, as its merchant."""
        raise NotImplementedError

    def read(self, http: Http, order: str) -> Step:
        """Read an order, as its buyer."""
        raise NotImplementedError

    def cancel(self, http: Http, order: str, key: str) -> Step:
        """Cancel an order."""
        raise NotImplementedError

    def give_back(self, http: Http, order: str, key: str) -> Step:
        """Ask for a return of a delivered order."""
        raise NotImplementedError

    def quiet(self, http: Http) -> bool:
        """Whether nothing is under way any more: the audit waits for that."""
        return True

    def audit(self, http: Http, acknowledged: Path) -> AuditResult:
        """Look for what was oversold, lost or charged twice; `acknowledged` is the clients' own log (JSON lines)."""
        return AuditResult({}, {"all": "this target says nothing of its stock, orders or payments"}, ())

    def teardown(self) -> None:
        """Stop what `setup` started. Runs in the harness, whatever happened."""
