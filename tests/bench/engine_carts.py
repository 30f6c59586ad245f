"""What the benchmarks of the engine buy: a shelf of SKUs, and carts as calls that the API would make of them."""

from __future__ import annotations

import hashlib
import random
from typing import NamedTuple

from sim.engine import views
from sim.engine.calls import Call
from sim.engine.stores.tables import Changes, row
from sim.orders.commands import PlaceOrder, Wanted
from sim.orders.entities import Part, Product, Shop, Sku
from sim.orders.stock import Stock

SHOP, PRODUCT, FIRST_SKU = 1, 2, 1001
PRICE_MINOR, CURRENCY = 1290, "GBP"
ON_HAND = 10**9
ADDRESS = '{"name":"Ada Lovelace","street":"12 St James\'s Square","city":"London"}'


class Cart(NamedTuple):
    """One line of a cart, and the hashes that make its request idempotent."""

    key: bytes
    fingerprint: bytes
    buyer_id: str
    sku_id: int
    quantity: int
    address: str


def shelf(skus: int) -> Changes:
    """The rows of a shop with that many SKUs, all on sale."""
    ids = range(FIRST_SKU, FIRST_SKU + skus)
    return {
        "shops": [row(Shop(SHOP, "Shop", CURRENCY, 50_000))],
        "products": [row(Product(PRODUCT, SHOP, "Lamp", "home", True))],
        "skus": [row(Sku(sku_id, PRODUCT, SHOP, f"lamp-{sku_id}", PRICE_MINOR, CURRENCY)) for sku_id in ids],
        "sku_parts": [row(Part(sku_id, sku_id, 1)) for sku_id in ids],
        "stocks": [row(Stock(sku_id, ON_HAND)) for sku_id in ids],
    }


def make_carts(skus: int, count: int, seed: int) -> list[Cart]:
    """Carts of one or two units each, over all SKUs alike."""
    chance = random.Random(seed)
    return [
        Cart(
            hashlib.blake2b(b"%d-%d" % (seed, number), digest_size=16).digest(),
            hashlib.sha256(b"%d-%d" % (seed, number)).digest(),
            f"buyer-{chance.randrange(10**6)}",
            FIRST_SKU + chance.randrange(skus),
            chance.randint(1, 2),
            ADDRESS,
        )
        for number in range(count)
    ]


def make_calls(carts: list[Cart]) -> list[Call]:
    """The calls that `POST /v1/orders` hands to the writer for these carts."""
    return [
        Call(
            PlaceOrder(cart.buyer_id, (Wanted(cart.sku_id, cart.quantity),), address=cart.address),
            views.placed,
            cart.key,
            cart.fingerprint,
        )
        for cart in carts
    ]
