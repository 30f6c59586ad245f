"""The hard load: buyers, merchants and carriers who cross each other's way over a handful of units.

Whatever a test does to the engine, it does it under this load: its stories are the crossings of the fault matrix, and
nobody goes on before the disk has the answer that they were given. What must hold afterwards is in `hard_check`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

WEBHOOK = "/v1/payment-webhooks/psp"
PRICE_MINOR = 1290
#: What a key keeps, but for 404: of what was acknowledged nothing may be gone.
DEFINITE = (200, 201, 202, 402, 409, 422)


@dataclass(frozen=True)
class Request:
    """A POST. Sent again it has the same `key`, which for a provider's webhook is the event's id."""

    key: str
    path: str
    body: Any
    role: str


@dataclass(frozen=True)
class Said:
    """An answer; status 0 is a connection that was lost before it came."""

    status: int
    body: Any
    replayed: bool = False
    retry_after: str = ""

    @property
    def is_known(self) -> bool:
        """Whether it tells what became of the request: a lost one does not, nor 503, nor that another still runs."""
        return self.status not in (0, 503) and not self.is_in_use

    @property
    def is_in_use(self) -> bool:
        return self.status == 409 and self.body.get("code") == "key_in_use"


class NoAnswer(Exception):
    """Nobody knows what became of a request."""


class Refused(Exception):
    """A request that the engine would not do: a story ends with it, as it may."""


Send = Callable[[Request], Awaitable[Said]]
Elapse = Callable[[], Coroutine[Any, Any, None]]
Pay = Callable[["HardLoad", dict[str, Any]], Coroutine[Any, Any, None]]


class Journal:
    """Acknowledgements in a file. What `note` has returned from, the disk has (the file, if not `durable`)."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._durable = durable
        self._lines: list[str] = []
        self._turn = asyncio.Lock()

    async def note(self, request: Request, said: Said) -> None:
        self._lines.append(json.dumps([asdict(request), said.status, said.body]) + "\n")
        async with self._turn:
            if self._lines:  # else somebody who waited for the turn before us wrote ours too
                lines, self._lines = self._lines, []
                await asyncio.to_thread(self._write, lines)

    def _write(self, lines: list[str]) -> None:
        with open(self.path, "a") as file:
            file.writelines(lines)
            file.flush()
            if self._durable:
                os.fsync(file.fileno())

    def read(self) -> Iterator[tuple[Request, Said]]:
        """What the file has."""
        for line in self.path.read_text().splitlines():
            request, status, body = json.loads(line)
            yield Request(**request), Said(status, body)


async def start_and_tell(load: HardLoad, order: dict[str, Any]) -> None:
    """Pay an order: the buyer's call, and the provider's webhook where no provider of its own tells the engine."""
    payment_id = await load.start(order)
    if payment_id:
        await load.captured(order, payment_id)


