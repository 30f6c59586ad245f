"""The allocation of stock: names that exist, SKUs that hold stock, reserves that the stock at the start can fill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from sim.scenario.checks.findings import MAX_COLLECTED, Finding, unknown
from sim.scenario.checks.names import one_sku
from sim.scenario.parts.allocation import WarehouseChoice
from sim.scenario.reading.nodes import Path
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_names, sku_table

_CENTRAL = ("central", "central_first")


def check_allocation(scenario: Scenario, named: bool) -> Iterator[Finding]:
    """Findings on `allocation`; reserves are compared with the stock where all names are right (`named`)."""
    found = list(islice(_names(scenario), MAX_COLLECTED))
    yield from found
    if named and not found:
        yield from _reserved(scenario)


def _names(scenario: Scenario) -> Iterator[Finding]:
    yield from _choice(scenario, ("allocation",), scenario.allocation)
    for i, region in enumerate(scenario.regions):
        if region.allocation is not None:
            yield from _choice(scenario, ("regions", i, "allocation"), region.allocation)
    seen: dict[str, int] = {}
    for i, presale in enumerate(scenario.allocation.presale):
        at: Path = ("allocation", "presale", i, "sku")
        yield from _stocked_sku(scenario, at, presale.sku)
        if presale.sku in seen:
            yield Finding(at, f"presale {seen[presale.sku]} is of this SKU already", "each SKU once")
        seen.setdefault(presale.sku, i)
    yield from _reserves(scenario)


def _choice(scenario: Scenario, at: Path, rule: WarehouseChoice) -> Iterator[Finding]:
    houses = dict.fromkeys(house.name for house in scenario.warehouses)
    if rule.choice in _CENTRAL:
        if not rule.warehouse:
            message = f"{rule.choice} needs the warehouse that is asked first"
            yield Finding((*at, "choice"), message, f"warehouse: {next(iter(houses))}", "")
        else:
            yield from unknown((*at, "warehouse"), "warehouse", rule.warehouse, houses)
    elif rule.warehouse:
        yield Finding((*at, "warehouse"), f"choice {rule.choice} takes no warehouse", " and ".join(_CENTRAL))


def _stocked_sku(scenario: Scenario, at: Path, name: str) -> Iterator[Finding]:
    listings = {listing.name: listing for listing in scenario.catalogue}
    known = dict.fromkeys(sku_names(scenario))
    yield from one_sku(at, name, known, listings)
    if name in known and listings[name.partition("/")[0]].bundle:
        yield Finding(at, "a bundle holds no stock itself", "the SKUs that it is packed from")


def _reserves(scenario: Scenario) -> Iterator[Finding]:
    houses = dict.fromkeys(house.name for house in scenario.warehouses)
    shows = dict.fromkeys(broadcast.name for broadcast in scenario.programme.broadcasts)
    for i, reserve in enumerate(scenario.allocation.reserves):
        at: Path = ("allocation", "reserves", i)
        yield from _stocked_sku(scenario, (*at, "sku"), reserve.sku)
        for name in reserve.units:
            yield from unknown((*at, "units", name), "warehouse", name, houses)
        if reserve.broadcast:
            yield from unknown((*at, "broadcast"), "broadcast", reserve.broadcast, shows)
        elif not shows:
            yield Finding(at, "the programme has no broadcast to keep units for", "a broadcast", "")


def _reserved(scenario: Scenario) -> Iterator[Finding]:
    rows = {row.name: row for row in sku_table(scenario)}
    number = {house.name: i for i, house in enumerate(scenario.warehouses)}
    kept: Counter[tuple[str, str]] = Counter()
    for i, reserve in enumerate(scenario.allocation.reserves):
        for house, units in reserve.units.items():
            kept[reserve.sku, house] += units
            stock = rows[reserve.sku].stock[number[house]]
            if kept[reserve.sku, house] > stock:
                at: Path = ("allocation", "reserves", i, "units", house)
                message = f"the reserves of {reserve.sku} keep {kept[reserve.sku, house]:,} units there"
                yield Finding(at, message, f"at most its stock at the start, {stock:,}")
