"""A scenario's names as numbers: SKUs, contents, deals, lanes, in the order of the file.

Every model (flow, oracle, demand, load) numbers things the same way because it asks here.
"""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import NamedTuple

from sim.scenario.lasting import of_last
from sim.scenario.parts.carriage import Carriage, Carrier, Lane
from sim.scenario.parts.programme import Deal
from sim.scenario.parts.shop import Listing
from sim.scenario.schema import Scenario
from sim.scenario.units import Money, minor_digits


class SkuRow(NamedTuple):
    """One SKU. Amounts are minor units of the reporting currency; `stock` is by warehouse number."""

    name: str
    listing: int
    category: str
    share: float
    price_minor: int
    cost_minor: int
    salvage_minor: int
    stock: tuple[int, ...]
    components: tuple[tuple[int, int], ...]  # (sku number, units); a plain SKU is its own one component
    shelf: tuple[tuple[int, int], ...]  # (on_us, off_us), empty: always


class DealRow(NamedTuple):
    """One LIVE flash deal: open in [open_us, close_us)."""

    sku: int
    broadcast: int
    open_us: int
    close_us: int
    price_minor: int
    units: int
    per_buyer: int
    deal: Deal


def to_reporting_minor(scenario: Scenario, money: Money | None) -> int:
    """`money` in minor units of the reporting currency at its dated rate, rounded half up; None is 0.

    Raises KeyError for a currency without a rate (the loader has refused such a scenario).
    """
    if money is None:
        return 0
    if money.currency == scenario.reporting_currency:
        return money.minor
    rates = {row.currency: Fraction(str(row.rate)) for row in scenario.currencies}
    digits = minor_digits(scenario.reporting_currency) - minor_digits(money.currency)
    exact = money.minor * rates[money.currency] * Fraction(10) ** digits
    return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)


def start_utc(scenario: Scenario) -> str:
    """The scenario's start as ISO 8601 in UTC."""
    return scenario.start.astimezone(dt.UTC).isoformat()


def sku_names(scenario: Scenario) -> list[str]:
    """SKU ids in number order: `listing` or `listing/variant`."""
    return [name for listing in scenario.catalogue for name in _names(listing)]


def _names(listing: Listing) -> list[str]:
    return [f"{listing.name}/{sku.name}" for sku in listing.skus] if listing.skus else [listing.name]


@of_last
def sku_table(scenario: Scenario) -> list[SkuRow]:
    """Every SKU of the catalogue in number order."""
    number = {name: i for i, name in enumerate(sku_names(scenario))}
    rows: list[SkuRow] = []
    for index, listing in enumerate(scenario.catalogue):
        shares = [sku.share for sku in listing.skus] or [1.0]
        for k, name in enumerate(_names(listing)):
            rows.append(
                SkuRow(
                    name,
                    index,
                    listing.category,
                    shares[k],
                    to_reporting_minor(scenario, listing.price),
                    to_reporting_minor(scenario, listing.cost),
                    to_reporting_minor(scenario, listing.salvage),
                    _stock(scenario, listing, k, shares),
                    tuple((number[part.sku], part.units) for part in listing.bundle) or ((number[name], 1),),
                    tuple((window.on_us, window.off_us) for window in listing.shelf),
                )
            )
    return rows


def _stock(scenario: Scenario, listing: Listing, k: int, shares: list[float]) -> tuple[int, ...]:
    own = listing.skus[k].stock if listing.skus else {}
    return tuple(
        own.get(house.name, 0) + split_units(listing.stock.get(house.name, 0), shares)[k]
        for house in scenario.warehouses
    )


def split_units(units: int, shares: list[float]) -> list[int]:
    """`units` divided by `shares` (any scale), largest remainders first, the sum kept."""
    total = sum(Fraction(str(share)) for share in shares)
    if total == 0:
        return [0] * len(shares)
    exact = [units * Fraction(str(share)) / total for share in shares]
    parts = [int(x) for x in exact]
    order = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in order[: units - sum(parts)]:
        parts[i] += 1
    return parts


def contents(scenario: Scenario) -> list[str]:
    """Names of the contents: broadcasts, then videos."""
    return [b.name for b in scenario.programme.broadcasts] + [v.name for v in scenario.programme.videos]


def deal_table(scenario: Scenario) -> list[DealRow]:
    """Every flash deal, in the order of broadcasts and then of the file; times since the scenario's start."""
    number = {name: i for i, name in enumerate(sku_names(scenario))}
    rows = []
    for b, broadcast in enumerate(scenario.programme.broadcasts):
        for deal in broadcast.deals:
            open_us = broadcast.start_us + deal.at_us + deal.countdown_us
            rows.append(
                DealRow(
                    number[deal.sku],
                    b,
                    open_us,
                    open_us + deal.duration_us,
                    to_reporting_minor(scenario, deal.price),
                    deal.units,
                    deal.per_buyer,
                    deal,
                )
            )
    return rows


def lane_table(scenario: Scenario) -> list[list[Lane]]:
    """`lane_table(s)[warehouse][region]`; a pair without a lane of its own gets the default one."""
    named = {(lane.warehouse, lane.region): lane for lane in scenario.lanes}
    return [
        [
            named.get((house.name, region.name), Lane(warehouse=house.name, region=region.name))
            for region in scenario.regions
        ]
        for house in scenario.warehouses
    ]


class CarrierRow(NamedTuple):
    """A carrier of a warehouse (by number); one that has no `carriers` has one without a name."""

    warehouse: int
    name: str
    carrier: Carrier | None


def carrier_table(scenario: Scenario) -> list[CarrierRow]:
    """Every carrier, by warehouse and then in the order of the file; without several, a row a warehouse."""
    return [
        CarrierRow(number, carrier.name if carrier is not None else "", carrier)
        for number, house in enumerate(scenario.warehouses)
        for carrier in house.carriers or (None,)
    ]


def has_carriers(scenario: Scenario) -> bool:
    """Whether any warehouse names its carriers."""
    return any(house.carriers for house in scenario.warehouses)


def carriage_table(scenario: Scenario) -> list[list[Carriage]]:
    """`carriage_table(s)[row of carrier_table][region]`: the carrier's own terms, or those of the lane."""
    lanes = lane_table(scenario)
    return [
        [
            lane if row.carrier is None else row.carrier.to.get(region.name, lane)
            for region, lane in zip(scenario.regions, lanes[row.warehouse], strict=True)
        ]
        for row in carrier_table(scenario)
    ]


def freight_minor(scenario: Scenario, carriage: Carriage) -> int:
    """What a parcel costs on its way, customs included, in minor units of the reporting currency."""
    customs = carriage.customs.cost if carriage.customs is not None else None
    return to_reporting_minor(scenario, carriage.cost) + to_reporting_minor(scenario, customs)


def nearest_warehouses(scenario: Scenario) -> list[list[int]]:
    """Per region, warehouse numbers nearest first; those a region does not name follow in the file's order."""
    number = {house.name: i for i, house in enumerate(scenario.warehouses)}
    result = []
    for region in scenario.regions:
        named = [number[name] for name in region.nearest]
        result.append(named + [i for i in range(len(number)) if i not in named])
    return result
