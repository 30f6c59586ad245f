"""Filling the reference engine with what a replay needs: shops, products, bundles and live rooms.

Each run has shops of its own, named after it, so that an engine that is in use already can be loaded too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from loadtests.blocking import BlockingHttp
from loadtests.schedule import Offer
from loadtests.targets.base import Answer, HttpFailed, World
from sim.errors import UsageError

#: What the platform keeps of each sale: any share will do, one above 0 makes the books worth auditing.
COMMISSION_PPM = 50_000
#: SKUs of a product (the engine's limit) and characters of a name.
_SKUS, _NAME = 100, 128
_CONNECTIONS = 8
#: Products, about, above which listings are put together.
_PRODUCTS = 2_000

_T = TypeVar("_T")
_R = TypeVar("_R")


class Filler:
    """Sends many requests as fast as the engine takes them; anything but a 2xx is a UsageError."""

    def __init__(self, connect: Callable[[], BlockingHttp], world: World, headers: dict[str, str]) -> None:
        self._clients = [connect() for _ in range(_CONNECTIONS)]
        self._world = world
        self._headers = headers
        self._count = itertools.count(1)

    def fill(self) -> dict[str, Any]:
        """Make everything and return the ids by the replay's own numbers."""
        offers = self._world.offers
        shops = self._shops()
        skus: list[str] = [""] * len(offers)
        products: list[str] = [""] * len(offers)
        shelf: dict[int, bool] = {}  # of the SKUs that ever move: whether they begin on the shelf
        for plan in self._world.shelf:
            shelf.setdefault(plan.sku, plan.on if plan.at_us <= 0 else not plan.on)
        plain = [number for number, offer in enumerate(offers) if not offer.parts]
        bundles = [number for number, offer in enumerate(offers) if offer.parts]
        for numbers in (plain, bundles):  # bundles last: their parts must be there
            pages = _pages(offers, numbers, shelf)
            products_made = self.each(pages, lambda page: self._product(shops, page, shelf.get(page[0], True), skus))
            for page, product in zip(pages, products_made, strict=True):
                for number, sku in zip(page, product["skus"], strict=True):
                    skus[number], products[number] = sku["id"], product["id"]
        rooms = self.each(self._world.contents, lambda title: self._room(next(iter(shops.values()), ""), title))
        return {"skus": skus, "products": products, "rooms": rooms}

    def each(self, jobs: Sequence[_T], work: Callable[[_T], Callable[[BlockingHttp], _R]]) -> list[_R]:
        """Do a job for each, over all connections; the results keep the order of the jobs."""
        steps = [work(job) for job in jobs]
        if len(steps) < 2 * _CONNECTIONS:
            return [step(self._clients[0]) for step in steps]
        free = list(self._clients)

        def run(step: Callable[[BlockingHttp], _R]) -> _R:
            client = free.pop()
            try:
                return step(client)
            finally:
                free.append(client)

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            return list(pool.map(run, steps))

    def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients:
            client.close()

    def post(self, http: BlockingHttp, path: str, body: Any = None) -> Any:
        """Post something that must succeed and return the decoded answer. Raises UsageError."""
        key = f"{self._world.run_id}-fill-{next(self._count)}"
        headers = {**self._headers, "idempotency-key": key}
        return _must(lambda: http.post(path, json=body, headers=headers), path)

    def get(self, path: str) -> Any:
        """Read something that must be there and return it decoded. Raises UsageError."""
        return _must(lambda: self._clients[0].get(path, headers=self._headers), path)

    def create(self, path: str, body: Any) -> str:
        """Post something that gets an id, which is returned."""
        return str(self.post(self._clients[0], path, body)["id"])

    def _shops(self) -> dict[str, str]:
        shops = {offer.shop: offer.currency for offer in self._world.offers}
        found = {}
        for name, currency in shops.items():
            title = f"{name[: _NAME - 20]} {self._world.run_id}"
            body = {"name": title, "currency": currency, "commission_ppm": COMMISSION_PPM}
            found[name] = self.create("/v1/shops", body)
        return found

    def _product(
        self, shops: dict[str, str], page: list[int], on: bool, skus: list[str]
    ) -> Callable[[BlockingHttp], Any]:
        offers = [self._world.offers[number] for number in page]
        shop = shops[offers[0].shop]
        body = {"title": offers[0].listing[:_NAME], "active": on, "skus": [_sku(offer, skus) for offer in offers]}
        return lambda http: self.post(http, f"/v1/shops/{shop}/products", body)

    def _room(self, shop: str, title: str) -> Callable[[BlockingHttp], str]:
        def make(http: BlockingHttp) -> str:
            room = self.post(http, "/v1/live-rooms", {"shop_id": shop, "title": title[:_NAME]})["id"]
            self.post(http, f"/v1/live-rooms/{room}:start")
            return str(room)

        return make


def _must(ask: Callable[[], Answer], path: str) -> Any:
    try:
        return made(ask(), path)
    except HttpFailed as error:
        raise UsageError(f"the target does not answer: {error}") from error


def made(answer: Answer, path: str) -> Any:
    """What an answer made. Raises UsageError for one that says no, with the target's own reason."""
    try:
        told = answer.json()
        if 200 <= answer.status < 300:
            return told
        reason = f"{told['code']}: {told.get('detail') or told.get('title', '')}"
    except (ValueError, KeyError, TypeError):
        reason = "which is no answer of this API; is it the reference engine?"
    raise UsageError(f"the target cannot be filled: {path} answered {answer.status}, {reason}")


def _pages(offers: list[Offer], numbers: list[int], shelf: dict[int, bool]) -> list[list[int]]:
    """The SKUs of each product: those of a listing, a hundred at most.

    Where there are very many, a product holds several listings, so that filling takes seconds; but never one whose
    SKUs go on or off the shelf, as a whole product does.
    """
    listings: dict[tuple[str, str, bool], list[int]] = {}
    for number in numbers:
        offer = offers[number]
        listings.setdefault((offer.shop, offer.listing, shelf.get(number, True)), []).append(number)
    together = -(-len(listings) // _PRODUCTS)
    pages: list[list[int]] = []
    room: dict[str, int] = {}  # listings that the shop's last page still takes
    last: dict[str, list[int]] = {}
    for (shop, _listing, _on), found in listings.items():
        moves = any(number in shelf for number in found)
        if not moves and room.get(shop, 0) and len(last[shop]) + len(found) <= _SKUS:
            last[shop] += found
            room[shop] -= 1
            continue
        own = [found[first : first + _SKUS] for first in range(0, len(found), _SKUS)]
        pages += own
        if not moves:
            last[shop], room[shop] = own[-1], together - 1
    return pages


def _sku(offer: Offer, skus: list[str]) -> dict[str, Any]:
    price = {"amount": str(offer.price_minor), "currency": offer.currency}
    if offer.parts:
        parts = [{"sku_id": skus[number], "units": units} for number, units in offer.parts]
        return {"seller_sku": offer.name, "price": price, "parts": parts}
    return {"seller_sku": offer.name, "price": price, "on_hand": offer.units}
