"""What a replay sends and when: arrivals, the lines of their carts, and what each cart does afterwards; as columns.

Times are whole microseconds since the replay's start, already divided by `--speed`. Written once by the harness, read
by every worker; worker w of n takes the carts whose number is w modulo n, so no arrival is sent twice or never.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from sim.arrays import Column, Ints

VIEW, REFRESH, QUOTE, PLACE = 0, 1, 2, 3
KINDS = ("view", "refresh", "quote", "place")
NEVER = -1
NOTHING, CANCEL, RETURN = 0, 1, 2

#: One row an arrival, sorted by `due_us`.
ARRIVALS: dict[str, str] = {
    "due_us": "i8",
    "kind": "u1",  # index into KINDS
    "cart": "i4",  # of `carts`; views, refreshes and quotes carry the cart that they lead to
    "sku": "i4",  # of the first line, index into Schedule.sku_names
    "quantity": "i4",  # of the first line
}
#: One row a cart.
CARTS: dict[str, str] = {
    "number": "i8",  # the trace's cart number: what acknowledgements and findings name
    "first_line": "i4",  # its lines are first_line .. first_line + lines - 1
    "lines": "i4",
    "buyer": "i8",
    "deal": "i4",  # index into Schedule.deals, -1: none
    "content": "i4",  # index into Schedule.contents, -1: none
    "pay_delay_us": "i8",  # from place's done to pay's due; NEVER: the buyer does not pay
    "declines": "u1",  # tries that the provider is to decline first, where the target can make it so
    "confirm_delay_us": "i8",  # from paid to confirm's due; NEVER: no merchant confirms
    "after": "u1",  # NOTHING, CANCEL or RETURN
    "after_delay_us": "i8",  # from paid (CANCEL) or from delivered (RETURN)
    "duplicate": "u1",  # 1: place is sent twice at once with the same key
}
LINES: dict[str, str] = {"sku": "i4", "quantity": "i4"}


class DealPlan(msgspec.Struct):
    """A flash deal in a replay: open from `open_us` to `close_us`; `units` 0: no limit."""

    sku: int
    price_minor: int
    units: int
    per_buyer: int
    open_us: int
    close_us: int
    content: int = -1


class ShelfPlan(msgspec.Struct):
    """A SKU's listing goes on or off the shelf in mid-replay."""

    at_us: int
    sku: int
    on: bool


class Offer(msgspec.Struct):
    """What a target has to be filled with: a SKU, its price and units. `parts` (SKU index, units) make a bundle."""

    name: str
    listing: str
    shop: str
    price_minor: int
    currency: str
    units: int
    parts: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Schedule:
    """One replay's work."""

    arrivals: dict[str, Column]
    carts: dict[str, Column]
    lines: dict[str, Column]
    offers: list[Offer]
    deals: list[DealPlan] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)  # names of broadcasts and videos
    shelf: list[ShelfPlan] = field(default_factory=list)
    header: dict[str, Any] = field(default_factory=dict)

    @property
    def sku_names(self) -> list[str]:
        return [offer.name for offer in self.offers]

    @property
    def length_us(self) -> int:
        """Due time of the last arrival, 0 for none."""
        due = self.arrivals["due_us"]
        return int(due[-1]) if len(due) else 0

    def part(self, worker: int, workers: int) -> Ints:
        """The rows of `arrivals` that a worker sends."""
        return np.flatnonzero(self.arrivals["cart"] % workers == worker)

    def write(self, path: Path) -> None:
        """Write all to one .npz file."""
        tables: dict[str, Any] = {
            f"{name}.{key}": column
            for name, table in (("arrivals", self.arrivals), ("carts", self.carts), ("lines", self.lines))
            for key, column in table.items()
        }
        rest = {
            "offers": self.offers,
            "deals": self.deals,
            "contents": self.contents,
            "shelf": self.shelf,
            "header": self.header,
        }
        np.savez(path, rest=np.frombuffer(msgspec.json.encode(rest), np.uint8), **tables)


class _Rest(msgspec.Struct):
    offers: list[Offer]
    deals: list[DealPlan]
    contents: list[str]
    shelf: list[ShelfPlan]
    header: dict[str, Any]


def read_schedule(path: Path) -> Schedule:
    """The schedule that `Schedule.write` wrote. Raises OSError or ValueError."""
    with np.load(path) as file:
        rest = msgspec.json.decode(file["rest"].tobytes(), type=_Rest)
        arrivals, carts, lines = (
            {key: file[f"{name}.{key}"] for key in columns}
            for name, columns in (("arrivals", ARRIVALS), ("carts", CARTS), ("lines", LINES))
        )
    return Schedule(arrivals, carts, lines, rest.offers, rest.deals, rest.contents, rest.shelf, rest.header)
