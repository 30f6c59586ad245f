"""What must hold after the hard load, whatever was done to the engine meanwhile, asked of the API and the audit."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

from sim.orders.states import TRANSITIONS
from tests.engine.hard_load import DEFINITE, WEBHOOK, HardLoad, Request, Said

#: GET of a path: the decoded answer, which must be a 200.
Get = Callable[[str], Awaitable[Any]]

PATIENCE_S = 60.0
#: Requests of a check that are under way at once.
_AT_ONCE = 32
_PART = re.compile(r"/(payments|cancellations|returns|refunds|packages)(/\d+(:\w+|/tracking-events))?$")

#: What may have become of a thing since it was told; what is not here stays.
_STEPS: dict[str, dict[str, Collection[str]]] = {
    "orders": {before.name: {after.name for after in onward} for before, onward in TRANSITIONS.items()},
    "payments": {"PENDING": ("CAPTURED", "DECLINED", "RETURNED"), "DECLINED": ("CAPTURED", "RETURNED")},
    "refunds": {"PENDING": ("SUCCEEDED",)},
    "packages": {"PROCESSING": ("READY",), "READY": ("COLLECTED",), "COLLECTED": ("DELIVERED", "LOST")},
    "cancellations": {"PENDING": ("COMPLETED", "REJECTED")},
    "returns": {
        "PENDING": ("APPROVED", "REJECTED"),
        "APPROVED": ("BUYER_SHIPPED", "COMPLETED", "REJECTED"),
        "BUYER_SHIPPED": ("COMPLETED",),
    },
}


async def look(load: HardLoad, get: Get, requests: Iterable[Request]) -> int:
    """Check all that these requests were answered; return how many had been done though nobody had been told."""
    requests = list(requests)
    untold = await _all(_again(load, request) for request in requests)
    await states(((request, load.said[request.key]) for request in requests), get)
    await expect_clean(get)
    return sum(untold)


async def expect_clean(get: Get) -> None:
    """The audit finds nothing. A sweep that was held up may still be late: that is waited for, and nothing else is."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        report = await get("/v1/audit/invariants")
        broken = {found["name"]: found["findings"][:3] for found in report["invariants"] if found["violations"]}
        if not broken:
            return
        assert set(broken) == {"T1"}, broken
        assert asyncio.get_running_loop().time() < deadline, broken
        await asyncio.sleep(0.1)


async def _all(acts: Iterable[Awaitable[Any]]) -> list[Any]:
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(act: Awaitable[Any]) -> Any:
        async with limit:
            return await act

    return await asyncio.gather(*map(one, acts))


async def _again(load: HardLoad, request: Request) -> bool:
    """Send a request again. What was acknowledged is told as it was, and not done anew."""
    said, earlier = await _answered(load, request), load.said.get(request.key)
    assert said.status in DEFINITE, (request, said)
    if earlier is None:
        await load.note(request, said)
        return said.replayed
    if request.path == WEBHOOK:
        assert not (earlier.body["changed"] and said.body["changed"]), f"{request} acted, and acted again"
        return False
    assert said.replayed, f"{request} was acknowledged with {earlier}, and done anew: {said}"
    assert (said.status, plain(said.body)) == (earlier.status, plain(earlier.body)), request
    return False


