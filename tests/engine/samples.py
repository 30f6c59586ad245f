"""Rows to test with: some of every table, and a shop to place orders in."""

from __future__ import annotations

from enum import Enum
from typing import Any, get_type_hints

from sim.engine.calls import Call, Reply
from sim.engine.executor import Executor
from sim.engine.stores.store import Store
from sim.engine.stores.tables import TABLES, Changes, row
from sim.orders.entities import Part, Product, Shop, Sku
from sim.orders.rules import Rules
from sim.orders.stock import Stock

SKU = 1001
TEXTS = ("", 'Zoë\'s "✓" ? \\ $1 %s {}\n\t', "z" * 3000)
BLOBS = (b"", b"\x00\xff'?\\", bytes(range(256)) * 8)
#: Fields whose rows would not pass the checks with just any number.
_FITTING: dict[str, dict[str, int]] = {
    "stocks": {"on_hand": 2**60, "held": 5, "committed": 0, "releasing": 2**59},
    "deals": {"quantity_limit": 0},
    "orders": {"total_minor": 100, "captured_minor": 100, "refunded_minor": 100},
}


def sample(table: str, number: int) -> tuple[Any, ...]:
    """The row number `number` of a table: its own key, and odd values in everything else."""
    known = TABLES[table]
    types = get_type_hints(known.record)
    fields = {name: _value(types[name], number + place) for place, name in enumerate(known.columns)}
    fields |= {name: _key(types[name], number) for name in known.key}
    fields |= {name: number for name in ("order_seq", "seq") if name in fields}
    return row(known.record(**fields | _FITTING.get(table, {})))


def samples(count: int = 3) -> Changes:
    """Some rows of every table."""
    return {name: [sample(name, number) for number in range(1, count + 1)] for name in TABLES}


def _key(kind: type, number: int) -> Any:
    if kind is int:
        return 2**62 + number
    return f"Ä{number}" if kind is str else b"\x00%d" % number


def _value(kind: type, number: int) -> Any:
    if issubclass(kind, Enum):
        return list(kind)[number % len(kind)]
    if kind is bool:
        return number % 2 == 0
    if kind is str:
        return f"{TEXTS[number % len(TEXTS)]}{number}"
    return BLOBS[number % len(BLOBS)] if kind is bytes else 2**40 + number


def shelf(on_hand: int = 30) -> Changes:
    """A shop with one product, one SKU and its stock."""
    return {
        "shops": [row(Shop(1, "Shop", "GBP", 50_000))],
        "products": [row(Product(2, 1, "Lamp", "home", True))],
        "skus": [row(Sku(SKU, 2, 1, "lamp-1", 1290, "GBP"))],
        "sku_parts": [row(Part(SKU, SKU, 1))],
        "stocks": [row(Stock(SKU, on_hand))],
    }


class Shopper:
    """An executor on a store with one SKU on the shelf, and a clock that the test moves."""

    def __init__(self, store: Store) -> None:
        self.now_us = 1_750_000_000_000_000
        self.executor = Executor(store, self._clock, Rules())

    def _clock(self) -> int:
        self.now_us += 1
        return self.now_us

    async def ask(self, *commands: Any, keys: tuple[bytes, ...] = ()) -> list[tuple[Any, ...]]:
        """Run commands as one group and return the events of each; none for an answer repeated by its key."""
        happened: list[tuple[Any, ...]] = [() for _ in commands]

        def view(place: int) -> Any:
            def keep(_group: Any, _command: Any, events: tuple[Any, ...]) -> Reply:
                happened[place] = events
                return Reply(200, b"{}")

            return keep

        padded = (*keys, *[b""] * (len(commands) - len(keys)))
        calls = [Call(command, view(place), padded[place]) for place, command in enumerate(commands)]
        await self.executor.execute(calls)
        return happened


async def dump(store: Store) -> Changes:
    """All rows of all tables."""
    return {name: await store.all_rows(name) for name in TABLES}
