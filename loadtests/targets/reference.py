"""The reference engine as a target: started for the run on a fresh database, or one that runs already.

Options: `url` (else it is started), `store` (sqlite or postgres), `psp` (no: without a payment provider),
`psp_behaviour` (JSON for the stand-in), `psp_url` (where the ledger of the provider of a running engine is).
Keys come from LIVERUSH_KEY_BUYER, _MERCHANT and _ADMIN, else they are the engine's development keys.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import msgspec

from loadtests.blocking import BlockingHttp
from loadtests.records import Outcome
from loadtests.schedule import DealPlan
from loadtests.targets.base import (
    Answer,
    AuditResult,
    Cart,
    Http,
    HttpFailed,
    Step,
    Target,
    World,
    declined,
    failed,
    ok,
    refused,
)
from loadtests.targets.filling import Filler, made
from loadtests.targets.process import ServerProcess
from sim.engine.auth import development_key, variable_of
from sim.engine.psp.behaviour import DECLINED_METHOD
from sim.errors import UsageError

#: An engine far away may take so long to announce a flash deal.
_DEAL_WITHIN_S = 0.1
#: Events of a page of the feed, and how many pages one look at it reads at most.
_PAGE, _PAGES = 500, 20
_MOST_EVENTS = 2**63
#: How long before the run, by the engine's clock, its orders are read from; those of others are told by their buyers.
_BEFORE = timedelta(hours=1)
_CAPTURED = "payment.captured"
_IN_USE = "key_in_use"


class _Made(msgspec.Struct):
    id: str


class _Problem(msgspec.Struct):
    code: str = ""


class _Payment(msgspec.Struct):
    status: str


class _Cancelled(msgspec.Struct):
    order_status: str


class _What(msgspec.Struct):
    event: str = ""
    order_id: str = ""


class _Event(msgspec.Struct):
    data: _What


class _Feed(msgspec.Struct):
    items: list[_Event]
    next_after: int


_made = msgspec.json.Decoder(_Made).decode
_problem = msgspec.json.Decoder(_Problem).decode
_payment = msgspec.json.Decoder(_Payment).decode
_cancelled = msgspec.json.Decoder(_Cancelled).decode
_feed = msgspec.json.Decoder(_Feed).decode


class ReferenceEngine(Target):
    """See the module."""

    scales_timers = True
    sold_out = frozenset({"insufficient_stock"})
    steps = frozenset({"view", "refresh", "quote", "place", "pay", "follow", "confirm", "read", "cancel", "shelf"})

    def __init__(self) -> None:
        self._server: ServerProcess | None = None
        self._fill: Filler | None = None
        self._deals: list[str] | None = None

    # In the harness.

    def setup(self, world: World) -> dict[str, Any]:
        """Start an engine, or take the one at `url`, and fill it."""
        self._world = world
        url, found = world.options.get("url", ""), {}
        self.scales_timers = not url  # one that runs already has timers and a speed of its own
        self.start_within_s = max(0.5, _DEAL_WITHIN_S * len(world.deals))
        if not url:
            found = self._serve(world)
            url = found["url"]
        ca_file = world.options.get("ca_file", "")
        filler = self._fill = Filler(
            lambda: BlockingHttp(url, ca_file=ca_file, run_id=world.run_id), world, _headers("merchant")
        )
        state: dict[str, Any] = {
            "url": url,
            "ca_file": ca_file,
            "metrics_url": f"{url}/metrics",
            "processes": {"engine": self._server.pid} if self._server else {},
            "psp_url": found.get("psp", world.options.get("psp_url", "")),
            "run": world.run_id,
            "deals_file": str(world.folder / "deals.json"),
            "currencies": [offer.currency for offer in world.offers],
            "prices": [offer.price_minor for offer in world.offers],
            "units": [offer.units for offer in world.offers],
            "parts": [list(offer.parts) for offer in world.offers],
        }
        state["cursor"] = self._last_event(filler)
        state["since"] = f"{_now(url, ca_file, world.run_id) - _BEFORE:%Y-%m-%dT%H:%M:%SZ}"
        return state | filler.fill()

    def command(self, world: World) -> list[str]:
        """The command that serves an engine for a run."""
        store, arguments = world.options.get("store", "sqlite"), []
        if store == "sqlite":
            arguments = ["--database", str(world.folder.resolve() / "engine.sqlite3")]
        if world.options.get("psp", "yes") != "no":
            arguments += ["--psp", "--psp-behaviour", world.options.get("psp_behaviour", "{}")]
        arguments += ["--store", store, "--port", "0", "--speed", repr(world.speed), "--end-with-stdin"]
        arguments += ["--timers", msgspec.json.encode(world.timers).decode()]
        return [sys.executable, "-m", "sim.cli", "serve", *arguments]

    def _serve(self, world: World) -> dict[str, str]:
        command = self.command(world)
        wanted = {"url": r"^(http\S+) answers"}
        if "--psp" in command:
            wanted["psp"] = r"^Payment provider at (\S+)"
        # A PostgreSQL of its own goes where it is started: into the run's folder.
        self._server = ServerProcess(command, world.folder, "engine.log")
        return self._server.start(wanted)

    def _last_event(self, filler: Filler) -> int:
        """The number of the engine's last event, found by halving: the feed is read from a number on only."""

        def any_after(number: int) -> bool:
            told = filler.get(f"/v1/events?after={number}&limit=1")
            if not isinstance(told, dict) or "items" not in told or number > _MOST_EVENTS:
                raise UsageError("the target's feed of events is none of this API's; is it the reference engine?")
            return bool(told["items"])

        low, high = 0, 1
        while any_after(high):
            low, high = high, 2 * high
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if any_after(middle) else (low, middle)
        return low

    def start(self, http: Http, at_unix_us: int) -> None:
        """Announce the flash deals; the workers find their ids in a file, so that no checkout waits for them."""
        self._deals = [self._deal(plan, at_unix_us) for plan in self._world.deals]  # in this order: see `_find_deals`
        path = Path(self.state["deals_file"])
        beside = path.with_suffix(".tmp")
        beside.write_bytes(msgspec.json.encode(self._deals))
        beside.rename(path)

    def _deal(self, plan: DealPlan, at_unix_us: int) -> str:
        body = {
            "sku_id": self.state["skus"][plan.sku],
            "activity_price": {"amount": str(plan.price_minor), "currency": self.state["currencies"][plan.sku]},
            "begin": _instant(at_unix_us + plan.open_us),
            "end": _instant(at_unix_us + max(plan.close_us, plan.open_us + 1)),
            "quantity_limit": plan.units,
            "quantity_per_user": plan.per_buyer,
            "live_room_id": self.state["rooms"][plan.content] if plan.content >= 0 else None,
        }
        assert self._fill is not None
        return self._fill.create("/v1/promotions", body)

    def put_on_shelf(self, http: Http, sku: int, *, on: bool) -> None:
        """Put a listing on the shelf or take it off."""
        path = f"/v1/products/{self.state['products'][sku]}"
        headers = {**_headers("merchant"), "if-match": "*"}
        made(http.request("PATCH", path, json={"active": on}, headers=headers), path)

    def quiet(self, http: Http) -> bool:
        """Whether the engine's queue is empty and every payment and refund decided."""
        told = http.get("/metrics").body.decode()
        names = ("queue_length", "open_payments", "open_refunds")
        counts = [re.search(rf"^liverush_{name} (\S+)$", told, re.M) for name in names]
        return all(count is not None and float(count[1]) == 0 for count in counts)

    def audit(self, http: Http, acknowledged: Path) -> AuditResult:
        """Ask the engine for its invariants, and hold its orders to what clients and provider say."""
        from loadtests.audit.engine import Plan, audit_engine

        plan = Plan(self._world.offers, self._world.deals, self._deals or [], self.sold_out)
        return audit_engine(http, self.state, acknowledged, _headers("admin"), plan)

    def teardown(self) -> None:
        """End the engine, if it was ours."""
        if self._fill is not None:
            self._fill.close()
        if self._server is not None:
            self._server.stop()
            self._server = None

    # In the workers.

    def attach(self, state: dict[str, Any]) -> None:
        """See `Target.attach`."""
        self.state = state
        self._skus, self._products, self._rooms = state["skus"], state["products"], state["rooms"]
        self._run = state["run"]
        self._buyer, self._merchant = _headers("buyer"), _headers("merchant")

    def view(self, http: Http, sku: int) -> Step:
        """Open the product page."""
        return _read(http.get(f"/v1/products/{self._products[sku]}", headers=self._buyer))

    def refresh(self, http: Http, sku: int) -> Step:
        """Look at what is left of the SKU; of a bundle, which has no stock, at its page."""
        if self.state["parts"][sku]:
            return self.view(http, sku)
        return _read(http.get(f"/v1/skus/{self._skus[sku]}/inventory", headers=self._buyer))

    def quote(self, http: Http, cart: Cart) -> Step:
        """Ask what the cart costs."""
        body = f'{{"lines":{self._lines(cart)}{self._promotion(http, cart, attributed=False)}}}'
        return _read(http.request("POST", "/v1/checkout/quotes", body=body.encode(), headers=self._buyer))

    def place(self, http: Http, cart: Cart, key: str) -> Step:
        """Check out. The address says which cart this is: the audit looks for orders that nobody asked for."""
        body = (
            f'{{"buyer_id":"{self._run}-{cart.buyer}","lines":{self._lines(cart)},'
            f'"address":{{"reference":"{self._run}-{cart.number}"}}{self._promotion(http, cart, attributed=True)}}}'
        )
        answer = http.request("POST", "/v1/orders", body=body.encode(), headers={**self._buyer, "idempotency-key": key})
        if answer.status != 201:
            return _refusal(answer)
        replayed = "idempotent-replayed" in answer.headers
        return Step(Outcome.REPLAYED if replayed else Outcome.OK, 201, _made(answer.body).id)

    def pay(self, http: Http, order: str, cart: Cart, key: str) -> Step:
        """Pay through the engine's provider; 202 means that the money is under way."""
        body = b'{"method":"%s"}' % (DECLINED_METHOD if cart.declines else "card").encode()
        path, headers = f"/v1/orders/{order}/payments", {**self._buyer, "idempotency-key": key}
        answer = http.request("POST", path, body=body, headers=headers)
        if answer.status not in (201, 202):
            return declined() if answer.status == 402 else _refusal(answer)
        paid = answer.status == 201 and _payment(answer.body).status == "CAPTURED"
        replayed = "idempotent-replayed" in answer.headers
        return Step(Outcome.REPLAYED if replayed else Outcome.OK, answer.status, order, paid=paid)

    def paid_since(self, http: Http, cursor: str) -> tuple[list[str], str]:
        """Read the event feed for captures."""
        after = int(cursor or self.state["cursor"])
        orders: list[str] = []
        for _ in range(_PAGES):
            answer = http.get(f"/v1/events?after={after}&limit={_PAGE}", headers=self._merchant)
            if answer.status != 200 and not orders:
                raise HttpFailed(f"the event feed answered {answer.status}")
            if answer.status != 200:
                break  # what it told before is worth having; it is asked again soon
            page = _feed(answer.body)
            orders += [event.data.order_id for event in page.items if event.data.event == _CAPTURED]
            after = page.next_after
            if len(page.items) < _PAGE:
                break
        return orders, str(after)

    def confirm(self, http: Http, order: str, key: str) -> Step:
        """Accept the order."""
        headers = {**self._merchant, "idempotency-key": key}
        return _done(http.request("POST", f"/v1/orders/{order}:confirm", headers=headers), order)

    def read(self, http: Http, order: str) -> Step:
        """Read the order."""
        return _read(http.get(f"/v1/orders/{order}", headers=self._buyer))

    def cancel(self, http: Http, order: str, key: str) -> Step:
        """Cancel the order; once the merchant has accepted it, that is only a wish and counts as refused."""
        path, headers = f"/v1/orders/{order}/cancellations", {**self._buyer, "idempotency-key": key}
        answer = http.request("POST", path, body=b"{}", headers=headers)
        if answer.status == 201 and _cancelled(answer.body).order_status != "CANCELLED":
            return refused("merchant_decides", answer.status)
        return _done(answer, order)

    def _lines(self, cart: Cart) -> str:
        skus = self._skus
        lines = ",".join(f'{{"sku_id":"{skus[line.sku]}","quantity":{line.quantity}}}' for line in cart.lines)
        return f"[{lines}]"

    def _promotion(self, http: Http, cart: Cart, *, attributed: bool) -> str:
        """The fields that say from which show a cart comes, and which deal it is after."""
        said = ""
        if cart.content >= 0:
            room = f'"live_room_id":"{self._rooms[cart.content]}"'
            said = f',"attribution":{{{room}}}' if attributed else f",{room}"
        if cart.deal < 0:
            return said
        if self._deals is None:
            self._deals = self._find_deals(http)
        return f'{said},"promotion_id":"{self._deals[cart.deal]}"'

    def _find_deals(self, http: Http) -> list[str]:
        """The ids of the deals: from the harness's file; where that is on another machine, the engine's."""
        path = Path(self.state["deals_file"])
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=list[str])
        found, token, own = [], "0", set(self._skus)
        while token:
            page = made(http.get(f"/v1/promotions?page_token={token}&limit=500", headers=self._buyer), "/v1/promotions")
            found += [deal["id"] for deal in page["items"] if deal["sku_id"] in own]
            token = page["next_page_token"]
        return found