class HardLoad:
    """Those who play. `elapse` lets the time to pay of an order end; `pay` is how orders are paid."""

    def __init__(self, send: Send, journal: Journal, elapse: Elapse, *, seed: int = 1) -> None:
        self.send = send
        self.journal = journal
        self.elapse = elapse
        self.pay: Pay = start_and_tell
        self.chance = random.Random(seed)
        self.requests: dict[str, Request] = {}
        self.said: dict[str, Said] = {}
        self.skus: list[str] = []
        self.on_hand = 0
        self.enough = False

    async def open_shop(self, on_hand: int, name: str) -> None:
        """Put three scarce SKUs on sale. Two loads on one database need two names."""
        self._name = name
        shop = await self.ask("/v1/shops", {"name": name, "currency": "GBP"})
        price = {"amount": str(PRICE_MINOR), "currency": "GBP"}
        skus = [{"seller_sku": f"{name} {number}", "price": price, "on_hand": on_hand} for number in range(3)]
        product = await self.ask(f"/v1/shops/{shop['id']}/products", {"title": "scarce", "skus": skus})
        self.skus = [sku["id"] for sku in product["skus"]]
        self.on_hand = on_hand

    async def burst(self, players: int) -> None:
        """Play one story after the other until `enough` is set; everybody ends with their first lost answer."""
        self.enough = False
        await asyncio.gather(*(self._player() for _number in range(players)))

    async def _player(self) -> None:
        with contextlib.suppress(NoAnswer):
            while not self.enough:
                await self.play(self.chance.choice(list(CROSSINGS.values())))

    async def play(self, crossing: Callable[[HardLoad], Awaitable[None]]) -> None:
        """Play one story, as far as the engine lets it go. Raises NoAnswer."""
        with contextlib.suppress(Refused):
            await crossing(self)

    async def together(self, *acts: Coroutine[Any, Any, Any]) -> list[Any]:
        """Let things happen at once, begun in any order; return the results of those that were not refused."""
        ordered = self.chance.sample(acts, len(acts))
        found = await asyncio.gather(*ordered, return_exceptions=True)
        failed = [one for one in found if isinstance(one, BaseException) and not isinstance(one, Refused)]
        for error in sorted(failed, key=lambda error: isinstance(error, NoAnswer)):
            raise error
        return [one for one in found if not isinstance(one, Refused)]

    async def ask(self, path: str, body: Any = None, role: str = "admin", key: str = "") -> Any:
        """Send a request, note its answer and return what is in it. Raises Refused and NoAnswer."""
        request = Request(key or self._new("key"), path, body, role)
        self.requests[request.key] = request
        said = await self.send(request)
        if not said.is_known:
            raise NoAnswer(f"{path} {said}")
        assert said.status in DEFINITE, (request, said)
        await self.note(request, said)
        if said.status >= 400:
            raise Refused(said.body["code"])
        return said.body

    async def note(self, request: Request, said: Said) -> None:
        """Take an answer for good, once the disk has it. Of an event that was told several times: that it acted."""
        await self.journal.note(request, said)
        earlier = self.said.get(request.key)
        if request.path != WEBHOOK or earlier is None or said.body["changed"]:
            self.said[request.key] = said

    def _new(self, what: str) -> str:
        return f"{self._name}-{what}-{len(self.requests)}"

    def sku(self) -> str:
        return self.chance.choice(self.skus)

    async def place(self, *lines: tuple[str, int]) -> dict[str, Any]:
        """Check out a cart; return the receipt."""
        cart = [{"sku_id": sku, "quantity": units} for sku, units in lines]
        receipt: dict[str, Any] = await self.ask("/v1/orders", {"buyer_id": "ann", "lines": cart}, "buyer")
        return receipt

    async def buy(self, *lines: tuple[str, int]) -> None:
        """Check out a cart, and do with the order what comes to mind."""
        order = await self.place(*lines)
        what = self.chance.random()
        if what < 0.5:
            await self.pay(self, order)
            await self.together(self.confirm(order), self.confirm(order))
        elif what < 0.8:
            await self.cancel(order)

    async def start(self, order: dict[str, Any]) -> str:
        """Begin an attempt to pay; return its id while it waits for the provider's word."""
        payment = await self.ask(f"/v1/orders/{order['id']}/payments", {"method": "card"}, "buyer")
        return str(payment["id"]) if payment["status"] == "PENDING" else ""

    async def captured(self, order: dict[str, Any], payment_id: str, event: str = "") -> None:
        """Tell as the provider that an order's total was taken."""
        await self.webhook("payment.captured", event, order_id=order["id"], payment_id=payment_id, **order["total"])

    async def webhook(self, kind: str, event: str = "", **data: str) -> None:
        """Tell something as the provider."""
        event = event or self._new("event")
        await self.ask(WEBHOOK, {"id": event, "type": kind, "data": data}, "", event)

    async def confirm(self, order: dict[str, Any]) -> None:
        await self.ask(f"/v1/orders/{order['id']}:confirm")

    async def cancel(self, order: dict[str, Any]) -> dict[str, Any]:
        wish: dict[str, Any] = await self.ask(f"/v1/orders/{order['id']}/cancellations", {"reason": "why"}, "buyer")
        return wish

    async def restock(self, sku: str, delta: int) -> None:
        await self.ask(f"/v1/skus/{sku}/inventory-adjustments", {"delta": delta, "reason": "received"})

    async def deliver(self, order: dict[str, Any]) -> None:
        """Bring a paid order to its buyer."""
        await self.confirm(order)
        parcel = await self.ask(f"/v1/orders/{order['id']}/packages", {})
        await self.ask(f"/v1/packages/{parcel['id']}:ship")
        for status in ("COLLECTED", "DELIVERED"):
            await self.ask(f"/v1/packages/{parcel['id']}/tracking-events", {"status": status})

    async def send_back(self, order: dict[str, Any]) -> None:
        """Ask for a return and go through with it, twice where that may do harm."""
        request = await self.ask(f"/v1/orders/{order['id']}/returns", {"type": "RETURN_AND_REFUND"}, "buyer")
        path = f"/v1/returns/{request['id']}"
        await self.together(self.ask(f"{path}:approve"), self.ask(f"{path}:approve"))
        await self.together(self.ask(f"{path}:ship", {}, "buyer"), self.ask(f"{path}:receive", {}))
        await self.ask(f"{path}:receive", {})

    async def refund(self, order: dict[str, Any]) -> None:
        """Give a little of the money back."""
        await self.ask(f"/v1/orders/{order['id']}/refunds", {"amount": {"amount": "1", "currency": "GBP"}})