async def _answered(load: HardLoad, request: Request) -> Said:
    """Send a request until its answer says what became of it: the database may be back later than the engine."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not (said := await load.send(request)).is_known:
        assert asyncio.get_running_loop().time() < deadline, (request, said)
        await asyncio.sleep(0.05)
    return said


def plain(body: Any) -> Any:
    """A body without what tells one sending from another."""
    return {name: value for name, value in body.items() if name != "request_id"}


async def states(told: Iterable[tuple[Request, Said]], get: Get) -> int:
    """Read everything that an acknowledgement speaks of: it is there, and not as it was before. Returns how many."""
    by_address: dict[str, list[tuple[Request, Said]]] = {}
    for request, said in told:
        address = _address(request, said)
        if address:
            by_address.setdefault(address, []).append((request, said))

    async def one(address: str) -> None:
        shown = await get(address)
        for request, said in by_address[address]:
            if request.path == WEBHOOK:
                assert request.body["type"] != "payment.captured" or shown["status"] != "UNPAID", (request, shown)
            else:
                _expect_no_earlier(address.split("/")[2], said.body, shown)

    await _all(map(one, by_address))
    return sum(map(len, by_address.values()))


def kind(request: Request) -> str:
    """What a request is about, as the API names it."""
    if request.path == WEBHOOK:
        return "webhooks"
    if request.path.endswith((":confirm", "/inventory-adjustments")):
        return request.path.replace(":", "/").rpartition("/")[2]
    part = _PART.search(request.path)
    return part[1] if part else request.path.rpartition("/")[2]


def _address(request: Request, said: Said) -> str:
    """Where that which an answer speaks of can be read; nothing where it speaks of no thing."""
    what = kind(request)
    if said.status >= 400:
        return ""
    if what == "webhooks":
        return f"/v1/orders/{request.body['data']['order_id']}"
    if what in ("orders", "confirm"):
        return f"/v1/orders/{said.body['id']}"
    if what == "inventory-adjustments":
        return f"/v1/skus/{said.body['sku_id']}/inventory"
    return f"/v1/{what}/{said.body['id']}" if what in _STEPS else ""


def _expect_no_earlier(table: str, told: Any, shown: Any) -> None:
    """What is shown now is what was told, or what may have come of it."""
    if "version" in told:
        assert shown["version"] >= told["version"], (told, shown)
        if shown["version"] == told["version"]:
            assert shown | told == shown, (told, shown)
    if "status" in told and shown["status"] != told["status"]:
        assert shown["status"] in _onward(table, told["status"]), (told, shown)


def _onward(table: str, status: str) -> set[str]:
    """All that may come after a status, at once or in several steps."""
    found: set[str] = set()
    waiting = [status]
    while waiting:
        after = set(_STEPS[table].get(waiting.pop(), ())) - found
        found |= after
        waiting += after
    return found


async def shelf(load: HardLoad, get: Get) -> None:
    """Never is more held or sold than there is, and the shelf is the sum of what came and what went.

    To be asked once every request of the load has got its answer.
    """
    orders = await _all(get(f"/v1/orders/{order_id}") for order_id in _placed(load))
    kept, gone = Counter[str](), Counter[str]()
    for line in (line for order in orders for line in order["lines"]):
        kept[line["sku_id"]] += line["quantity"] if line["phase"] in ("HELD", "COMMITTED", "RELEASING") else 0
        gone[line["sku_id"]] += line["quantity"] - line["returned"] if line["phase"] == "SHIPPED" else 0
    for sku in load.skus:
        stock = await get(f"/v1/skus/{sku}/inventory")
        put_in = load.on_hand + sum(_deltas(load, sku))
        assert stock["on_hand"] == put_in - gone[sku], (stock, put_in, gone[sku])
        assert stock["available"] == stock["on_hand"] - stock["reserved"] >= 0, stock
        assert stock["reserved"] <= kept[sku] <= put_in - gone[sku], (stock, kept[sku])


async def money(load: HardLoad, get: Get, ledger: Callable[[], dict[str, Any]]) -> None:
    """The provider has taken and given back what the engine says, once nothing is open between the two."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    moved = Counter[str]()
    left = _placed(load)
    while left:
        still: list[str] = []
        for order_id, items in zip(left, await _all(_money_of(get, order_id) for order_id in left), strict=True):
            if any(item["status"] == "PENDING" for item in items):
                still.append(order_id)
                continue
            for item in items:
                moved[item["status"]] += int(item["amount"]["amount"])
        left = still
        assert not left or asyncio.get_running_loop().time() < deadline, left[:3]
        await asyncio.sleep(0.1)
    taken, given_back = moved["CAPTURED"] + moved["RETURNED"], moved["SUCCEEDED"]
    told = {name: int(ledger()[name].get("GBP", "0")) for name in ("captured", "refunded")}
    assert told == {"captured": taken, "refunded": given_back}, moved


async def _money_of(get: Get, order_id: str) -> list[Any]:
    """An order's payments and refunds."""
    found = [(await get(f"/v1/orders/{order_id}/{what}"))["items"] for what in ("payments", "refunds")]
    return [*found[0], *found[1]]


def _placed(load: HardLoad) -> list[str]:
    """The orders that have been placed."""
    answers = ((load.requests[key], said) for key, said in load.said.items())
    return [said.body["id"] for request, said in answers if request.path == "/v1/orders" and said.status == 201]


def _deltas(load: HardLoad, sku: str) -> Iterable[int]:
    """The units that came to a SKU, or went."""
    path = f"/v1/skus/{sku}/inventory-adjustments"
    for key, said in load.said.items():
        if load.requests[key].path == path and said.status == 201:
            yield load.requests[key].body["delta"]