def _now(url: str, ca_file: str, run_id: str) -> datetime:
    """The time by the engine's clock, which may be hours behind ours; ours where it does not tell."""
    with contextlib.closing(BlockingHttp(url, ca_file=ca_file, run_id=run_id)) as http:
        told = http.get("/healthz").headers.get("date", "")
    ours = datetime.now(UTC)
    try:
        return min(ours, parsedate_to_datetime(told).replace(tzinfo=UTC))
    except ValueError:
        return ours


def _headers(role: str) -> dict[str, str]:
    key = os.environ.get(variable_of(role)) or development_key(role)
    if "\n" in key or "\r" in key:
        raise UsageError(f"{variable_of(role)} has a line break")
    return {"authorization": f"Bearer {key}"}


def _instant(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="microseconds")


def _read(answer: Answer) -> Step:
    return ok(answer.status) if answer.status == 200 else _refusal(answer)


def _done(answer: Answer, order: str) -> Step:
    """The step of a request that changes an order: done now, done by an earlier try, or refused."""
    if answer.status not in (200, 201):
        return _refusal(answer)
    replayed = "idempotent-replayed" in answer.headers
    return Step(Outcome.REPLAYED if replayed else Outcome.OK, answer.status, order)


def _refusal(answer: Answer) -> Step:
    """What a problem means: a conflict is a correct refusal, all else but 429 and 503 an error."""
    try:
        code = _problem(answer.body).code
    except msgspec.MsgspecError:
        return failed(answer.status)
    if code == _IN_USE:  # our own first try is still running: come back for its answer
        return Step(Outcome.SHED, answer.status, reason=code)
    return refused(code, answer.status) if answer.status == 409 else failed(answer.status, code)