async def _last_unit(load: HardLoad) -> None:
    """More buyers than units."""
    sku = load.sku()
    await load.together(*(load.buy((sku, 1)) for _buyer in range(5)))


async def _twice_in_a_cart(load: HardLoad) -> None:
    """Carts that name one SKU twice, and one that wants what they leave."""
    sku = load.sku()
    await load.together(load.buy((sku, 1), (sku, 1)), load.buy((sku, 2), (sku, 1)), load.buy((sku, 1)))


async def _opposite_order(load: HardLoad) -> None:
    """Carts with the same two SKUs, named in both orders."""
    one, other = load.chance.sample(load.skus, 2)
    carts = [((one, 1), (other, 1)), ((other, 1), (one, 1))] * 2
    await load.together(*(load.buy(*cart) for cart in carts))


async def _cancel_against_pay(load: HardLoad) -> None:
    """Both at once; and once more when the merchant must grant it."""
    order = await load.place((load.sku(), 1))
    await load.together(load.cancel(order), load.pay(load, order))
    again = await load.place((load.sku(), 1))
    await load.pay(load, again)
    for wish in await load.together(load.cancel(again), load.confirm(again), load.cancel(again)):
        if wish and wish["status"] == "PENDING":
            path = f"/v1/cancellations/{wish['id']}"
            await load.together(load.ask(f"{path}:approve"), load.ask(f"{path}:reject"))


async def _expiry_against_pay(load: HardLoad) -> None:
    """A payment at the moment at which the time to pay ends."""
    order = await load.place((load.sku(), 1))
    await load.together(load.elapse(), load.pay(load, order))


async def _return_against_cancel(load: HardLoad) -> None:
    """Of an order that has arrived."""
    order = await load.place((load.sku(), 1))
    await load.pay(load, order)
    await load.deliver(order)
    await load.together(load.send_back(order), load.cancel(order), load.refund(order))


async def _restock_against_reserve(load: HardLoad) -> None:
    """Units that come and go while buyers want them."""
    sku = load.sku()
    moves = [load.restock(sku, delta) for delta in (1, 2, -1, -1)]
    await load.together(*moves, *(load.buy((sku, 1)) for _buyer in range(3)))


CROSSINGS: dict[str, Callable[[HardLoad], Awaitable[None]]] = {
    "last unit": _last_unit,
    "same SKU twice in one cart": _twice_in_a_cart,
    "opposite order": _opposite_order,
    "cancel against pay": _cancel_against_pay,
    "expiry against pay": _expiry_against_pay,
    "return against cancel": _return_against_cancel,
    "restock against reserve": _restock_against_reserve,
}
