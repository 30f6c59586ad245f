"""What decisions read and events change: plain mappings from ids to immutable records.

The engine lays a world over its store for each group of commands; a test may use one as it is.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field

from sim.orders.entities import Case, Deal, DealBuyer, Part, Product, Room, Shop, Sku, StockMove
from sim.orders.money import Transfer
from sim.orders.rules import Rules
from sim.orders.stock import Stock


@dataclass(slots=True)
class World:
    """All state of the order core. Records are replaced, never changed; `transfers` and `moves` only grow."""

    rules: Rules = field(default_factory=Rules)
    shops: MutableMapping[int, Shop] = field(default_factory=dict)
    products: MutableMapping[int, Product] = field(default_factory=dict)
    skus: MutableMapping[int, Sku] = field(default_factory=dict)
    parts: MutableMapping[int, tuple[Part, ...]] = field(default_factory=dict)
    stocks: MutableMapping[int, Stock] = field(default_factory=dict)
    rooms: MutableMapping[int, Room] = field(default_factory=dict)
    deals: MutableMapping[int, Deal] = field(default_factory=dict)
    deal_buyers: MutableMapping[tuple[int, str], DealBuyer] = field(default_factory=dict)
    cases: MutableMapping[int, Case] = field(default_factory=dict)
    transfers: list[Transfer] = field(default_factory=list)
    moves: list[StockMove] = field(default_factory=list)
    last_id: int = 0

    def next_id(self) -> int:
        """A new id, greater than all before it."""
        self.last_id += 1
        return self.last_id
