"""Which stock serves a cart at checkout: the choice of the warehouse, what is kept for live rooms, what may wait."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sim.scenario.parts.base import Name, Part, Units
from sim.scenario.units import DurationUs


class WarehouseChoice(Part):
    """Which warehouses a cart is offered to, and in which order; the first that has all of it serves it.

    `nearest`: all, nearest first. `cheapest`: all, by freight with customs (of the carrier asked first; by share the
    mean) and what a parcel costs to pick and pack, then nearest first. `central`: `warehouse` alone. `central_first`:
    `warehouse`, then the others, nearest first. `regional`: the region's nearest alone. `otherwise` says what becomes
    of a cart that none of them has whole: `split` into parcels, `refuse`, or `wait` until one can serve it whole.
    """

    choice: Literal["nearest", "cheapest", "central", "central_first", "regional"] = "nearest"
    warehouse: Name = Field("", description="of central and central_first")
    otherwise: Literal["split", "refuse", "wait"] = "split"


class Presale(Part):
    """`units` of a SKU may be sold beyond what there is. The buyer is promised them within `lead` of the order.

    The dispatch deadline of an order that waits counts from the promise, where that is after the payment.
    """

    sku: Name
    units: int = Field(ge=1, le=1_000_000_000)
    lead_us: DurationUs = Field("7d", alias="lead", validate_default=True)


class Reserve(Part):
    """Units of a SKU, by warehouse, that only orders out of one `broadcast` may have until it is over.

    Without a `broadcast` they are for orders out of any, until the last is over. `release` sets another end, counted
    from the scenario's start.
    """

    sku: Name
    units: dict[Name, Units] = Field(min_length=1, description="by warehouse, out of its stock at the start")
    broadcast: Name = ""
    release_us: DurationUs = Field(0, alias="release", description="0: the end of the broadcast")


class Allocation(WarehouseChoice):
    """How carts get their stock. A region may have a choice of its own.

    Orders that wait (`otherwise: wait`, `presale`) are served first come first served whenever units come; one that has
    waited `max_wait` since it was placed is cancelled and refunded.
    """

    max_wait_us: DurationUs = Field("14d", alias="max_wait", gt=0, validate_default=True)
    presale: tuple[Presale, ...] = Field((), max_length=100_000)
    reserves: tuple[Reserve, ...] = Field((), max_length=10_000)
