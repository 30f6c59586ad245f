"""The parts of `allocation` by number: warehouses that a region asks, SKUs sold ahead, reserves."""

from __future__ import annotations

from typing import NamedTuple

from sim.scenario.freight import expected_freight
from sim.scenario.parts.allocation import WarehouseChoice
from sim.scenario.schema import Scenario
from sim.scenario.tables import nearest_warehouses, sku_names


class ReserveRow(NamedTuple):
    """Units of one SKU kept for orders whose content is in [first, end), released at `release_us`."""

    sku: int
    units: tuple[tuple[int, int], ...]  # (warehouse, units)
    first: int
    end: int
    release_us: int


def choice_of(scenario: Scenario, region: int) -> WarehouseChoice:
    """The region's own choice of warehouses, or the scenario's."""
    return scenario.regions[region].allocation or scenario.allocation


def asked_warehouses(scenario: Scenario) -> list[list[int]]:
    """Per region, the warehouses that its carts are offered to, in order."""
    number = {house.name: i for i, house in enumerate(scenario.warehouses)}
    cost = expected_freight(scenario)
    result = []
    for region, nearest in enumerate(nearest_warehouses(scenario)):
        rule = choice_of(scenario, region)
        if rule.choice == "cheapest":
            # to pick and pack a parcel costs the same in every warehouse
            asked = sorted(nearest, key=lambda house, at=region: cost[house][at])  # type: ignore[misc]
        elif rule.choice == "regional":
            asked = nearest[:1]
        elif rule.choice == "nearest":
            asked = nearest
        else:
            central = number[rule.warehouse]
            others = [house for house in nearest if house != central]
            asked = [central, *(others if rule.choice == "central_first" else [])]
        result.append(asked)
    return result


def may_wait(scenario: Scenario) -> bool:
    """Whether any order of the scenario may wait for stock."""
    rules = [choice_of(scenario, region) for region in range(len(scenario.regions))]
    return bool(scenario.allocation.presale) or any(rule.otherwise == "wait" for rule in rules)


def presale_table(scenario: Scenario) -> list[tuple[int, int]]:
    """(units sold ahead at most, lead in us) of each SKU; (0, 0) where it is not sold ahead."""
    terms = {row.sku: (row.units, row.lead_us) for row in scenario.allocation.presale}
    return [terms.get(name, (0, 0)) for name in sku_names(scenario)]


def reserve_table(scenario: Scenario) -> list[ReserveRow]:
    """Every reserve, in the order of the file."""
    number = {name: i for i, name in enumerate(sku_names(scenario))}
    house = {house.name: i for i, house in enumerate(scenario.warehouses)}
    shows = scenario.programme.broadcasts
    rows = []
    for reserve in scenario.allocation.reserves:
        names = [show.name for show in shows]
        first, end = 0, len(shows)
        if reserve.broadcast:
            first = names.index(reserve.broadcast)
            end = first + 1
        over_us = max(show.start_us + show.length_us for show in shows[first:end])
        units = tuple((house[name], count) for name, count in reserve.units.items())
        rows.append(ReserveRow(number[reserve.sku], units, first, end, reserve.release_us or over_us))
    return rows
